"""The sandbox's time: as fast as asked, able to jump, and going on while the sandbox is off."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Anchor", "Clock"]


class Anchor(NamedTuple):
    """A moment by both clocks, in seconds since 1970."""

    sandbox: float
    wall: float
    speed: float


class Clock:
    """Tells the sandbox's time, which passes `speed` times as fast as ours.

    With `speed=0` it stands still, and moves by `skip` alone: for tests of what takes days.
    Signatures carry the time of the wall, since a receiver compares them with its own clock.
    """

    def __init__(
        self,
        speed: float = 1.0,
        *,
        anchor: Anchor | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._wall = wall
        moment = wall()
        # Where the last sandbox left off: its time went on at its own speed.
        begin = moment if anchor is None else _at(anchor, moment)
        self._anchor = Anchor(begin, moment, speed)

    @property
    def anchor(self) -> Anchor:
        """From what to go on after a restart."""
        return self._anchor

    @property
    def speed(self) -> float:
        """How many seconds pass here in one of the wall's."""
        return self._anchor.speed

    def now(self) -> float:
        """Return the sandbox's time, in seconds since 1970."""
        return _at(self._anchor, self._wall())

    def skip(self, seconds: float) -> None:
        """Jump ahead."""
        moment = self._wall()
        self._anchor = Anchor(_at(self._anchor, moment) + seconds, moment, self.speed)

    def seconds_until(self, moment: float) -> float:
        """Return how many of the wall's seconds are left; infinitely many if time stands still."""
        left = max(0.0, moment - self.now())
        if left and not self.speed:
            return math.inf
        return left / self.speed if left else 0.0


def _at(anchor: Anchor, wall: float) -> float:
    # A wall clock that was set back must not take the sandbox back in time.
    return anchor.sandbox + max(0.0, wall - anchor.wall) * anchor.speed
