"""A deadline on a blocking call to a server: when it is over, the connection is cut.

A driver that waits for an answer from a server that hangs cannot be stopped in any other way that
works for each of them; a closed socket ends its wait with an error.
"""

import socket
from collections.abc import Generator
from contextlib import contextmanager, suppress
from os import close, dup
from threading import Lock
from typing import Any, cast

from coffrify_webhooks.alarms import Alarm, Alarms

__all__ = ["deadline", "descriptor"]

_alarms = Alarms("deadlines")


@contextmanager
def deadline(descriptor: int | None, seconds: float) -> Generator[None]:
    """Shut the socket `descriptor` down unless the block ends within so many seconds."""
    if descriptor is None:
        yield
        return
    over = False
    lock = Lock()

    def cut() -> None:
        with lock:  # once the block has ended, the number may be another connection's
            if not over:
                _cut(descriptor)

    alarm = Alarm(cut)
    _alarms.set(alarm, seconds)
    try:
        yield
    finally:
        _alarms.clear(alarm)
        with lock:
            over = True


def descriptor(connection: Any) -> int | None:
    """Return the socket of a driver's connection, where the driver shows it."""
    holder = getattr(connection, "_sock", connection)  # PyMySQL's
    number = getattr(holder, "fileno", None)
    try:
        return cast("int | None", number()) if callable(number) else None
    except Exception:  # noqa: BLE001 - each driver says in its own way that it is closed
        return None


def _cut(descriptor: int) -> None:
    copy = dup(descriptor)
    try:
        with suppress(OSError), socket.socket(fileno=copy) as connection:
            copy = -1
            connection.shutdown(socket.SHUT_RDWR)
    finally:
        if copy >= 0:
            close(copy)
