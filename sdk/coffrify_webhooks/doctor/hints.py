"""What a refused request shows by itself, without a secret; the log of a refusal says it too.

Bounded: only the beginning and the end of a body are looked at. A hint holds words of ours and
numbers, never a piece of the request.
"""

from __future__ import annotations

from binascii import Error, a2b_base64
from typing import TYPE_CHECKING, Any

from coffrify_webhooks.signature.headers import compression
from coffrify_webhooks.signature.window import TOLERANCE

from .diagnosis import Finding
from .headers import ENDINGS, KNOWN, OWN, SIGNATURE, TIMESTAMP, original_name, pairs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["date_of", "hints", "hints_for_log", "is_base64", "is_form"]

_BOM = b"\xef\xbb\xbf"
_WIDE_BOMS = (b"\xff\xfe", b"\xfe\xff")
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"PK\x03\x04": "zip", b"BZh": "bzip2"}
_FRONTS = ("", "x-", "http-", "http-x-", "x-amzn-remapped-", "x-forwarded-", "x-original-")
_SQUEEZED = tuple(each.replace("-", "") for each in KNOWN)
_KNOWN_ENCODINGS = ("gzip", "x-gzip", "deflate", "br", "zstd", "compress")
_HEAD = 256
_MOST_DIGITS = 15
_MILLISECONDS = 100_000_000_000
_FORM_BEGINS = (b"%7b", b"payload=", b"body=", b"data=", b"json=", b"event=")


def hints(body: bytes | None, headers: Any, now: float) -> list[Finding]:
    """Return what can be seen; body: None if it was not read."""
    found = pairs(headers)
    first = dict(reversed(found))
    seen = [*_of_headers(found, first)]
    if body is not None:
        seen += _of_body(body, first)
    return [*seen, *_of_time(first, now)]


def hints_for_log(body: bytes | None, headers: Any, now: float) -> str:
    """Return as a text what the error of a refusal does not say by itself; never raises."""
    try:
        seen = hints(body, headers, now)
        return "; ".join(each.detail for each in seen if each.code != "header_missing")
    except Exception:  # a help for people must not become another error
        return ""


def _of_headers(found: Sequence[tuple[str, str]], first: dict[str, str]) -> Iterator[Finding]:
    missing = [name for name in KNOWN if name not in first]
    renamed = {known: name for name, _ in found if (known := original_name(name)) in missing}
    for known, name in renamed.items():
        yield Finding("header_renamed", f"a header named {_safe(name)} seems to be {known}")
    if SIGNATURE in first or OWN not in first:
        lost = [name for name in missing if name not in renamed and name != OWN]
        if lost and not (SIGNATURE in lost and OWN in renamed):
            several = len(lost) > 1
            yield Finding(
                "header_missing",
                f"the header{'s' * several} {', '.join(lost)} {'are' if several else 'is'} missing",
            )


def _safe(name: str) -> str:
    """Return a name as a log may show it: what is in front of ours only if it is usual."""
    ending = next(each for each in (*ENDINGS, *_SQUEEZED) if _plain(name).endswith(each))
    front = _plain(name).removesuffix(ending)
    return name if front in _FRONTS and name.isascii() and name.isprintable() else f"...{ending}"


def _plain(name: str) -> str:
    return name.replace("_", "-").replace(".", "-")


def _of_body(body: bytes, first: dict[str, str]) -> Iterator[Finding]:
    yield from _of_length(body, first)
    head = body[:_HEAD]
    kind = first.get("content-type", "").lower()
    if not body.strip() or body in (b"{}", b"null", b'""', b"undefined", b"[]", b"None"):
        yield Finding("body_empty", f"the body is empty{' of content' if body else ''}")
        return
    encoding = compression(first, body)
    magic = next((name for mark, name in _MAGIC.items() if head.startswith(mark)), "")
    if encoding in _KNOWN_ENCODINGS or magic:
        by = magic or encoding
        seen = "begins like" if magic else "has the Content-Encoding of"
        yield Finding("body_compressed", f"the body {seen} {by}")
    elif head.startswith(_BOM):
        yield Finding("body_bom", "the body begins with a byte-order mark")
    elif head.startswith(_WIDE_BOMS) or b"\0" in head[:4]:
        yield Finding("body_charset_changed", "the body is in UTF-16 or UTF-32, not UTF-8")
    elif is_base64(head):
        yield Finding("body_base64", "the body is base64 of something")
    elif is_form(head) or "multipart/form-data" in kind:
        yield Finding("body_form_encoded", "the body is form-encoded, not JSON")
    elif "x-www-form-urlencoded" in kind:
        yield Finding("", "the Content-Type says that the body is form-encoded")
    elif not head.lstrip().startswith(b"{"):
        yield Finding("", "the body does not begin like a JSON object")


def _of_length(body: bytes, first: dict[str, str]) -> Iterator[Finding]:
    length = first.get("content-length", "").strip()
    if length.isascii() and length.isdigit() and len(length) <= _MOST_DIGITS:
        differs = len(body) - int(length)
        if differs:
            more = "more" if differs > 0 else "fewer"
            yield Finding("", f"the body has {abs(differs)} bytes {more} than its Content-Length")


def is_base64(head: bytes) -> bool:
    """Tell whether a body begins like base64 of JSON or of gzip."""
    text = head.strip().strip(b'"').replace(b"-", b"+").replace(b"_", b"/")[:64]
    text = text[: len(text) // 4 * 4]
    if not text:
        return False
    try:
        start = a2b_base64(text, strict_mode=True).lstrip()
    except Error:
        return False
    return start[:1] == b"{" or start[:2] == b"\x1f\x8b" or start[:3] == _BOM


def is_form(head: bytes) -> bool:
    """Tell whether a body begins like a form that a browser sends."""
    text = head.lower()
    if text[:1] in (b"{", b"["):
        return False
    name, equals, value = text.partition(b"=")
    if text.startswith(_FORM_BEGINS):
        return True
    is_name = name.replace(b"_", b"").replace(b"%5b", b"").replace(b"%5d", b"").isalnum()
    return bool(equals) and is_name and (b"%7b" in value or b"&" in value)


def date_of(first: dict[str, str]) -> float | None:
    """Return the seconds that the Date header says, or None."""
    from email.utils import parsedate_to_datetime  # a millisecond to import

    try:
        text = first["date"]
        return parsedate_to_datetime(text).timestamp() if len(text) <= _HEAD else None
    except (KeyError, ValueError, TypeError, OverflowError):
        return None


def _of_time(first: dict[str, str], now: float) -> Iterator[Finding]:
    stamp = first.get(TIMESTAMP, "").strip()
    is_number = stamp.isascii() and stamp.isdigit() and len(stamp) <= _MOST_DIGITS
    if is_number and int(stamp) > _MILLISECONDS:
        yield Finding("timestamp_milliseconds", f"{TIMESTAMP} is in milliseconds, not in seconds")
    date = date_of(first)
    if date is not None and abs(now - date) >= TOLERANCE:
        where = "ahead of" if now > date else "behind"
        yield Finding("", f"this clock is {abs(now - date):.0f} s {where} the Date header")
