"""JSON texts of which the end or the beginning is missing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LONGEST_TEXT", "close_json", "ends", "lacks_beginning"]

LONGEST_TEXT = 262_144
_MOST_DEPTH = 200
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*(?P<end>"?)|(?P<bracket>[{}\[\]])', re.DOTALL)
_CLOSING = {"{": "}", "[": "]"}
_BEGINNINGS = tuple(
    head.encode() for name in ("id", "type") for head in (f'{{"{name}":"', f'{{"{name}": "')
)
_IN_FRONT = "Its first bytes are missing."


def ends(body: bytes) -> Iterator[tuple[str, bytes]]:
    if end := close_json(body):
        for data in (body + end, body + end + b"\n"):
            yield "body_truncated", data
    for head in _BEGINNINGS if lacks_beginning(body) else ():
        for size in range(1, len(head)):
            if body.startswith(head[size:]):
                yield "body_truncated:" + _IN_FRONT, head[:size] + body


def close_json(body: bytes) -> bytes:
    """Return what would end a JSON text that is cut off, at the least; nothing if it is whole."""
    if not body.startswith(b"{") or len(body) > LONGEST_TEXT:
        return b""
    expected: list[str] = []
    in_string = False
    for found in _TOKEN.finditer(body.decode("latin-1")):
        bracket = found["bracket"]
        if bracket is None:
            in_string = not found["end"]
        elif bracket in _CLOSING:
            expected.append(_CLOSING[bracket])
        elif not expected or expected.pop() != bracket:
            return b""
    if len(expected) > _MOST_DEPTH:
        return b""
    return ('"' * in_string + "".join(reversed(expected))).encode()


def lacks_beginning(body: bytes) -> bool:
    """Tell whether it ends like a JSON object, and does not begin like one."""
    text = body[:LONGEST_TEXT].strip()
    return text.endswith(b"}") and text[:1] not in b"{[" and text.count(b"}") > text.count(b"{")
