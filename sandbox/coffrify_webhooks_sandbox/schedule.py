"""The retry schedule: when a failed delivery is attempted again, and when no more.

The vendor's page promises at most 12 attempts, within 72 h of the first failure, exponential with
jitter, 15 s for each; the vendor's fixtures have a base of 30 s. Factor and jitter are not
published: ours are chosen so that all 12 attempts fall within the 72 h, whatever the jitter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

__all__ = [
    "ATTEMPTS",
    "BASE",
    "DISABLED_AFTER",
    "FACTOR",
    "JITTER",
    "TIMEOUT",
    "WINDOW",
    "bounds",
    "is_over",
    "next_attempt",
]

ATTEMPTS = 12
WINDOW = 72 * 3600.0
TIMEOUT = 15.0
BASE = 30.0
FACTOR = 2.3
"""Our choice: the last attempt comes 61 h after the first failure, give or take the jitter."""
JITTER = 0.1
"""Our choice: a gap is up to a tenth shorter or longer."""
DISABLED_AFTER = 5
"""Our choice: dead letters in a row after which an endpoint is disabled."""


def bounds(attempt: int) -> tuple[float, float]:
    """Return the shortest and the longest gap after a failed attempt, in seconds.

    attempt: its number, from 1.
    """
    gap = BASE * FACTOR ** (attempt - 1)
    return gap * (1 - JITTER), gap * (1 + JITTER)


def next_attempt(attempt: int, first_failure: float, now: float, random: Random) -> float | None:
    """Return the time of the next attempt after a failed one; None if it was the last.

    first_failure, now: seconds since 1970.
    """
    if attempt >= ATTEMPTS:
        return None
    due = now + random.uniform(*bounds(attempt))
    return None if is_over(first_failure, due) else due


def is_over(first_failure: float | None, moment: float) -> bool:
    """Tell whether the window for attempts has ended at a moment."""
    return first_failure is not None and moment > first_failure + WINDOW
