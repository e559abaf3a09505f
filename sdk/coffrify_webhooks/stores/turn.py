"""A lock that is waited for only so long, and that no signal can leave locked.

A signal's handler may raise (a soft time limit, Ctrl-C) between any two steps of Python code: after
`acquire` and before the `try` behind it, or on the way into an `__exit__` written in Python.
"""

from threading import Lock
from typing import Any

from coffrify_webhooks.errors import StoreUnavailable

__all__ = ["Turn", "WouldWait", "make_turn"]


class WouldWait(Exception):  # noqa: N818 - an answer, for the driver alone
    """A call that must not block would have had to wait; nothing of it was done."""


class Turn:
    """Entered by one thread at a time; raises StoreUnavailable after `timeout` seconds.

    Without a timeout it raises WouldWait at once.
    """

    __slots__ = ("_lock", "_timeout")

    def __init__(self, lock: Any, timeout: float) -> None:
        self._lock = lock
        self._timeout = timeout

    def __enter__(self) -> None:
        # One call into C takes the lock and notes that it did: nothing can come in between.
        taken: list[bool] = []
        try:
            taken.extend(map(self._lock.acquire, (True,), (self._timeout,)))
            if taken[0]:
                return
        except BaseException:
            if taken and taken[0]:
                self._lock.release()
            raise
        if not self._timeout:
            raise WouldWait
        raise StoreUnavailable("the sqlite store is busy in another thread")

    def __exit__(self, *_: object) -> None:
        raise NotImplementedError  # see make_turn

    def at_once(self) -> "Turn":
        """Return the same turn, for whoever must not wait."""
        return type(self)(self._lock, 0.0)

    def take(self) -> bool:
        """Take the lock until `give_back`; tell whether it could be had."""
        return bool(self._lock.acquire(timeout=self._timeout))

    def give_back(self) -> None:
        """Give back what `take` took."""
        self._lock.release()


def make_turn(timeout: float) -> Turn:
    """Return a Turn whose `__exit__` is the lock's own, so that leaving it runs no Python code."""
    lock = Lock()
    kind: type[Turn] = type("Turn", (Turn,), {"__slots__": (), "__exit__": lock.__exit__})
    return kind(lock, timeout)
