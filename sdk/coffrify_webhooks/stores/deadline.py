"""A deadline on a blocking call to a server: when it is over, the connection is cut.

A driver that waits for an answer from a server that hangs cannot be stopped in any other way that
works for each of them; a closed socket ends its wait with an error.
"""

import socket
from collections.abc import Generator
from contextlib import contextmanager, suppress
from os import dup

from coffrify_webhooks.alarms import Alarm, Alarms

__all__ = ["deadline"]

_alarms = Alarms("deadlines")


@contextmanager
def deadline(descriptor: int | None, seconds: float) -> Generator[None]:
    """Shut the socket `descriptor` down unless the block ends within so many seconds."""
    if descriptor is None:
        yield
        return
    alarm = Alarm(lambda: _cut(descriptor))
    _alarms.set(alarm, seconds)
    try:
        yield
    finally:
        _alarms.clear(alarm)


def _cut(descriptor: int) -> None:
    with suppress(OSError), socket.socket(fileno=dup(descriptor)) as connection:
        connection.shutdown(socket.SHUT_RDWR)
