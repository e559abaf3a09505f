"""What a JSON text shows of the program that wrote it.

How the sender writes is not published. So a sign is what no sender of webhooks is known to do.
That it is written as Python or PHP does is a fact, and no sign: senders and forgers use them too.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from .json_values import is_array, is_object
from .serialisers import by_length

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["looks_printed", "looks_rewritten", "writer_of"]

_LARGE = 131_072
"""Bytes from which on only the beginning is looked at."""
_ROUNDED = re.compile(r"(?<=[:\[,\s])\d{14,60}000(?=[\s,\]}])")
"""Numbers beyond 2**53, which JavaScript cannot hold, end so when it has read them."""
_MANY = 3
"""Keys that are in order by chance in one of six cases."""
_SORTED_KEYS = 6
"""Of all objects, that are in the order of a database by chance in one of some hundred cases."""
_PRINTED = re.compile(
    r"\[object |<Request|Array\s*\(\s*\[|map\[\w+:|object\(|#<\w|\{'|\{:?\w+(=>|=|: )\S|"
    r"\{\"\w+\"\s*=>|(---\s)?\w+: \S+\n\w+:"
)
"""The beginnings of what str(), print_r, fmt.Print, inspect, toString and YAML make of one."""


def looks_printed(text: str) -> bool:
    """Tell whether a text is what a program prints of an object, and no JSON."""
    return _PRINTED.match(text) is not None or "': '" in text


def writer_of(body: bytes) -> str:
    """Say as what program a JSON text is written, if that can be told; or return nothing."""
    if len(body) > _LARGE:
        return ""
    if b"\\/" in body:
        return "the JSON has escaped slashes, as PHP writes them"
    try:
        text = body.decode()
        value = json.loads(text)
        spaced = '": ' in text and any(
            json.dumps(value, ensure_ascii=each) == text for each in (True, False)
        )
    except (ValueError, RecursionError, OverflowError):
        return ""
    return "the JSON is written exactly as Python's json.dumps writes it" if spaced else ""


def looks_rewritten(body: bytes) -> str:
    """Say by what a JSON text shows that a program wrote it anew; or return nothing."""
    try:
        text = body.decode("utf-8").strip()
        if text.startswith(("{\n ", "{\r\n ", "{\n\t")):
            return "the JSON is indented, as it is for people to read"
        if len(body) > _LARGE:
            return ""
        value = json.loads(text)
        keys = list(value)
        if len(keys) >= _MANY and keys == sorted(keys) and {"id", "type"} < {*keys}:
            return "the keys of the JSON are in alphabetical order"
        orders = list(_orders(value))
    except (ValueError, RecursionError, OverflowError, TypeError):
        return ""
    is_large = sum(map(len, orders)) >= _SORTED_KEYS and len(keys) >= _MANY
    by_database = all(each == sorted(each, key=by_length) for each in orders)
    if is_large and by_database and '": ' in text:
        return "the keys of the JSON are in order of length, as databases keep them"
    if any(Decimal(number) == Decimal(repr(float(number))) for number in _ROUNDED.findall(text)):
        return "the JSON has an integer that is rounded as JavaScript rounds it"
    return ""


def _orders(value: Any) -> Iterator[list[str]]:
    """Yield the keys of each object."""
    if is_object(value):
        yield list(value)
        for each in value.values():
            yield from _orders(each)
    elif is_array(value):
        for each in value:
            yield from _orders(each)
