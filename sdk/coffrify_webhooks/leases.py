"""Renews the claims of the handlers that are running, each at a third of its lease.

One daemon thread for the whole process, so that no handler can keep it from its work. A crash of
the process stops the renewals, and the claim is free within one lease.
"""

import os
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager

from .stores import Store

__all__ = ["kept"]


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


@contextmanager
def kept(store: Store, key: str, token: str, lease: float) -> Generator[None]:
    """Keep a claim alive for as long as the block runs."""
    held = _Held(store, key, token, lease)
    with _changed:
        _start()
        _held.add(held)
        _changed.notify()
    try:
        yield
    finally:
        with _changed:
            _held.discard(held)


def _start() -> None:
    global _thread  # noqa: PLW0603
    if _thread is None:
        _thread = threading.Thread(
            target=_renew_for_ever, name="coffrify-webhooks-leases", daemon=True
        )
        _thread.start()


def _renew_for_ever() -> None:
    while True:
        with _changed:
            while not _held:
                _changed.wait()
            first = min(_held, key=lambda held: held.due)
            wait = first.due - time.monotonic()
            if wait > 0:
                _changed.wait(min(wait, _LONGEST_WAIT))
                continue
        _renew(first)


def _renew(held: _Held) -> None:
    try:
        ours = held.store.renew(held.key, held.token, held.lease)
    except Exception:  # noqa: BLE001 - tried again before the lease is over; settling will tell
        ours = True
    held.due = time.monotonic() + held.lease / 3
    if not ours:  # lost: whoever has it now settles it, and our own settlement does nothing
        with _changed:
            _held.discard(held)


def _after_fork() -> None:
    global _changed, _thread  # noqa: PLW0603
    _changed = threading.Condition()
    _thread = None
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
