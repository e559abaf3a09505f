"""Estimates how long a regular expression of a catalog may take on a text, before it is tried.

Python's `re` cannot be interrupted, and holds every thread of the process while it searches. So the
estimate is made from the expression as Python parses it, where comments, flags and classes cannot
hide what repeats.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import import_module
from math import inf
from typing import Any

__all__ = ["estimate_looks"]

_parser: Any = import_module("re._parser")  # what `re` itself reads expressions with
_LONGEST_PATTERN = 1000
_WIDE = 20
"""Characters that a look may match at once before they count."""


@lru_cache(maxsize=4096)
def estimate_looks(pattern: str, length: int) -> float:
    """Estimate how many characters of a text a search looks at; infinite if nobody can say.

    0 for what is no regular expression, which to try tells at once.
    """
    parsed = _parse(pattern)
    if parsed is None:
        return 0
    try:
        ways = _ways(parsed, max(2, length))
        width = min(int(parsed.getwidth()[0]), length)
    except (OverflowError, RecursionError):
        return inf
    return ways * (1 + width // _WIDE) * (1 if _is_anchored(parsed) else max(2, length))


@lru_cache(maxsize=1024)
def _parse(pattern: str) -> Any:
    """Return what Python makes of a pattern; None if it is none, a branch without end if long."""
    if len(pattern) > _LONGEST_PATTERN:
        return _parser.parse(r"()\1")
    try:
        return _parser.parse(pattern)
    except (re.error, OverflowError, FutureWarning):
        return None
    except RecursionError:
        return _parser.parse(r"()\1")


def _ways(parsed: Any, length: int) -> float:
    """Return in how many ways a part of an expression may match from one place on, at most."""
    ways = 1.0
    for kind, given in parsed:
        match str(kind):
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                least, most, part = given
                ways *= _ways_of_repeat(least, most, part, length)
            case "BRANCH":
                ways *= sum(_ways(each, length) for each in given[1])
            case "SUBPATTERN":
                ways *= _ways(given[-1], length)
            case "ATOMIC_GROUP":
                ways *= _ways(given, length)
            case "ASSERT" | "ASSERT_NOT":
                ways *= 1 + _ways(given[1], length)
            case "GROUPREF" | "GROUPREF_EXISTS" | "GROUPREF_IGNORE":
                return inf
            case _:
                pass
    return ways


def _ways_of_repeat(least: int, most: int, part: Any, length: int) -> float:
    inside = _ways(part, length)
    most = min(most, length)
    if inside > 1:
        return inf if most > _WIDE else float((inside + 1) ** most)
    return float(max(1, most - min(least, length) + 1))


def _is_anchored(parsed: Any) -> bool:
    first = parsed[0] if len(parsed) else (None, None)
    return str(first[0]) == "AT" and str(first[1]) in ("AT_BEGINNING", "AT_BEGINNING_STRING")
