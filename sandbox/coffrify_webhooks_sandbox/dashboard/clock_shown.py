"""Where the clock of a page stands."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coffrify_webhooks_sandbox.clock import Clock

__all__ = ["ClockShown"]


class ClockShown:
    """A clock that runs by itself once it was set, so that it has to be told of jumps alone."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._moment = -math.inf
        self._set_at = 0.0

    def set(self) -> None:
        """Set it to the sandbox's time."""
        self._moment, self._set_at = self._clock.now(), time.monotonic()

    def is_right(self) -> bool:
        """Tell whether it shows the sandbox's time, or is less than one of our seconds off."""
        speed = self._clock.speed
        passed = (time.monotonic() - self._set_at) * speed
        return abs(self._clock.now() - self._moment - passed) <= speed
