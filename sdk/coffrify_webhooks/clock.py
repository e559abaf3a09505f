"""The time, for whoever is given no other clock."""

import time

__all__ = ["monotonic", "now"]


def now() -> float:
    """Return the seconds since 1970, by `time.time` as it is at this moment.

    What is bound at import or as a default would miss what sets the time of a test later.
    """
    return time.time()


if hasattr(time, "clock_gettime"):

    def monotonic() -> float:
        """Return seconds that go on while a test holds the time: for waits, which would never end.

        freezegun holds `time.monotonic` as well, wherever it is bound.
        """
        return time.clock_gettime(time.CLOCK_MONOTONIC)

else:  # Windows
    monotonic = time.monotonic
