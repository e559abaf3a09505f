"""What the sqlite stores of a process do around a fork, and at its end.

SQLite keeps its locks per process, and its books on them in memory: a child that inherits an open
connection would believe to hold locks that it does not have.
"""

import atexit
import os
import weakref
from threading import Lock
from typing import Protocol

from . import sqlite_checkpoints

__all__ = ["Forkable", "register"]


class Forkable(Protocol):
    """A store that has a connection open perhaps."""

    def before_fork(self) -> bool: ...
    def after_fork_in_parent(self) -> None: ...
    def after_fork_in_child(self) -> None: ...
    def close(self) -> None: ...


_stores: "weakref.WeakSet[Forkable]" = weakref.WeakSet()
_forking = Lock()
_paused: list[Forkable] = []


def register(store: Forkable) -> None:
    """Prepare a store for each fork from now on, and close it at the end."""
    _stores.add(store)


def _before_fork() -> None:
    _forking.acquire()
    sqlite_checkpoints.pause_all()
    _paused.extend(store for store in list(_stores) if store.before_fork())


def _after_fork_in_parent() -> None:
    for store in _paused:
        store.after_fork_in_parent()
    sqlite_checkpoints.resume_all()
    _paused.clear()
    _forking.release()


def _after_fork_in_child() -> None:
    for store in list(_stores):
        store.after_fork_in_child()
    sqlite_checkpoints.forget_all()
    _paused.clear()
    _forking.release()


def _close_all() -> None:
    for store in list(_stores):
        store.close()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
