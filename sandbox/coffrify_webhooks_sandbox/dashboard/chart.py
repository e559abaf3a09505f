"""Draws the retry schedule: the attempts over time, on a logarithmic scale.

It shows each past attempt, and the range of each future one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from coffrify_webhooks_sandbox.misbehaviors import misbehavior_of
from coffrify_webhooks_sandbox.schedule import ATTEMPTS, WINDOW, bounds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coffrify_webhooks_sandbox.records import Attempt, Delivery

__all__ = ["Chart", "Point", "Span", "Tick", "chart"]

_LEFT, _RIGHT, _TOP, _BOTTOM = 30.0, 540.0, 30.0, 272.0
_FIRST = 15.0
"""Seconds: the scale is nearly linear below, because a logarithm has no zero."""
_TICKS = (
    (0, "0"),
    (30, "30 s"),
    (120, "2 min"),
    (600, "10 min"),
    (3600, "1 h"),
    (4 * 3600, "4 h"),
    (12 * 3600, "12 h"),
    (24 * 3600, "24 h"),
    (WINDOW, "72 h"),
)


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Point:
    """An attempt that was made, or whose time is known."""

    x: float
    y: float
    kind: str
    """success, failed, sending or next."""
    number: int
    after: float
    """Seconds after the first attempt."""


@dataclass(frozen=True, slots=True)
class Span:
    """The range of times of a future attempt."""

    x: float
    width: float
    y: float
    number: int
    earliest: float
    latest: float


@dataclass(frozen=True, slots=True)
class Chart:
    """The parts of the drawing."""

    points: list[Point] = field(default_factory=list[Point])
    spans: list[Span] = field(default_factory=list[Span])
    times: list[Tick] = field(default_factory=list[Tick])
    numbers: list[Tick] = field(default_factory=list[Tick])

    @property
    def way(self) -> str:
        """The line from attempt to attempt."""
        return " ".join(f"{point.x:.1f},{point.y:.1f}" for point in self.points)


def chart(delivery: Delivery, attempts: Sequence[Attempt], now: float) -> Chart | None:
    """Return the drawing; None for a delivery that is sent only once.

    now: the sandbox's time.
    """
    if misbehavior_of(delivery.manner).once:
        return None
    made = attempts[len(attempts) - delivery.attempts :]
    due = delivery.next_at
    start = made[0].at if made else (due or now)
    drawn = Chart(
        times=[Tick(_x(seconds), label) for seconds, label in _TICKS],
        numbers=[Tick(_y(number), str(number)) for number in range(1, ATTEMPTS + 1)],
    )
    for number, attempt in enumerate(made, 1):
        drawn.points.append(_point(number, attempt.at - start, _kind(attempt)))
    if delivery.is_over:
        return drawn
    if due is not None:
        drawn.points.append(_point(len(made) + 1, max(0.0, due - start), "next"))
    known = drawn.points[-1] if drawn.points else _point(1, 0.0, "next")
    drawn.spans.extend(_predict(known))
    return drawn


def _predict(last: Point) -> list[Span]:
    """Return the ranges of the attempts after one, within the window for attempts."""
    found: list[Span] = []
    earliest = latest = last.after
    for before, number in pairwise(range(last.number, ATTEMPTS + 1)):
        shortest, longest = bounds(before)
        earliest, latest = earliest + shortest, min(latest + longest, WINDOW)
        if earliest > WINDOW:
            break
        left, right = _x(earliest), _x(latest)
        found.append(Span(left, max(6.0, right - left), _y(number), number, earliest, latest))
    return found


def _kind(attempt: Attempt) -> str:
    if attempt.seconds is None:
        return "sending"
    return "success" if attempt.is_success else "failed"


def _point(number: int, after: float, kind: str) -> Point:
    return Point(_x(after), _y(number), kind, number, after)


def _x(seconds: float) -> float:
    share = math.log1p(max(0.0, seconds) / _FIRST) / math.log1p(WINDOW / _FIRST)
    return _LEFT + min(1.0, share) * (_RIGHT - _LEFT)


def _y(number: int) -> float:
    return _BOTTOM - (number - 1) * (_BOTTOM - _TOP) / (ATTEMPTS - 1)
