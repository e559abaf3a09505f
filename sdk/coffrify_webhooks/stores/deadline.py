"""A deadline on a blocking call to a server: when it is over, the connection is cut.

A driver that waits for an answer from a server that hangs cannot be stopped in any other way that
works for each of them; a closed socket ends its wait with an error.
"""

import socket
from collections.abc import Generator
from contextlib import contextmanager, suppress
from threading import Lock
from typing import Any, cast

from coffrify_webhooks.concurrency.timers import Alarm, Alarms
from coffrify_webhooks.errors import StoreUnavailable

__all__ = ["deadline", "descriptor", "shut_down"]

_alarms = Alarms("deadlines")


@contextmanager
def deadline(descriptor: int | None, seconds: float) -> Generator[None]:
    """Shut the socket `descriptor` down unless the block ends within so many seconds.

    Raises StoreUnavailable, before the block, if no thread can be had that would do so. Then
    nothing more is needed: no descriptor, no thread.
    """
    if descriptor is None:
        yield
        return
    over = False
    lock = Lock()

    def cut() -> None:
        with lock:  # once the block has ended, the number may be another connection's
            if not over:
                shut_down(descriptor)

    alarm = Alarm(cut)
    try:
        try:
            _alarms.set(alarm, seconds)
        except RuntimeError as error:
            raise StoreUnavailable("no thread can be started, so no call can be timed") from error
        yield
    finally:
        over = True  # first of all: a signal may raise at any point
        with lock:  # not while it is being cut
            pass
        _alarms.clear(alarm)


def descriptor(connection: Any) -> int | None:
    """Return the socket of a driver's connection, where the driver shows it."""
    holder = getattr(connection, "_sock", connection)  # PyMySQL's
    number = getattr(holder, "fileno", None)
    try:
        return cast("int | None", number()) if callable(number) else None
    except Exception:  # each driver says in its own way that it is closed
        return None


def shut_down(descriptor: int) -> None:
    """End a socket for whoever waits on it; its descriptor stays taken."""
    # Not on a copy of the descriptor: there may be none left.
    with suppress(OSError):
        borrowed = socket.socket(fileno=descriptor)
        try:
            borrowed.shutdown(socket.SHUT_RDWR)
        finally:
            borrowed.detach()
