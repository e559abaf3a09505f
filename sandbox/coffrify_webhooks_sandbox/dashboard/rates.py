"""How many attempts of an endpoint succeed and how long they take, over time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Period", "Rate", "Sample", "periods"]

Sample = tuple[float, bool, float]
"""When an attempt was made, whether it succeeded, and the seconds that it took."""

_LENGTHS = (60, 300, 900, 3600, 6 * 3600, 86_400, 7 * 86_400, 28 * 86_400)
"""Seconds of a period."""
_MOST_PERIODS = 16


@dataclass(frozen=True, slots=True)
class Rate:
    """What became of some attempts."""

    attempts: int
    successes: int
    median: float
    """Seconds."""
    slow: float
    """Seconds within which 95% of them ended."""

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> Rate | None:
        """Return the rate of some attempts; None of none."""
        if not samples:
            return None
        took = sorted(seconds for _, _, seconds in samples)
        return cls(
            len(samples),
            sum(success for _, success, _ in samples),
            took[(len(took) - 1) // 2],
            took[-(-len(took) * 19 // 20) - 1],
        )

    @property
    def percent(self) -> int:
        """The percentage of successes; 100 and 0 are exact."""
        share = 100 * self.successes / self.attempts
        return min(99, max(1, round(share))) if 0 < self.successes < self.attempts else round(share)


@dataclass(frozen=True, slots=True)
class Period:
    """The attempts of a period in which there were any."""

    begin: float
    length: int
    rate: Rate


def periods(samples: Sequence[Sample]) -> list[Period]:
    """Return the rate of each period, the latest first; periods are as short as fits a page."""
    if not samples:
        return []
    times = [at for at, _, _ in samples]
    span = max(times) - min(times)
    length = next((each for each in _LENGTHS if span < each * _MOST_PERIODS), _LENGTHS[-1])
    found: dict[int, list[Sample]] = {}
    for sample in samples:
        found.setdefault(int(sample[0] // length), []).append(sample)
    return [
        Period(float(number * length), length, rate)
        for number, each in sorted(found.items(), reverse=True)[: 2 * _MOST_PERIODS]
        if (rate := Rate.of(each)) is not None
    ]
