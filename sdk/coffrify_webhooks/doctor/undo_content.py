"""Undoes what programs do with the content of a body: forms, JSON written again, wrappings.

Each function yields "code:detail" and a body.
"""

from __future__ import annotations

import ast
import html
import json
import re
import unicodedata
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from .json_values import is_object, parse
from .serialisers import short_texts, texts, texts_of
from .undo_transport import FOLLOWED, base64
from .wrapped import MOST_FIELDS, octets_of, wrapped_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

__all__ = [
    "characters",
    "fields",
    "forms",
    "read_repr",
    "rests",
    "serialise",
    "strings",
]

_LONGEST_LITERAL = 32_768
_MOST_STRINGS = 4
_OFFSET = re.compile(rb"(?<=\d) (?=\d\d:?\d\d\")")
"""What was `+02:00` before a form was decoded."""

_WRAPPED = "Another program put it into JSON of its own, such as a gateway's or a queue's message."
_FIELD = "A field was added to the JSON."
_CHARACTERS = "Characters were escaped in another way, as in an HTML page."
_NOTHING: tuple[Any, ...] = ("", None, [""], [])
_REPR = "It is the text that Python shows for an object, as str() and f-strings produce it."
_STRING = "It is JSON within a JSON string."
_OCTETS = "It is a list of the bytes, as JSON.stringify writes a Buffer of Node."
_NAME = "It is the name of a field, as in a parsed form."
_WITHIN = "The line endings within it are missing too, as after curl's --data @file."
_DECODED = "It was decoded as a form, so that + became a blank."


def forms(body: bytes) -> Iterator[tuple[str, bytes]]:
    if body.startswith(b"--"):
        for part in body.split(b"\r\n--")[:MOST_FIELDS]:
            yield "body_form_encoded", part.partition(b"\r\n\r\n")[2]
        return
    if b"%" in body or b"=" in body or b"+" in body:
        plain = body.replace(b"+", b" ")
        for whole in (body, plain):
            for text in (whole, whole.rstrip(b"=")):
                yield "body_form_encoded", unquote_to_bytes(text)
        for field in plain.split(b"&")[:MOST_FIELDS]:
            for part in field.split(b"=", 1):
                yield "body_form_encoded", unquote_to_bytes(part)
    if offsets := _OFFSET.sub(b"+", body):
        yield "body_form_encoded:" + _DECODED, offsets


def serialise(body: bytes) -> Iterator[tuple[str, bytes]]:
    plain = body.removeprefix(b"\xef\xbb\xbf").replace(b"\r", b"").strip()
    for text in texts(body):
        if text.strip() == plain:
            continue  # nobody wrote it anew: its ends of lines, or its mark, are others
        if text.count(b"\n") > 1 and text.replace(b"\n", b"") == body:
            yield "body_newline_removed:" + _WITHIN, text
        yield "body_reserialised", text


def read_repr(body: bytes) -> Iterator[tuple[str, bytes]]:
    """Undo str(body) and str(request.json)."""
    if len(body) > _LONGEST_LITERAL or body[:1] not in (b"b", b"'", b"{", b"["):
        return
    with suppress(ValueError):
        json.loads(body)
        return  # it is JSON, and `serialise` reads it
    value: Any = ast.literal_eval(body.decode())
    if isinstance(value, bytes):
        yield "body_reserialised:" + _REPR, value
    elif isinstance(value, str):
        yield "body_reserialised:" + _REPR, value.encode()
    else:
        written = json.dumps(value, ensure_ascii=False).encode()
        for text in texts(written):
            yield "body_reserialised:" + _REPR, text
        yield from strings(written)


def strings(body: bytes) -> Iterator[tuple[str, bytes]]:
    """Undo JSON of a JSON text, and what gateways and queues wrap a body in."""
    if body[:1] == b'"':
        yield from _unquoted(body.decode())
    if body[:1] not in (b"{", b"["):
        return
    text = body.decode()
    value: Any = parse(text)
    if octets := octets_of(value):
        yield "body_reserialised:" + _OCTETS, octets
    if is_object(value):
        yield from _names(value)
    for each in wrapped_in(value):
        if isinstance(each, str):
            yield "body_altered:" + _WRAPPED, each.encode()
            for _, data in base64(each.encode()):
                yield "body_base64:" + _WRAPPED, data
        else:
            for written in texts_of(each, text):
                yield "body_altered:" + _WRAPPED, written


def _unquoted(text: str) -> Iterator[tuple[str, bytes]]:
    """Yield the text in a JSON string, in the string in that, and what others write for it."""
    for _ in range(_MOST_STRINGS):
        inside: Any = parse(text)
        if not isinstance(inside, str):
            return
        yield "body_reserialised:" + _STRING, inside.encode()
        if not inside.startswith('"'):
            yield from ((f"body_reserialised:{_STRING}", each) for each in texts(inside.encode()))
        text = inside


def _names(value: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Undo a parser of forms, which has cut the JSON at each `=` and `&`."""
    for name in [name for name, text in value.items() if text in _NOTHING][:MOST_FIELDS]:
        yield "body_form_encoded:" + _NAME, name.encode()
    if next(iter(value), "").startswith("{"):
        pairs = (
            f"{name}={text}" if isinstance(text, str) and text else name
            for name, text in value.items()
        )
        yield "body_form_encoded:" + _NAME, "&".join(pairs).encode()


def characters(body: bytes) -> Iterator[tuple[str, bytes]]:
    text = body.decode()
    found = [html.unescape(text), text.replace('\\"', '"'), text.replace("\\\\", "\\")]
    found += [text.replace("\u00a0", " "), text.replace("\u200b", "")]
    if not text.isascii():
        found += [unicodedata.normalize(form, text) for form in ("NFC", "NFD")]
        found += [text.replace("\u201c", '"').replace("\u201d", '"')]
    found += [html.escape(text, quote=False)]
    for each in found:
        if each != text:
            yield "body_altered:" + _CHARACTERS, each.encode()


def rests(body: bytes) -> Iterator[tuple[str, bytes]]:
    text = body.decode()
    start = max(text.find("{"), 0)
    _, end = json.JSONDecoder().raw_decode(text, start)
    if start or end < len(text):
        yield "body_altered:" + FOLLOWED, text[start:end].encode()


def fields(body: bytes) -> Iterator[tuple[str, bytes]]:
    value: Any = parse(body.decode("utf-8-sig"))
    for rest in _without_one(value) if is_object(value) else ():
        for text in short_texts(rest):
            yield "body_altered:" + _FIELD, text


def _without_one(value: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield an object without one of its fields, or of those of an object in it."""
    for key in list(value)[:MOST_FIELDS]:
        yield {each: value[each] for each in value if each != key}
    for key, inside in list(value.items())[:MOST_FIELDS]:
        for name in list(inside)[:MOST_FIELDS] if is_object(inside) else ():
            rest = {each: inside[each] for each in inside if each != name}
            yield {**value, key: rest}
