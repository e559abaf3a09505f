"""The texts that common programs write for a JSON value which they have parsed before."""

from __future__ import annotations

import json
import re
from itertools import islice, permutations, product
from typing import TYPE_CHECKING, Any

from .json_values import MARKED, is_array, is_object, parse
from .numbers import fractions, styles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import TypeAlias

    Escape: TypeAlias = "tuple[bool, Callable[[str], str]]"

__all__ = ["by_length", "short_texts", "texts", "texts_of"]

_LAYOUTS: tuple[dict[str, Any], ...] = (
    {"separators": (",", ":")},  # JSON.stringify, Go, Rust, PHP, Ruby, Java
    {"separators": (", ", ": ")},  # Python, MySQL, PostgreSQL's jsonb
    {"indent": 2},  # JSON.stringify(value, null, 2)
    {"indent": 4},  # PHP's JSON_PRETTY_PRINT
    {"indent": "\t"},
    {"indent": 2, "separators": (",", " : ")},  # Jackson
    {"separators": (",", ": ")},
    {"separators": (", ", ":")},
)
_ORDER = ("id", "type", "created_at", "created", "timestamp", "data")
"""The order in which events are documented, for a body whose order was lost."""
_LARGE = 131_072
"""Bytes from which on only the most frequent are written."""
_SMALL = 8192
"""Bytes up to which blanks are put in every place."""
_FEW = 4
"""The most keys of which every order is tried."""
_MOST_STYLES = 12
_TOKEN = re.compile(r'("(?:[^"\\]|\\.)*"|[{}\[\],:])', re.DOTALL)


def _pad_to(length: int) -> Callable[[re.Match[str]], str]:
    """Return a function that puts zeros behind the fraction of a second."""

    def pad(found: re.Match[str]) -> str:
        return found[1].ljust(length, "0")

    return pad


_MOMENTS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str] | str], ...] = (
    # Go, .NET and Java leave out the zeros at the end of a fraction.
    (
        re.compile(r"(\d\d:\d\d:\d\d\.\d{1,2})(?=Z\"|[+-]\d\d:)"),
        _pad_to(12),
    ),
    (
        re.compile(r"(\d\d:\d\d:\d\d\.\d{1,5})(?=Z\"|[+-]\d\d:)"),
        _pad_to(15),
    ),
    (re.compile(r"(?<=\d\d:\d\d:\d\d)(?=Z\"|[+-]\d\d:)"), ".000"),
    (re.compile(r"(?<=\d\d:\d\d:\d\d)\.0+(?=Z\"|[+-]\d\d:)"), ""),
    (re.compile(r"(?<=[\d:.]{4}\d)Z(?=\")"), "+00:00"),
    (re.compile(r"(?<=[\d:.]{4}\d)\+00:?00(?=\")"), "Z"),
)
_HTML: dict[str, Any] = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}
_LINES: dict[str, Any] = {"\u2028": "\\u2028", "\u2029": "\\u2029"}
_NET: dict[str, Any] = {**_HTML, "'": "\\u0027", "+": "\\u002b", "`": "\\u0060"}


def texts(body: bytes) -> Iterator[bytes]:
    """Yield what others would write for the JSON in `body`, the most frequent first.

    Raises ValueError or RecursionError if it is none.
    """
    text = body.decode("utf-8-sig")
    yield from texts_of(parse(text), text)


def texts_of(value: Any, text: str) -> Iterator[bytes]:
    """Yield what others would write for a value that `parse` has read, or a part of one.

    text: where it was read.
    """
    if not (is_object(value) or is_array(value)):
        return
    escapes = list(_escapes(text))
    if len(text) > _LARGE:
        yield from _write((value,), _LAYOUTS[:2], escapes)
        return
    orders = list(_orders(value))
    yield from _write(orders, _LAYOUTS, escapes)
    # Go's Encoder ends each with a line's end, which parsing loses.
    yield from (each + b"\n" for each in _write(orders, _LAYOUTS[:1], escapes))
    if "[]" in text:  # of PHP, whose empty array is an empty object too
        yield from _write((_without_arrays(value),), _LAYOUTS[:2], escapes)
    for order in orders:
        yield from _write(islice(styles(order), _MOST_STYLES), _LAYOUTS[:3], escapes)
    yield from _write(fractions(value), _LAYOUTS[:3], escapes[:2])
    dated = [parse(other) for other in _dates(text)] if text.startswith("{") else []
    yield from _write(dated, _LAYOUTS[:2], escapes)
    if len(text) <= _SMALL:
        yield from _spread(value)
    if is_object(value) and len(value) <= _FEW:
        every = ({key: value[key] for key in order} for order in permutations(value))
        yield from _write(every, _LAYOUTS[:2], escapes[:1])


def short_texts(value: Any) -> Iterator[bytes]:
    """Yield what JavaScript and Python would write for a value that `parse` has read."""
    yield from _write((value,), _LAYOUTS[:2], ((False, _as_is), (True, _as_is)))


def _write(
    values: Iterable[Any], layouts: Sequence[dict[str, Any]], escapes: Sequence[Escape]
) -> Iterator[bytes]:
    kept = list(values)
    for layout in layouts:
        for value in kept:
            for is_ascii, escape in escapes:
                written = json.dumps(value, ensure_ascii=is_ascii, **layout)
                data = _encode(escape(MARKED.sub(r"\1", written)))
                yield data
                if "indent" in layout:
                    yield data + b"\n"


def _spread(value: Any) -> Iterator[bytes]:
    """Yield it with a blank, or none, before and after each kind of token."""
    plain = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    tokens = _TOKEN.split(MARKED.sub(r"\1", plain))
    for inside, before_comma, after_comma, before_colon, after_colon in product(
        ("", " "), repeat=5
    ):
        known = {
            ",": f"{before_comma},{after_comma}",
            ":": f"{before_colon}:{after_colon}",
            **{each: each + inside for each in "{["},
            **{each: inside + each for each in "]}"},
        }
        parts = (known.get(each, each) for each in tokens)
        written = "".join(parts)
        yield _encode(written)
        if inside:
            yield _encode(written.replace("{  }", "{}").replace("[  ]", "[]"))


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


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
    for by in (None, by_length):
        if all(_is_sorted(each, by) for each in value.values()):
            continue
        ordered = _sorted(value, by)
        yield ordered
        if first:
            yield {key: ordered[key] for key in [*first, *(k for k in ordered if k not in first)]}


def by_length(key: str) -> tuple[int, str]:
    """Return by what PostgreSQL's jsonb and MySQL sort the keys of an object."""
    return len(key.encode("utf-8", "surrogatepass")), key


def _is_sorted(value: Any, by: Callable[[str], Any] | None) -> bool:
    """Tell whether each object inside has its keys in order."""
    if is_object(value):
        in_order = list(value) == sorted(value, key=by)
        return in_order and all(_is_sorted(each, by) for each in value.values())
    return all(_is_sorted(each, by) for each in value) if is_array(value) else True


def _sorted(value: Any, by: Callable[[str], Any] | None) -> Any:
    if is_object(value):
        return {key: _sorted(value[key], by) for key in sorted(value, key=by)}
    return [_sorted(each, by) for each in value] if is_array(value) else value


def _dates(text: str) -> Iterator[str]:
    """Yield a text whose moments are written as other programs write them."""
    for pattern, written in _MOMENTS:
        other = pattern.sub(written, text)
        if other != text:
            yield other


def _without_arrays(value: Any) -> Any:
    if is_object(value):
        return {key: _without_arrays(each) for key, each in value.items()}
    if is_array(value):
        return [_without_arrays(each) for each in value] or {}
    return value


def _escapes(text: str) -> Iterator[Escape]:
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
