"""Reads JSON, and marks unusable parts where they stand in the document.

So an error can name the event type that the part belongs to.
"""

import json
import re
import secrets
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from coffrify_webhooks_codegen.json_types import is_list, is_mapping

__all__ = ["Fault", "UnreadableError", "fault_in", "read_json"]

# 250 objects one inside the other; lowering bounds what is within it.
_DEEPEST = 500
_DEEP = f"is nested more than {_DEEPEST} levels deep"
_MOST_DIGITS = 1_000
_LONGEST = 100
_Place = tuple["_Place | None", str]
"""The keys that lead to a part, the last one first."""
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


class UnreadableError(ValueError):
    """Bytes that are not JSON; the message says where reading failed."""


class Fault(NamedTuple):
    """An unusable part of a document: its JSON pointer, and what is wrong with it."""

    pointer: str
    words: str


class _Unusable(str):
    """Takes the place of an unusable part; its text says what is wrong."""

    __slots__ = ()


class _RepeatedKey(dict[str, Any]):
    """An object with a duplicate key."""

    key = ""


def read_json(content: bytes) -> Any:
    """Read JSON; `fault_in` finds its unusable parts."""
    try:
        text = content.decode(json.detect_encoding(content), "surrogatepass")
    except UnicodeDecodeError as error:
        raise UnreadableError(f"byte {error.start} is not {error.encoding} text") from error
    try:
        try:
            return _parse(text)
        except RecursionError:
            mark = str(10**40 + secrets.randbelow(10**40))
            return _parse(_cut_deep_parts(text, mark), mark)
    except RecursionError as error:
        raise UnreadableError("is nested too deeply") from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise UnreadableError(f"{where}: {error.msg[0].lower()}{error.msg[1:]}") from error


def fault_in(document: object) -> Fault | None:
    """Return the first unusable part found; None without one."""
    left: list[tuple[_Place | None, int, object]] = [(None, 0, document)]
    while left:
        place, depth, item = left.pop()
        if isinstance(item, _Unusable):
            return Fault(_pointer(place), str(item))
        if isinstance(item, _RepeatedKey):
            return Fault(_pointer(place), f"has the key {json.dumps(item.key[:40])} twice")
        if depth > _DEEPEST:
            return Fault(_pointer(place), _DEEP)
        pairs: Iterable[tuple[object, object]] = ()
        if is_mapping(item):
            pairs = item.items()
        elif is_list(item):
            pairs = enumerate(item)
        left += [
            ((place, str(key)), depth + 1, inner)
            for key, inner in pairs
            if isinstance(inner, (_Unusable, Mapping, list))
        ]
    return None


def _parse(text: str, mark: str = "") -> Any:
    def read_integer(digits: str) -> int | _Unusable:
        if digits == mark:
            return _Unusable(_DEEP)
        if len(digits) > _MOST_DIGITS:
            return _Unusable(f"is a number of {len(digits)} digits")
        return int(digits)

    return json.loads(text, parse_int=read_integer, object_pairs_hook=_make_object)


def _make_object(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    repeated = _RepeatedKey(made)
    counts = Counter(key for key, _ in pairs)
    repeated.key = next(key for key in counts if counts[key] > 1)
    return repeated


def _cut_deep_parts(text: str, mark: str) -> str:
    """Replace whatever is nested too deeply for Python's reader by the mark."""
    kept: list[str] = []
    depth = start = 0
    for token in _TOKEN.finditer(text):
        if token[0] in "[{":
            depth += 1
            if depth == _DEEPEST + 1:
                kept.append(text[start : token.start()])
        elif token[0] in "]}":
            depth -= 1
            if depth == _DEEPEST:
                kept.append(mark)
                start = token.end()
    return "".join(kept) + (text[start:] if depth <= _DEEPEST else "")


def _pointer(place: _Place | None) -> str:
    keys: list[str] = []
    while place is not None:
        place, key = place
        keys.append(_escape(key.replace("~", "~0").replace("/", "~1")))
    pointer = "".join(f"/{key}" for key in reversed(keys))
    return pointer if len(pointer) <= _LONGEST else f"{pointer[:_LONGEST]}..."


def _escape(text: str) -> str:
    """Return a text with its control characters escaped as Python does."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
