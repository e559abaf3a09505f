"""The time, for whoever is given no other clock."""

import time

__all__ = ["now"]


def now() -> float:
    """Return the seconds since 1970, by `time.time` as it is at this moment.

    What is bound at import or as a default would miss what sets the time of a test later.
    """
    return time.time()
