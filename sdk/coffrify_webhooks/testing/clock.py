"""A clock for tests: it stands still until it is moved."""

from __future__ import annotations

from coffrify_webhooks.clock import now
from coffrify_webhooks.errors import ConfigurationError, shown

__all__ = ["Clock"]

__tracebackhide__: bool = True
"""pytest shows the line of the test, not ours."""


class Clock:
    """Returns the same time at each call, until `advance` moves it.

    It begins at the present, as `time.time` tells it: where freezegun or time-machine has set the
    time, at that.
    """

    def __init__(self) -> None:
        self._now: float = now()

    def __call__(self) -> float:
        """Return the time in seconds since 1970."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move the clock forward by so many seconds; raises ConfigurationError for less than 0."""
        if not seconds >= 0:
            raise ConfigurationError(f"advance({shown(seconds)}): a clock only goes forward")
        self._now += seconds

    def __repr__(self) -> str:
        return f"Clock({self._now:.3f})"
