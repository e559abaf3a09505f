"""The sandbox's clock: it runs at a given speed, can jump, and goes on while the sandbox is off."""

from __future__ import annotations

import json
import math
import time
from typing import TYPE_CHECKING, Any, NamedTuple, TypeGuard

from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks_codegen.json_types import is_list

from .errors import SandboxError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["END", "Anchor", "Clock", "anchor_of", "check_skip", "check_speed"]

END = 253_000_000_000.0
"""In the year 9987: later times cannot be formatted."""
_FASTEST = 1_000_000
_LONGEST_SKIP = 10 * 365 * 86_400


class Anchor(NamedTuple):
    """One moment on both clocks, in seconds since 1970."""

    sandbox: float
    wall: float
    speed: float


def check_speed(speed: Any) -> float:
    """Return a valid speed; raise ConfigurationError for anything else."""
    if not _is_within(speed, _FASTEST):
        raise ConfigurationError(
            f"speed {speed!r}: give a number from 0 to {_FASTEST}; with 0 the clock is stopped"
        )
    return speed


def check_skip(seconds: Any) -> float:
    """Return a valid number of seconds to jump; raise SandboxError for anything else."""
    if not _is_within(seconds, _LONGEST_SKIP):
        raise _invalid_seconds("give a number from 0 to 10 years")
    return seconds


def anchor_of(text: str) -> Anchor | None:
    """Read a saved anchor; None if there is none, or it cannot be used."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    if not is_list(found) or len(found) != len(Anchor._fields):
        return None
    sandbox, wall, speed = found
    if _is_within(sandbox, END) and _is_within(wall, END) and _is_within(speed, _FASTEST):
        return Anchor(sandbox, wall, speed)
    return None


class Clock:
    """The sandbox's time, which passes `speed` times as fast as real time.

    With `speed=0` it is stopped and advances only by `skip`, for tests of what takes days.
    Signatures carry the real time, since a receiver compares them with its own clock. The clock
    never goes back, whatever the system clock does. since: a time that has already passed.
    """

    def __init__(
        self,
        speed: float = 1.0,
        *,
        anchor: Anchor | None = None,
        since: float = 0.0,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._speed = check_speed(speed)
        self._wall = wall
        moment = wall()
        # Where the last sandbox left off. A night in which it was off is a night, or all that
        # waits would be given up for a speed at which nobody was sending.
        begin = moment if anchor is None else _at(anchor, moment, fastest=1.0)
        self._latest = min(END, max(begin, since))
        self._seen = moment
        self._anchor = Anchor(self._latest, moment, speed)

    @property
    def anchor(self) -> Anchor:
        """The anchor to continue from after a restart."""
        now = self.now()
        return Anchor(now, self._seen, self._speed)

    @property
    def speed(self) -> float:
        """The sandbox's seconds in one real second."""
        return self._speed

    def now(self) -> float:
        """Return the sandbox's time, in seconds since 1970."""
        moment = self._wall()
        if moment < self._seen:  # the system clock was set back
            self._anchor = Anchor(self._latest, moment, self._speed)
        self._seen = moment
        self._latest = max(self._latest, min(END, _at(self._anchor, moment)))
        return self._latest

    def skip(self, seconds: float) -> None:
        """Jump ahead; raise SandboxError for less than 0 seconds or more than 10 years."""
        then = self.now() + check_skip(seconds)
        if then > END:
            raise _invalid_seconds("that is after the year 9986, where this calendar ends")
        self._latest = then
        self._anchor = Anchor(then, self._seen, self._speed)

    def seconds_until(self, moment: float) -> float:
        """Return the real seconds until a moment; infinity if it never comes."""
        left = max(0.0, moment - self.now())
        if left and (not self._speed or moment > END):
            return math.inf
        return left / self._speed if left else 0.0


def _at(anchor: Anchor, wall: float, fastest: float = math.inf) -> float:
    return anchor.sandbox + max(0.0, wall - anchor.wall) * min(anchor.speed, fastest)


def _is_within(value: Any, most: float) -> TypeGuard[float]:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and 0 <= value <= most  # never true of NaN


def _invalid_seconds(remedy: str) -> SandboxError:
    return SandboxError(400, "invalid_parameter", f"seconds: {remedy}", "seconds")
