"""Formats text for people: times, durations, and untrusted text.

In untrusted text nothing is hidden and nothing takes effect: invisible characters, and those that
change how their neighbours look, are escaped.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from urllib.parse import quote

__all__ = [
    "age",
    "clock",
    "indent_json",
    "json_text",
    "length",
    "moment",
    "ms",
    "of_bytes",
    "pretty",
    "quote_part",
    "sentence",
    "visible",
]

_MOST_SHOWN = 100_000
_MOST_INDENTED = 2_000_000
_MINUTE = 60
_HOUR = 3600
_ONLY_HOURS = 10
"""From this many hours on, minutes are not shown."""


def visible(text: str) -> str:
    """Return a text with its invisible characters escaped."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in "\n\t" else ascii(char)[1:-1]
        for char in text.replace("\r\n", "\n")
    )


def sentence(text: str) -> str:
    """Return a message with a capital letter at its beginning."""
    return text[:1].upper() + text[1:]


def quote_part(text: str) -> str:
    """Quote a text as a part of a URL, including lone surrogates."""
    return quote(text, errors="surrogatepass")


def of_bytes(body: bytes, most: int = _MOST_SHOWN) -> str:
    """Return a body as text; a long one is cut."""
    text = visible(body[:most].decode("utf-8", "backslashreplace"))
    left = len(body) - most
    return f"{text}\n... and {left} bytes more" if left > 0 else text


def pretty(body: bytes, most: int = _MOST_SHOWN) -> str:
    """Return a body as indented JSON; "" if it is not JSON or would be cut."""
    if len(body) > most:
        return ""
    try:
        return _escape(indent_json(json.loads(body), most) or "")
    except (ValueError, RecursionError):
        return ""


def indent_json(value: object, most: int, *, to_ascii: bool = False) -> str | None:
    """Return indented JSON; None if it is longer than `most` characters or too deep."""
    chunks: list[str] = []
    try:
        for chunk in json.JSONEncoder(indent=2, ensure_ascii=to_ascii).iterencode(value):
            chunks.append(chunk)
            most -= len(chunk)
            if most < 0:
                return None
    except RecursionError:
        return None
    return "".join(chunks)


def json_text(value: object) -> str:
    """Return JSON without invisible characters, indented if that is not too long."""
    text = indent_json(value, _MOST_INDENTED)
    return _escape(json.dumps(value, ensure_ascii=False) if text is None else text)


def _escape(text: str) -> str:
    """Return the same JSON with its invisible characters escaped."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char == "\n" else json.dumps(char)[1:-1] for char in text
    )


def moment(seconds: float) -> str:
    """Return a time as `2026-05-04 09:12:44`, in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"


def clock(seconds: float) -> str:
    """Return a time of a day as `09:12:44`, in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%H:%M:%S}"


def ms(seconds: float) -> str:
    """Return the duration of an attempt."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def age(passed: float) -> str:
    """Return how long ago something was, or in how long it will be, as `5 min ago`."""
    return f"{length(passed)} ago" if passed >= 0 else f"in {length(-passed)}"


def length(seconds: float) -> str:
    """Return a duration as `45 s`, `12 min` or `2 h 5 min`."""
    whole = round(seconds)
    if whole < 2 * _MINUTE:
        return f"{whole} s"
    minutes = round(seconds / _MINUTE)
    if minutes < 2 * _MINUTE:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours >= _ONLY_HOURS or not minutes:
        return f"{round(seconds / _HOUR)} h"
    return f"{hours} h {minutes} min"
