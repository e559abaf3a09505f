"""The store that the inbox's pages read: for sqlite with a connection of its own.

A store in an sqlite file lends its one connection to one thread at a time, for microseconds. A page
takes it for longer, and deliveries would wait; in the file itself readers let nobody wait.
"""

from __future__ import annotations

from threading import Lock as Mutex
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from coffrify_webhooks.stores.sqlite import SQLiteStore

if TYPE_CHECKING:
    from coffrify_webhooks.receiver import Receiver
    from coffrify_webhooks.stores import Store

__all__ = ["store_of"]

_mutex = Mutex()
_beside: WeakKeyDictionary[SQLiteStore, SQLiteStore] = WeakKeyDictionary()


def store_of(receiver: Receiver) -> Store:
    """Return what to read a receiver's events from; what changes them goes to its own store."""
    store = receiver.store
    if type(store) is not SQLiteStore:
        return store
    with _mutex:
        found = _beside.get(store)
        if found is None:
            found = _beside[store] = store.beside()
        return found
