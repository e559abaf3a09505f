"""The texts that common programs write for a JSON value which they have parsed before."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from itertools import permutations
from typing import TYPE_CHECKING, Any, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

__all__ = ["is_array", "is_object", "looks_rewritten", "texts"]

_LAYOUTS: tuple[dict[str, Any], ...] = (
    {"separators": (",", ":")},  # JSON.stringify, Go, Rust, PHP, Ruby, Java
    {"separators": (", ", ": ")},  # Python, MySQL, PostgreSQL's jsonb
    {"indent": 2},  # JSON.stringify(value, null, 2)
    {"indent": 4},  # PHP's JSON_PRETTY_PRINT
    {"indent": "\t"},
    {"separators": (",", ": ")},
    {"separators": (", ", ":")},
)
_ORDER = ("id", "type", "created_at", "created", "timestamp", "data")
"""In which events are documented, for a body whose order was lost."""
_MARK = "\ue000"
"""In front of a number that is kept as it was written; a character that nobody uses."""
_ROUNDED = re.compile(r"(?<=[:\[,\s])\d{14,60}000(?=[\s,\]}])")
"""Numbers beyond 2**53, which JavaScript cannot hold, end so when it has read them."""
_MARKED = re.compile(f'"(?:{_MARK}|\\\\ue000)([^"]*)"')
_LARGE = 131_072
"""Bytes from which on only the most frequent are written."""
_MOST_NUMBERS = 5
_FEW = 4
"""Keys whose every order is tried."""
_MANY = 3
"""Keys that are in order by chance in one of six cases."""
_RICH = 8
"""Separators from which on their blanks are a habit of who wrote them, not of one hand."""
_HTML: dict[str, Any] = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}
_LINES: dict[str, Any] = {"\u2028": "\\u2028", "\u2029": "\\u2029"}
_NET: dict[str, Any] = {**_HTML, "'": "\\u0027", "+": "\\u002b", "`": "\\u0060"}


def is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    """Tell whether a value of JSON is an object."""
    return isinstance(value, dict)


def is_array(value: Any) -> TypeGuard[list[Any]]:
    """Tell whether a value of JSON is an array."""
    return isinstance(value, list)


def texts(body: bytes) -> Iterator[bytes]:
    """Yield what others would write for the JSON in `body`, the most frequent first.

    Raises ValueError or RecursionError if it is none.
    """
    text = body.decode("utf-8-sig")
    value = _parse(text)
    if not (is_object(value) or is_array(value)):
        return
    escapes = list(_escapes(text))
    if len(body) > _LARGE:
        yield from _write((value,), _LAYOUTS[:2], escapes)
        return
    yield from _write(_orders(value), _LAYOUTS, escapes)
    yield from _write(_numbers(text), _LAYOUTS[:3], escapes[:2])
    if is_object(value) and len(value) <= _FEW:
        every = ({key: value[key] for key in order} for order in permutations(value))
        yield from _write(every, _LAYOUTS[:2], escapes[:1])


def _write(
    values: Iterable[Any],
    layouts: Sequence[dict[str, Any]],
    escapes: Sequence[tuple[bool, Callable[[str], str]]],
) -> Iterator[bytes]:
    kept = list(values)
    for layout in layouts:
        for value in kept:
            for is_ascii, escape in escapes:
                written = json.dumps(value, ensure_ascii=is_ascii, **layout)
                yield _encode(escape(_MARKED.sub(r"\1", written)))


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _mark(number: str) -> str:
    return _MARK + number


def _parse(text: str) -> Any:
    """Parse, and keep each number with a fraction as it is written."""
    return json.loads(text, parse_float=_mark)


def _orders(value: Any) -> Iterator[Any]:
    yield value
    if not is_object(value):
        return
    seen = [list(value)]
    first = [key for key in _ORDER if key in value]
    for keys in ([*first, *(key for key in value if key not in first)], sorted(value)):
        if keys not in seen:
            seen.append(keys)
            yield {key: value[key] for key in keys}
    if not all(map(_is_sorted, value.values())):
        sorted_value = _sorted(value)
        yield sorted_value
        if first:
            yield {
                key: sorted_value[key]
                for key in [*first, *(k for k in sorted_value if k not in first)]
            }


def _is_sorted(value: Any) -> bool:
    """Tell whether each object inside has its keys in order."""
    if is_object(value):
        return list(value) == sorted(value) and all(map(_is_sorted, value.values()))
    return all(map(_is_sorted, value)) if is_array(value) else True


def _sorted(value: Any) -> Any:
    if is_object(value):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(each) for each in value] if is_array(value) else value


def _escapes(text: str) -> Iterator[tuple[bool, Callable[[str], str]]]:
    """Yield ways to write characters: whether all is ASCII, and what is escaped besides."""
    is_plain = text.isascii() and "\\u" not in text
    has_slash = "/" in text
    yield False, _as_is
    if not is_plain:
        yield True, _as_is
    if has_slash:
        yield from ((False, _slashes), *(((True, _slashes),) if not is_plain else ()))
    if any(each in text for each in "<>&'+`\u2028\u2029") or "\\u" in text:
        yield False, lambda written: written.translate(str.maketrans({**_HTML, **_LINES}))
        yield (
            False,
            lambda written: written.translate(
                str.maketrans({**_HTML, "'": "\\u0027", "=": "\\u003d"})
            ),
        )
        yield True, lambda written: _upper(written.translate(str.maketrans(_NET)))
        yield False, lambda written: written.translate(str.maketrans(_LINES))
    if not is_plain:
        yield True, _upper


def _as_is(written: str) -> str:
    return written


def _slashes(written: str) -> str:
    return written.replace("/", "\\/")


def _upper(written: str) -> str:
    """Write the digits of escapes as .NET does."""
    return re.sub(r"\\u[0-9a-f]{4}", lambda found: "\\u" + found[0][2:].upper(), written)


def _numbers(text: str) -> Iterator[Any]:
    """Yield the value with numbers as others write them: 1.0 for 1, 1 for 1.0."""
    if re.search(r"[0-9][.eE][0-9+-]", text):
        yield json.loads(text)
        yield json.loads(text, parse_float=_drop_fraction)
        yield json.loads(text, parse_float=_write_cents)
    count = len(re.findall(r"(?<=[:\[,\s])-?\d+(?=\s*[,\]}])", text))
    if not count:
        return
    yield json.loads(text, parse_int=lambda number: f"{_MARK}{number}.0", parse_float=_mark)
    yield json.loads(text, parse_int=lambda number: f"{_MARK}{number}.00", parse_float=_mark)
    for chosen in range(1, 1 << min(count, _MOST_NUMBERS)):
        place = -1

        def fraction(number: str, chosen: int = chosen) -> str:
            nonlocal place
            place += 1
            return (
                f"{_MARK}{number}.0"
                if place < _MOST_NUMBERS and chosen >> place & 1
                else _mark(number)
            )

        yield json.loads(text, parse_int=fraction, parse_float=_mark)


def _drop_fraction(number: str) -> Any:
    value = float(number)
    return int(value) if value.is_integer() and abs(value) < 1 << 53 else value


def _write_cents(number: str) -> str:
    """Write a price as most do: 10.50 for 10.5."""
    whole, _, fraction = number.partition(".")
    return _mark(f"{whole}.{fraction.ljust(2, '0')}" if fraction.isdigit() else number)


def looks_rewritten(body: bytes) -> str:
    """Say by what a JSON text shows that a program wrote it anew; or return nothing.

    How the sender writes is not published; so a sign is what no sender of webhooks is known to do,
    or what the languages of receivers do by default.
    """
    try:
        text = body.decode("utf-8").strip()
        if text.startswith(("{\n ", "{\r\n ", "{\n\t")):
            return "the JSON is indented, as for people"
        if len(body) > _LARGE:
            return ""
        value = json.loads(text)
        keys = list(value)
        if len(keys) >= _MANY and keys == sorted(keys) and {"id", "type"} < {*keys}:
            return "the keys of the JSON are in alphabetical order"
        spaced = any(json.dumps(value, ensure_ascii=each) == text for each in (True, False))
    except (ValueError, RecursionError, OverflowError, TypeError):
        return ""
    if any(Decimal(number) == Decimal(repr(float(number))) for number in _ROUNDED.findall(text)):
        return "the JSON has a whole number as JavaScript rounds it"
    if spaced and text.count('", "') + text.count('": ') >= _RICH:
        return "the JSON is written just as Python's json.dumps writes it"
    return "the JSON has escaped slashes, as PHP writes them" if "\\/" in text else ""
