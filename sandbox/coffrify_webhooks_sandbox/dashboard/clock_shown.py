"""The clock that a page shows."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coffrify_webhooks_sandbox.clock import Clock

__all__ = ["ClockShown"]


class ClockShown:
    """The clock of a page, which runs by itself and is only sent again after a jump."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._moment = -math.inf
        self._set_at = 0.0

    def set(self) -> None:
        """Set it to the sandbox's time."""
        self._moment, self._set_at = self._clock.now(), time.monotonic()

    def is_right(self) -> bool:
        """Tell whether it is less than one real second off."""
        speed = self._clock.speed
        passed = (time.monotonic() - self._set_at) * speed
        return abs(self._clock.now() - self._moment - passed) <= speed
