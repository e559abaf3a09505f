"""What has to be over in time, judged so that a machine with other work passes too."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["in_time"]

_ROOM = 3
"""What is wrong hangs, or goes on for far longer; a busy machine takes two or three times as long.

Three times the 5 seconds that most of them promise are the 15 for which the sender waits.
"""


@contextmanager
def in_time(seconds: float) -> Iterator[None]:
    """Check that the block takes about so many seconds at most."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds * _ROOM
