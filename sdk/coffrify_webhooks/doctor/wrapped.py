"""What other programs put a body into: messages of queues and gateways, and lists of its bytes."""

from __future__ import annotations

from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING

from .json_values import is_array, is_number, is_object, parse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

__all__ = ["MOST_FIELDS", "octets_of", "wrapped_in"]

MOST_FIELDS = 40
_MOST_LAYERS = 6
"""Such as a message of SNS in a record of SQS in an event of Lambda."""


def octets_of(value: Any) -> bytes:
    """Return the bytes that a list of numbers stands for, or nothing."""
    if is_object(value):
        value = value.get("data") if value.get("type") == "Buffer" else list(value.values())
    with suppress(ValueError, TypeError):
        return bytes(value) if is_array(value) else b""
    return b""


def wrapped_in(value: Any) -> Iterator[Any]:
    """Yield the texts and events in objects, lists and JSON in a text; the outer ones first."""
    level = [value]
    for _ in range(_MOST_LAYERS):
        members = (each for outer in level for each in _members(outer))
        texts = (each for each in members if each and not is_number(each))
        level = list(islice(texts, MOST_FIELDS))
        yield from (
            each for each in level if isinstance(each, str) or (is_object(each) and "type" in each)
        )


def _members(value: Any) -> Iterator[Any]:
    if is_object(value):
        yield from value.values()
    elif is_array(value):
        yield from value
    elif isinstance(value, str) and value.startswith("{"):
        with suppress(ValueError, RecursionError):
            yield parse(value)
