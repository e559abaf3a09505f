"""Undoes what proxies, gateways and programs do with a body as bytes.

Each function yields "code:detail" and a body.
"""

from __future__ import annotations

import zlib
from binascii import Error, a2b_base64
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "FOLLOWED",
    "LARGEST",
    "base64",
    "boms",
    "charsets",
    "chunks",
    "compressed",
    "lines",
    "newlines",
]

LARGEST = 4 << 20
"""The most bytes that are made of a body; a decompression bomb ends here."""
FOLLOWED = "There is other text before or after the JSON."
_SHORTEST = 4
"""Characters of base64 that stand for a byte or more."""
_BOM = b"\xef\xbb\xbf"
_MISREAD_BOM = _BOM.decode("cp1252").encode()
_CHARSETS = (
    *("latin-1", "cp1252", "cp437", "cp850", "mac-roman", "iso8859-15"),
    *("cp1250", "cp1251", "koi8-r", "cp932", "gbk", "big5", "euc-kr"),
)
_WIDE = ("utf-16", "utf-16-le", "utf-16-be", "utf-32")
_CONTROLS = {
    ord(bytes([byte]).decode("cp1252")): byte
    for byte in range(0x80, 0xA0)
    if byte not in b"\x81\x8d\x8f\x90\x9d"
}
"""From the characters of Windows to the bytes; browsers read the five as control characters."""
_FRAMED = "The lengths of its chunks (Transfer-Encoding) still stand in it."
_HEX = "It is in hexadecimal digits."
_LARGE = 131_072
"""Bytes from which on only the most frequent charsets are tried."""
_MOST_CHUNKS = 4096


def newlines(body: bytes) -> Iterator[tuple[str, bytes]]:
    if body[-1:] in (b"\n", b"\r", b" ", b"\t", b"\0"):
        for cut in (body[:-1], body[:-2], body.rstrip()):
            yield "body_newline_added", cut
        yield "body_altered:" + FOLLOWED, body.rstrip(b"\0 \t\r\n")
    for end in (b"\n", b"\r\n"):
        yield "body_newline_removed", body + end
    if body[:1].isspace():
        yield "body_altered:" + FOLLOWED, body.strip()


def lines(body: bytes) -> Iterator[tuple[str, bytes]]:
    if b"\r" in body:
        yield "body_crlf", body.replace(b"\r\n", b"\n")
        yield "body_crlf", body.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if b"\n" in body:
        yield "body_crlf", body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        yield "body_crlf", body.replace(b"\r", b"").replace(b"\n", b"")


def base64(body: bytes) -> Iterator[tuple[str, bytes]]:
    text = body.strip().strip(b"\"'")
    if text.startswith(b"data:"):
        text = text.partition(b",")[2]
    text = b"".join(text.split())
    plain = text.rstrip(b"=").replace(b"-", b"+").replace(b"_", b"/")
    if len(plain) < _SHORTEST:
        return
    with suppress(Error):
        yield "body_base64", a2b_base64(plain + b"=" * (-len(plain) % 4), strict_mode=True)
    with suppress(ValueError):
        yield "body_base64:" + _HEX, bytes.fromhex(text.removeprefix(b"\\x").decode("ascii"))


def compressed(body: bytes) -> Iterator[tuple[str, bytes]]:
    for bits in (47, -15):  # gzip or zlib, by its header; deflate alone
        if bits < 0 and body[:1] in (b"{", b"["):
            continue
        try:
            unpack = zlib.decompressobj(bits)
            data = unpack.decompress(body, LARGEST)
        except zlib.error:
            continue
        if data and unpack.eof:
            yield "body_compressed", data


def chunks(body: bytes) -> Iterator[tuple[str, bytes]]:
    """Take apart the chunks of HTTP/1.1 (RFC 9112, section 7.1)."""
    found: list[bytes] = []
    place = 0
    for _ in range(_MOST_CHUNKS):
        end = body.find(b"\n", place, place + 64)
        size = int(body[place:end].partition(b";")[0], 16)
        if end < 0 or size < 0:
            return
        if not size:
            break
        found.append(body[end + 1 : end + 1 + size])
        place = end + 1 + size
        place += 2 if body[place : place + 2] == b"\r\n" else 1
    yield "body_altered:" + _FRAMED, b"".join(found)


def boms(body: bytes) -> Iterator[tuple[str, bytes]]:
    for mark in (_BOM, _MISREAD_BOM):
        if body.startswith(mark):
            yield "body_bom", body.removeprefix(mark)
    yield "body_bom", _BOM + body


def charsets(body: bytes) -> Iterator[tuple[str, bytes]]:
    for wide in _WIDE:
        if b"\0" in body[:8] or body[:2] in (b"\xff\xfe", b"\xfe\xff"):
            with suppress(UnicodeDecodeError):
                yield "body_charset_changed", body.decode(wide).removeprefix("\ufeff").encode()
    if body.isascii():
        return
    with suppress(UnicodeError):  # read as browsers read Windows' own, and written as UTF-8
        text = body.decode("utf-8").translate(_CONTROLS)
        yield "body_charset_changed", text.encode("latin-1")
    for charset in _CHARSETS if len(body) <= _LARGE else _CHARSETS[:2]:
        with suppress(UnicodeError):  # read as if it were this, and written as UTF-8
            yield "body_charset_changed", body.decode("utf-8").encode(charset)
        with suppress(UnicodeError):  # written in this
            yield "body_charset_changed", body.decode(charset).encode()
