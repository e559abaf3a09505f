"""When a failed event is tried again on an engine, and how often: the same on every engine."""

import random
from dataclasses import dataclass

from .errors import ConfigurationError, shown

__all__ = ["RETRIES", "Retries"]


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a worker tries an event, and how long it waits in between.

    attempts: in all; after the last failed one the event is a dead letter. first: seconds before
    the second attempt; each wait is then `factor` times the one before, `longest` seconds at the
    most. jitter: up to this part of the wait is added at random, so that events that failed
    together are not tried again together. Raises ConfigurationError for values that cannot be used.
    """

    attempts: int = 12
    first: float = 10.0
    factor: float = 2.0
    longest: float = 3600.0
    jitter: float = 0.25

    def __post_init__(self) -> None:
        attempts: object = self.attempts
        if not isinstance(attempts, int) or attempts < 1:
            raise ConfigurationError(f"Retries(attempts={shown(attempts)}): give 1 or more")
        for name, least in (("first", 0.0), ("factor", 1.0), ("longest", 0.0), ("jitter", 0.0)):
            value: object = getattr(self, name)
            if not isinstance(value, (int, float)) or not least <= value < float("inf"):
                raise ConfigurationError(f"Retries({name}={shown(value)}): give {least:g} or more")

    def wait(self, attempt: int) -> float:
        """Return the seconds to wait after this attempt, the first being 1."""
        return self._base(attempt) * (1 + random.uniform(0, self.jitter))  # noqa: S311 - no secret

    def longest_wait(self, attempt: int) -> float:
        """Return the most that `wait` may return."""
        return self._base(attempt) * (1 + self.jitter)

    def _base(self, attempt: int) -> float:
        # The exponent is bounded: a float overflows beyond it.
        return min(self.first * self.factor ** min(max(attempt - 1, 0), 64), self.longest)


RETRIES = Retries()
