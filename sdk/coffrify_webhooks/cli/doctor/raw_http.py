"""Reads a raw HTTP request, as `nc`, a proxy's log or a debugger shows one."""

from __future__ import annotations

import re
from contextlib import suppress

__all__ = ["read_raw"]

_MOST_DIGITS = 15
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""Of a header (RFC 9110, section 5.6.2): what a browser copies "as fetch" begins otherwise."""
_PSEUDO = re.compile(r":(?P<name>method|path|scheme|authority|protocol):? +(?P<value>\S*)")
"""Of HTTP/2, as browsers show it."""


def read_raw(data: bytes) -> tuple[bytes, list[tuple[str, str]], str] | None:
    """Return body, headers and method; the first line may be missing. None if it is none."""
    crlf, lf = data.find(b"\r\n\r\n"), data.find(b"\n\n")
    end, size = (crlf, 4) if crlf >= 0 and (lf < 0 or crlf < lf) else (lf, 2)
    head, body = (data[:end], data[end + size :]) if end >= 0 else (data, b"")
    lines = head.decode("latin-1").splitlines()
    method = "POST"
    if lines and lines[0].count(" ") >= 1 and lines[0].split(" ")[0].isalpha():
        first = lines[0].split(" ")
        if first[0].isupper() and not first[0].endswith(":"):
            method, lines = first[0], lines[1:]
    headers: list[tuple[str, str]] = []
    for line in (each.lstrip("> ") for each in lines):
        if pseudo := _PSEUDO.fullmatch(line):
            method = pseudo["value"] if pseudo["name"] == "method" else method
            continue
        name, colon, value = line.partition(":")
        if not colon or not _NAME.fullmatch(name.strip()):
            return None
        headers.append((name.strip(), value.strip()))
    if not headers:
        return None
    return _remove_framing(body, headers), headers, method


def _remove_framing(body: bytes, headers: list[tuple[str, str]]) -> bytes:
    """Take apart chunks, and drop the line's end that an editor adds behind the body."""
    named = {name.lower(): value for name, value in headers}
    if named.get("transfer-encoding", "").lower() == "chunked":
        with suppress(ValueError):
            return _join_chunks(body)
    length = named.get("content-length", "")
    if not length.isascii() or not length.isdigit() or len(length) > _MOST_DIGITS:
        return body
    rest = body[int(length) :]
    return body[: int(length)] if rest in (b"\n", b"\r\n") else body


def _join_chunks(body: bytes) -> bytes:
    """Join the chunks (RFC 9112, section 7.1); raises ValueError for what is not in chunks."""
    found: list[bytes] = []
    while body:
        line, _, body = body.partition(b"\n")
        size = int(line.split(b";")[0].strip(), 16)
        if size <= 0:
            break
        found.append(body[:size])
        body = body[size:].removeprefix(b"\r").removeprefix(b"\n")
    return b"".join(found)
