"""Moves what SQLite has written ahead into the file, in a thread beside the deliveries.

By itself SQLite does so in the commit that made the log long, so that one event of 200 waits some
milliseconds for the disk.
"""

import sqlite3
import weakref
from collections.abc import Callable
from contextlib import closing, suppress
from threading import Lock

from coffrify_webhooks.concurrency.timers import Alarm, Alarms
from coffrify_webhooks.errors import StoreUnavailable

__all__ = ["Checkpoints", "forget_all", "leave_to_us", "pause_all", "resume_all"]

_EVERY = 250
"""Calls of the store, each of which writes two or three pages of 4 KB."""
_PASSES = 5
_BY_ITSELF = 16_000
"""Pages after which SQLite does it all the same, so that the log stays near 64 MB."""
_alarms = Alarms("checkpoints")


def leave_to_us(connection: sqlite3.Connection) -> None:
    """Let the commits of a connection leave the log alone."""
    connection.execute(f"PRAGMA wal_autocheckpoint = {_BY_ITSELF}")


class Checkpoints:
    """The checkpoints of one file.

    connect: a method that returns a connection beside the one that deliveries use, or None.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection | None]) -> None:
        self._connect = weakref.WeakMethod(connect)
        self._calls = 0
        self._alarm = Alarm(self._move)
        self.lock: Lock = Lock()
        """Held during a checkpoint; a fork waits for it."""
        _all.add(self)

    def count_call(self) -> None:
        """Note that something was written perhaps; a checkpoint begins if it is time for one."""
        self._calls += 1
        if self._calls >= _EVERY:
            self._calls = 0
            with suppress(RuntimeError):  # without a thread SQLite does it by itself
                _alarms.set(self._alarm, 0)

    def _move(self) -> None:
        with self.lock:
            connect = self._connect()
            with suppress(sqlite3.Error, StoreUnavailable):  # deliveries say what is wrong
                connection = None if connect is None else connect()
                if connection is not None:
                    with closing(connection):
                        _catch_up(connection)


def _catch_up(connection: sqlite3.Connection) -> None:
    """Move what was written, waiting for nobody and letting nobody wait.

    Only a log of which all was moved begins anew, and deliveries write on meanwhile: then there is
    less to move the next time, until one of the passes ends between two of them.
    """
    for _ in range(_PASSES):
        _, pages, moved = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if moved == pages:
            return


_all: "weakref.WeakSet[Checkpoints]" = weakref.WeakSet()
_paused: list[Checkpoints] = []
_LONGEST_PAUSE = 2.0
"""Seconds for which a fork waits."""


def pause_all() -> None:
    """Let none run during a fork: the child would inherit a connection that is in use."""
    _paused.extend(each for each in list(_all) if each.lock.acquire(timeout=_LONGEST_PAUSE))


def resume_all() -> None:
    """Go on in the parent."""
    for each in _paused:
        each.lock.release()
    _paused.clear()


def forget_all() -> None:
    """Begin anew in the child."""
    for each in list(_all):
        each.lock = Lock()
    _paused.clear()
