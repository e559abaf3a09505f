"""The values of a JSON text, with its numbers as they were written."""

from __future__ import annotations

import json
import re
from typing import Any, TypeGuard

__all__ = ["MARKED", "is_array", "is_number", "is_object", "mark", "number_in", "parse"]

_LARGE = 131_072
_MARK = "\ue000"
"""Marks a number that is kept as it was written; a character that nobody uses."""
MARKED = re.compile(f'"(?:{_MARK}|\\\\ue000)([^"]*)"')
"""Such a number, once it is written as JSON."""


def is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    """Tell whether a value of JSON is an object."""
    return isinstance(value, dict)


def is_array(value: Any) -> TypeGuard[list[Any]]:
    """Tell whether a value of JSON is an array."""
    return isinstance(value, list)


def is_number(value: Any) -> bool:
    """Tell whether a value is a number, kept as it was written or not."""
    if isinstance(value, str):
        return value.startswith(_MARK)
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def mark(number: str) -> str:
    """Return a text that stands for a number, written so."""
    return _MARK + number


def number_in(value: Any) -> str:
    """Return how a number is written."""
    return str(value).removeprefix(_MARK)


def parse(text: str) -> Any:
    """Parse, and keep each number with a fraction or an exponent as it is written.

    Of a large text only its value, which takes a tenth of the time.
    """
    return json.loads(text, parse_float=mark if len(text) <= _LARGE else None)
