"""Renews the claims of the events that are being handled, each at a third of its lease.

One daemon thread for the whole process, so that no handler can keep it from its work. A crash of
the process stops the renewals, and the claim is free within one lease.
"""

import os
import threading
import time
from typing import Self

from .stores import Store

__all__ = ["Keeper"]


class _Held:
    __slots__ = ("due", "key", "lease", "store", "token")

    def __init__(self, store: Store, key: str, token: str, lease: float) -> None:
        self.store = store
        self.key = key
        self.token = token
        self.lease = lease
        self.due = time.monotonic() + lease / 3


_LONGEST_WAIT = 3600.0
"""Seconds; a lease may be longer than what a thread can wait at once, even infinite."""

_held: set[_Held] = set()
_changed = threading.Condition()
_thread: threading.Thread | None = None
_wakes_at = 0.0
"""When the thread looks again by itself; most claims are settled by then, and never wake it."""


class Keeper:
    """Around the work on one delivery: keeps the claim that it takes alive until its end."""

    __slots__ = ("_held", "_lease", "_store")

    def __init__(self, store: Store, lease: float) -> None:
        self._store = store
        self._lease = lease
        self._held: _Held | None = None

    def keep(self, key: str, token: str) -> None:
        """Begin to renew a claim that was just taken."""
        self._held = _Held(self._store, key, token, self._lease)
        with _changed:
            _start()
            _held.add(self._held)
            if self._held.due < _wakes_at:
                _changed.notify()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._held is not None:
            with _changed:
                _held.discard(self._held)


def _start() -> None:
    global _thread  # noqa: PLW0603
    if _thread is None:
        _thread = threading.Thread(
            target=_renew_for_ever, name="coffrify-webhooks-leases", daemon=True
        )
        _thread.start()


def _renew_for_ever() -> None:
    global _wakes_at  # noqa: PLW0603
    while True:
        with _changed:
            first = min(_held, key=lambda held: held.due, default=None)
            now = time.monotonic()
            if first is None or first.due > now:
                wait = min(first.due - now, _LONGEST_WAIT) if first else _LONGEST_WAIT
                _wakes_at = now + wait
                _changed.wait(wait)
                continue
        _renew(first)


def _renew(held: _Held) -> None:
    try:
        ours = held.store.renew(held.key, held.token, held.lease)
    except BaseException:  # noqa: BLE001 - tried again before the lease is over; settling will tell
        ours = True
    held.due = time.monotonic() + held.lease / 3
    if not ours:  # lost: whoever has it now settles it, and our own settlement does nothing
        with _changed:
            _held.discard(held)


def _after_fork() -> None:
    global _changed, _thread, _wakes_at  # noqa: PLW0603
    _changed = threading.Condition()
    _thread = None
    _wakes_at = 0.0
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
