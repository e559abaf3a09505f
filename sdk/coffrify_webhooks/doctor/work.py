"""The bound of a search: so many bytes hashed or written, and so much of a processor's time."""

from __future__ import annotations

import time

__all__ = ["Work"]

_BYTES = 80 << 20
"""Bytes to hash; other work is counted as the bytes that would cost as much."""
_EACH = 1500
"""What one HMAC costs besides its bytes, in bytes."""
_SECONDS = 0.6
"""Of this thread alone, so that a busy machine finds what an idle one does; a collection of
garbage may fall into it."""


class Work:
    """What is left of the bound."""

    def __init__(self) -> None:
        self._left = _BYTES
        self._end = time.thread_time() + _SECONDS
        self.hashed: int = 0
        """How many HMACs were computed."""

    @property
    def is_over(self) -> bool:
        """Whether the search ended before everything was tried."""
        return self._left <= 0

    def hash(self, size: int) -> bool:
        """Take what an HMAC over `size` bytes costs; False if it is too much."""
        self.hashed += 1
        return self.take(size + _EACH)

    def take(self, size: int) -> bool:
        """Take what costs as much as hashing `size` bytes; False if it is too much."""
        self._left -= size
        if self._left > 0 and time.thread_time() > self._end:
            self._left = 0
        return self._left > 0
