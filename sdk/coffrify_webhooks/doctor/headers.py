"""Reads any headers leniently: whatever can be understood of them, and never an error."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

from coffrify_webhooks.signature.headers import coffrify_parts, is_id, standard_signatures
from coffrify_webhooks.signature.window import is_timestamp

__all__ = [
    "ENDINGS",
    "ID",
    "KNOWN",
    "OWN",
    "SIGNATURE",
    "TIMESTAMP",
    "has_lost_form",
    "is_emptied",
    "original_name",
    "pairs",
]

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
OWN = "x-coffrify-signature"
KNOWN: tuple[str, ...] = (ID, TIMESTAMP, SIGNATURE, OWN)

ENDINGS = {
    "webhook-id": ID,
    "webhook-timestamp": TIMESTAMP,
    "webhook-signature": SIGNATURE,
    "coffrify-signature": OWN,
    "svix-id": ID,  # the names of the company behind Standard Webhooks
    "svix-timestamp": TIMESTAMP,
    "svix-signature": SIGNATURE,
}
_DIGEST = re.compile(
    r"(?<![0-9A-Za-z+/])(?:[0-9a-fA-F]{64}|[0-9A-Za-z+/_-]{43}=?)(?![0-9A-Za-z+/=])"
)
"""A SHA-256 in hexadecimal digits or base64."""
_EMPTIED = ("", "null", "none", "undefined", "nil", "[object object]", "-", "(null)")
_MASKS = ("***", "...", "[filtered]", "[redacted]", "<redacted>", "[masked]", "\u2026")
_MOST_HEADERS = 500
_LONGEST_NAME = 100
_LONGEST_VALUE = 16_384
_MOST_VALUES = 8


def pairs(headers: Any) -> list[tuple[str, str]]:
    """Return lower-case names and values; a value that is a list counts once for each item."""
    found: list[tuple[str, str]] = []
    try:
        items = headers.items() if hasattr(headers, "items") else headers
        for item in islice(items, _MOST_HEADERS):
            name, value = item
            if (text := _text(name)) and len(text) <= _LONGEST_NAME:
                found += [(text.strip().lower().rstrip(":"), each) for each in _values(value)]
    except Exception:  # whatever a strange object does when it is read
        return found
    return found


def original_name(name: str) -> str | None:
    """Return which of our headers another name seems to stand for, or None."""
    plain = name.replace("_", "-").replace(".", "-")
    for ending, known in ENDINGS.items():
        if plain.endswith(ending):
            return known
    squeezed = plain.replace("-", "")
    return next((each for each in KNOWN if squeezed == each.replace("-", "")), None)


def is_emptied(text: str) -> bool:
    """Tell whether a value was masked, or lost by a program that wrote its own word for nothing."""
    lower = text.strip().strip("\"'").lower()
    return lower in _EMPTIED or any(mark in lower for mark in _MASKS)


def has_lost_form(name: str, text: str) -> bool:
    """Tell whether a value is still to be recognised, and no longer in the form that is due.

    Such as the digits of a SHA-256 without the version in front, or a time as a date.
    """
    if name == ID:
        return not is_id(text) and is_id(text.strip().strip("\"'"))
    if name == TIMESTAMP:
        is_number = text.strip() != "" and not text.strip("0123456789.,+-eE ")
        many = sum(map(str.isdigit, text)) >= len("1764000000")
        return not is_timestamp(text) and (is_number or many)
    known = standard_signatures(text) if name == SIGNATURE else coffrify_parts(text)[1]
    return not known and _DIGEST.search(text) is not None


def _values(value: Any) -> Iterator[str]:
    if isinstance(value, (list, tuple)):
        for each in islice(value, _MOST_VALUES):  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
            yield from _values(each) if isinstance(each, (str, bytes)) else ()
    elif (text := _text(value)) is not None:
        yield text[:_LONGEST_VALUE]


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("latin-1")
    return str(value) if isinstance(value, int) and abs(value) < 1 << 64 else None
