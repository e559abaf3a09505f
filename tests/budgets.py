"""How much a test tries: enough to see a mistake at each commit, and far more before a release."""

import os

__all__ = ["budget"]

LONG = os.environ.get("TEST_LONG") == "1"
"""Set by `make test-long`."""


def budget(short: int, long: int) -> int:
    """Return how many examples, events or rounds a test is to try."""
    return long if LONG else short
