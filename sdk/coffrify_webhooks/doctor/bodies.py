"""What a body may have been before something on its way changed it."""

from __future__ import annotations

import ast
import html
import json
import re
import unicodedata
import zlib
from binascii import Error, a2b_base64
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote_to_bytes

from .diagnosis import Finding
from .serialisers import is_object, texts
from .wrapped import MOST_FIELDS, octets_of, wrapped_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, TypeAlias

    from .work import Work

    Undo: TypeAlias = "Callable[[bytes], Iterator[tuple[str, bytes]]]"

__all__ = ["Bodies", "Body", "close_json"]

_LARGEST = 4 << 20
"""Bytes of a body that are made of another; a bomb ends here."""
_MOST_KEPT = 32 << 20
_LONGEST_LITERAL = 32_768
_LONGEST_TEXT = 262_144
_MOST_DEPTH = 200
_WRITING = 8
"""What it costs to parse or write a byte of JSON, in bytes hashed."""
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*(?P<end>"?)|(?P<bracket>[{}\[\]])', re.DOTALL)
_CLOSING = {"{": "}", "[": "]"}
_SHORTEST = 4
"""Characters of base64 that stand for a byte or more."""
_BOM = b"\xef\xbb\xbf"
_CHARSETS = ("latin-1", "cp1252")
_WIDE = ("utf-16", "utf-16-le", "utf-16-be", "utf-32")

_WRAPPED = "Another program put it into JSON of its own, such as a gateway's or a queue's message."
_FOLLOWED = "Something stands behind the JSON, or in front of it."
_FIELD = "A field was added to the JSON."
_CHARACTERS = "Characters were written in another way, as in a page of HTML."
_NOTHING: tuple[Any, ...] = ("", None, [""], [])
_REPR = "It is text that Python shows for an object, as str() and f-strings make it."
_STRING = "It is JSON within a JSON string."
_OCTETS = "It is a list of the bytes, as JSON.stringify writes a Buffer of Node."
_NAME = "It is the name of a field, as of a form that was parsed."
_WITHIN = "The ends of lines within it too, as by curl's --data @file."


class Body(NamedTuple):
    """A body, and what has to be undone to get it."""

    data: bytes
    findings: tuple[Finding, ...] = ()


class Bodies:
    """The bodies by their number of findings, made when they are first asked for."""

    def __init__(self, body: bytes, work: Work) -> None:
        self._work = work
        self._known = {body}
        self._size = 0
        self._levels: list[list[Body]] = [[Body(body)]]

    def level(self, number: int) -> Iterator[Body]:
        """Yield the bodies with so many findings; as far as the work allows."""
        if number < len(self._levels):
            yield from self._levels[number]
            return
        if number > _DEEPEST:
            return
        made: list[Body] = []
        for before in list(self.level(number - 1)):
            for undo in _undos_for(before):
                for each in self._apply(before, undo):
                    made.append(each)
                    yield each
        self._levels.append(made)

    def _apply(self, before: Body, undo: Undo) -> Iterator[Body]:
        costs = _WRITING if undo in _COSTLY else 1
        try:
            for text, data in undo(before.data):
                if not self._work.take(len(data) * costs):
                    return
                if data in self._known or self._size > _MOST_KEPT:
                    continue
                self._known.add(data)
                self._size += len(data)
                finding = Finding(*text.split(":", 1))
                if any(finding.code == each.code for each in before.findings):
                    yield Body(data, before.findings)
                else:
                    yield Body(data, (*before.findings, finding))
        except (
            ValueError,
            LookupError,
            TypeError,
            RecursionError,
            MemoryError,
            OverflowError,
            SyntaxError,
        ):
            return  # it is not what this undoes


def _undos_for(body: Body) -> tuple[Undo, ...]:
    """Return what may be undone: of what was written anew, only what was done after it."""
    if any(each.code in _REWRITTEN for each in body.findings):
        return _SMALL
    if len(body.data) > _LARGEST:
        return _CHEAP
    if len(body.data) > _LONGEST_TEXT:
        return (*_CHEAP, *(() if body.findings else (_serialise, _rests)))
    return _UNDO


# --- each yields "code:detail" and a body ---------------------------------------------------------


def _newlines(body: bytes) -> Iterator[tuple[str, bytes]]:
    if body[-1:] in (b"\n", b"\r", b" ", b"\t", b"\0"):
        for cut in (body[:-1], body[:-2], body.rstrip()):
            yield "body_newline_added", cut
        yield "body_altered:" + _FOLLOWED, body.rstrip(b"\0 \t\r\n")
    for end in (b"\n", b"\r\n"):
        yield "body_newline_removed", body + end
    if body[:1].isspace():
        yield "body_altered:" + _FOLLOWED, body.strip()


def _lines(body: bytes) -> Iterator[tuple[str, bytes]]:
    if b"\r" in body:
        yield "body_crlf", body.replace(b"\r\n", b"\n")
        yield "body_crlf", body.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if b"\n" in body:
        yield "body_crlf", body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        yield "body_crlf", body.replace(b"\r", b"").replace(b"\n", b"")


def _boms(body: bytes) -> Iterator[tuple[str, bytes]]:
    if body.startswith(_BOM):
        yield "body_bom", body.removeprefix(_BOM)
    yield "body_bom", _BOM + body


def _base64(body: bytes) -> Iterator[tuple[str, bytes]]:
    text = body.strip().strip(b"\"'")
    if text.startswith(b"data:"):
        text = text.partition(b",")[2]
    text = b"".join(text.split()).rstrip(b"=").replace(b"-", b"+").replace(b"_", b"/")
    if len(text) < _SHORTEST:
        return
    with suppress(Error):
        yield "body_base64", a2b_base64(text + b"=" * (-len(text) % 4), strict_mode=True)
    with suppress(ValueError):
        yield "body_base64:It is in hexadecimal digits.", bytes.fromhex(body.decode("ascii"))


def _compressed(body: bytes) -> Iterator[tuple[str, bytes]]:
    for bits in (47, -15):  # gzip or zlib, by its header; deflate alone
        if bits < 0 and body[:1] in (b"{", b"["):
            continue
        try:
            unpack = zlib.decompressobj(bits)
            data = unpack.decompress(body, _LARGEST)
        except zlib.error:
            continue
        if data and unpack.eof:
            yield "body_compressed", data


def _forms(body: bytes) -> Iterator[tuple[str, bytes]]:
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


def _charsets(body: bytes) -> Iterator[tuple[str, bytes]]:
    for wide in _WIDE:
        if b"\0" in body[:8] or body[:2] in (b"\xff\xfe", b"\xfe\xff"):
            with suppress(UnicodeDecodeError):
                yield "body_charset_changed", body.decode(wide).removeprefix("\ufeff").encode()
    if body.isascii():
        return
    for charset in _CHARSETS:
        with suppress(UnicodeError):  # read as if it were this, and written as UTF-8
            yield "body_charset_changed", body.decode("utf-8").encode(charset)
        with suppress(UnicodeError):  # written in this
            yield "body_charset_changed", body.decode(charset).encode()


def _serialise(body: bytes) -> Iterator[tuple[str, bytes]]:
    for text in texts(body):
        if b"\n" in text and text.replace(b"\n", b"") == body:
            yield "body_newline_removed:" + _WITHIN, text
            yield "body_newline_removed:" + _WITHIN, text + b"\n"
        yield "body_reserialised", text


def _read_repr(body: bytes) -> Iterator[tuple[str, bytes]]:
    """Undo str(body) and str(request.json)."""
    if len(body) > _LONGEST_LITERAL or body[:1] not in (b"b", b"'", b"{", b"["):
        return
    value: Any = ast.literal_eval(body.decode())
    if isinstance(value, bytes):
        yield "body_reserialised:" + _REPR, value
    elif isinstance(value, str):
        yield "body_reserialised:" + _REPR, value.encode()
    else:
        written = json.dumps(value, ensure_ascii=False).encode()
        for text in texts(written):
            yield "body_reserialised:" + _REPR, text
        yield from _strings(written)


def _strings(body: bytes) -> Iterator[tuple[str, bytes]]:
    """Undo JSON of a JSON text, and what gateways and queues wrap a body in."""
    if body[:1] not in (b'"', b"{", b"["):
        return
    value: Any = json.loads(body)
    if isinstance(value, str):
        yield "body_reserialised:" + _STRING, value.encode()
        return
    if octets := octets_of(value):
        yield "body_reserialised:" + _OCTETS, octets
    if is_object(value):
        for name in [name for name, text in value.items() if text in _NOTHING][:MOST_FIELDS]:
            yield "body_form_encoded:" + _NAME, name.encode()
    for each in wrapped_in(value):
        if isinstance(each, str):
            yield "body_altered:" + _WRAPPED, each.encode()
            for _, data in _base64(each.encode()):
                yield "body_base64:" + _WRAPPED, data
        else:
            for text in texts(json.dumps(each, ensure_ascii=False).encode()):
                yield "body_altered:" + _WRAPPED, text


def _characters(body: bytes) -> Iterator[tuple[str, bytes]]:
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


def _rests(body: bytes) -> Iterator[tuple[str, bytes]]:
    text = body.decode()
    start = max(text.find("{"), 0)
    _, end = json.JSONDecoder().raw_decode(text, start)
    if start or end < len(text):
        yield "body_altered:" + _FOLLOWED, text[start:end].encode()


def _fields(body: bytes) -> Iterator[tuple[str, bytes]]:
    value: Any = json.loads(body)
    for rest in _without_one(value) if is_object(value) else ():
        for is_ascii in (False, True):
            for separators in ((",", ":"), (", ", ": ")):
                written = json.dumps(rest, ensure_ascii=is_ascii, separators=separators)
                yield "body_altered:" + _FIELD, written.encode("utf-8", "surrogatepass")


def _without_one(value: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield an object without one of its fields, or of those of an object in it."""
    for key in list(value)[:MOST_FIELDS]:
        yield {each: value[each] for each in value if each != key}
    for key, inside in list(value.items())[:MOST_FIELDS]:
        for name in list(inside)[:MOST_FIELDS] if is_object(inside) else ():
            rest = {each: inside[each] for each in inside if each != name}
            yield {**value, key: rest}


def _ends(body: bytes) -> Iterator[tuple[str, bytes]]:
    if end := close_json(body):
        for data in (body + end, body + end + b"\n"):
            yield "body_truncated", data


def close_json(body: bytes) -> bytes:
    """Return what would end a JSON text that is cut off, at the least; nothing if it is whole."""
    if not body.startswith(b"{") or len(body) > _LONGEST_TEXT:
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


_SMALL: tuple[Undo, ...] = (_newlines, _lines, _boms)
_CHEAP: tuple[Undo, ...] = (*_SMALL, _base64, _compressed, _charsets)
_UNDO: tuple[Undo, ...] = (
    *_CHEAP,
    _forms,
    _ends,
    _serialise,
    _read_repr,
    _strings,
    _characters,
    _rests,
    _fields,
)
_COSTLY = (_serialise, _read_repr, _strings, _fields, _characters, _rests)
_REWRITTEN = ("body_reserialised", "body_altered", "body_truncated")
_DEEPEST = 3
