"""Reads any headers leniently: whatever can be understood of them, and never an error."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ENDINGS", "ID", "KNOWN", "OWN", "SIGNATURE", "TIMESTAMP", "original_name", "pairs"]

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
