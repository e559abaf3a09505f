"""Marks of a store as small notes that all processes of a receiver share.

Every store that orders events has marks. They are no events, so nothing that lists or counts events
meets them, and they are dropped with the retention.
"""

from __future__ import annotations

from time import sleep
from typing import TYPE_CHECKING, cast

from .blocking import async_form
from .protocol import AsyncOrderedStore, OrderedStore

if TYPE_CHECKING:
    from .protocol import Lock, Store

__all__ = ["LEASE", "has_marks", "read_mark"]

LEASE = 10.0
"""Seconds for which a mark is locked to be written."""
_MOST_TRIES, _PAUSE = 20, 0.05
"""To lock a mark that another process writes, and the seconds between two."""


def has_marks(store: object) -> bool:
    """Tell whether a store has marks; one of the user's own need not."""
    inner = async_form(store)
    return isinstance(store if inner is None else inner, (OrderedStore, AsyncOrderedStore))


def read_mark(store: Store, mark: str, *, clear: bool = False) -> str | None:
    """Return what a mark says, None if nothing; clear: and let it say nothing from now on.

    Raises StoreUnavailable. A mark that is being written at this moment is looked at again.
    """
    marks = cast("OrderedStore", store)
    lock = marks.lock(mark, LEASE) or _lock_again(marks, mark)
    if lock is None:
        return None
    marks.unlock(mark, lock.token, "" if clear else None)
    return lock.state


def _lock_again(marks: OrderedStore, mark: str) -> Lock | None:
    """Lock a mark that another process is writing to, which takes it milliseconds."""
    for _ in range(_MOST_TRIES):
        sleep(_PAUSE)
        lock = marks.lock(mark, LEASE)
        if lock is not None:
            return lock
    return None
