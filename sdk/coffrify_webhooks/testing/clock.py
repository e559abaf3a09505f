"""A clock for tests: it stands still until it is moved."""

from __future__ import annotations

from datetime import timedelta

from coffrify_webhooks.clock import now
from coffrify_webhooks.errors import ConfigurationError, shown

__all__ = ["Clock"]

__tracebackhide__: bool = True
"""pytest shows the line of the test, not ours."""


class Clock:
    """Returns the same time at each call, until `advance` moves it.

    It begins at the present, as `time.time` returns it: if freezegun or time-machine has set the
    time, at that time.
    """

    def __init__(self) -> None:
        self._now: float = now()

    def __call__(self) -> float:
        """Return the time in seconds since 1970."""
        return self._now

    def advance(self, seconds: float | timedelta) -> None:
        """Move the clock forward by so many seconds, or by a timedelta.

        Raises ConfigurationError for less than 0, and for anything but a length of time.
        """
        length = seconds.total_seconds() if isinstance(seconds, timedelta) else seconds
        if isinstance(length, bool) or not isinstance(length, (int, float)):
            raise ConfigurationError(f"advance({shown(seconds)}): give seconds, or a timedelta")
        if not 0 <= length < float("inf"):
            raise ConfigurationError(f"advance({shown(seconds)}): a clock only goes forward")
        self._now += length

    def __repr__(self) -> str:
        return f"Clock({self._now:.3f})"
