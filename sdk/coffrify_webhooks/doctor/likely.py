"""What is likely where nothing could be proven: only what a fact supports."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from coffrify_webhooks.signature.placeholders import is_placeholder
from coffrify_webhooks.signature.secret_mistakes import (
    API_KEYS,
    OTHERS_KEYS,
    PREFIX,
    QUOTES,
    SIGNATURES,
    is_address,
    is_visible,
)

from .diagnosis import Finding
from .signs import looks_printed, looks_rewritten
from .truncated import close_json, lacks_beginning

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .keys import GivenSecret

__all__ = ["likely_of_body", "likely_of_secrets"]

_FILTERED = re.compile(r'"(?:\[(?:filtered|redacted|masked|removed)\]|\*{3,64})"', re.IGNORECASE)
_MOST_DIGITS = 15
_LARGEST = 2 << 20
"""Bytes that are parsed to say what they are."""
_SHORTEST, _WHOLE = 32, 8
"""Hexadecimal digits of a key at the least, and of which it is a multiple."""
_MASKS = ("...", "\u2026", "***", "\u2022\u2022")


def likely_of_secrets(given: Sequence[GivenSecret]) -> Iterator[Finding]:
    """Yield what the secrets' texts show, and the receiver refuses at start or will never match."""
    for each in given:
        text = each.text.strip()
        bare = text.strip(QUOTES)
        rest = bare.removeprefix(PREFIX)
        if other := _what_else(each, bare):
            yield other
        elif each.encoding == "text":
            continue
        elif text[:1] in QUOTES or text[-1:] in QUOTES:
            yield Finding("secret_quoted")
        elif text.startswith(("v1,", "v1=")):
            yield Finding("secret_version_prefix")
        elif not all(map(is_visible, text)):
            yield Finding("secret_whitespace")
        elif rest != bare and _is_cut(rest):
            yield Finding("secret_truncated", "What follows whsec_ is not as long as any key.")
        elif each.secret is None and text[:5].lower() == PREFIX[:5]:
            yield Finding(
                "secret_wrong_encoding", f"It does not begin with {PREFIX}, as it should."
            )
        elif each.secret is None:
            yield Finding("secret_quoted")


def _what_else(given: GivenSecret, bare: str) -> Finding | None:
    """Return what a text is that is no signing secret at all."""
    rest = bare.removeprefix(PREFIX)
    words = bare.replace("=", " ").split()
    if any(each.strip(QUOTES).startswith(API_KEYS) for each in words[-1:]):
        return Finding("secret_is_api_key")
    if is_address(bare) or (rest and is_placeholder(rest, whole=rest == bare)):
        shown = any(mark in rest for mark in _MASKS) and rest != bare
        return Finding("secret_placeholder", "Only a part of it is shown." if shown else "")
    if given.secret is None and bare.startswith(OTHERS_KEYS):
        return Finding("secret_is_api_key", "It belongs to another service.")
    if given.secret is None and bare.lower().startswith(SIGNATURES):
        return Finding("secret_version_prefix", "It is a signature, not a secret.")
    return None


def _is_cut(rest: str) -> bool:
    """Tell whether a text can be no whole key: a text of people's own choice may be anything."""
    if not rest.strip("0123456789abcdefABCDEF"):
        return len(rest) < _SHORTEST or len(rest) % _WHOLE != 0
    rest = rest.rstrip("=")
    is_base64 = rest.isascii() and all(each.isalnum() or each in "-_+/" for each in rest)
    is_random = any(map(str.isupper, rest)) and any(map(str.isdigit, rest))
    return is_base64 and is_random and len(rest) % 4 == 1


def likely_of_body(
    body: bytes, first: dict[str, str], seen: Sequence[Finding]
) -> Iterator[Finding]:
    """Yield what the body shows. seen: the hints."""
    codes = [Finding(each.code) for each in seen if each.code.startswith("body_")]
    yield from codes
    if codes or len(body) > _LARGEST:
        return
    text = body.lstrip(b"\xef\xbb\xbf").strip()
    length = first.get("content-length", "").strip()
    announced = (
        int(length)
        if length.isascii() and length.isdigit() and len(length) <= _MOST_DIGITS
        else None
    )
    try:
        decoded = text.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.end == len(text) and error.reason == "unexpected end of data":
            yield Finding("body_truncated", "It ends in the middle of a character.")
        else:
            yield Finding("body_charset_changed", "It is not UTF-8.")
        return
    yield from _of_text(body, decoded, announced)


def _of_text(body: bytes, decoded: str, announced: int | None) -> Iterator[Finding]:
    text = decoded.encode()
    if "\ufffd" in decoded:
        yield Finding("body_charset_changed", "Characters that could not be read were replaced.")
        return
    try:
        json.loads(decoded)
    except (ValueError, RecursionError):
        if looks_printed(decoded):
            yield Finding("body_reserialised", "It is what str() makes of an object.")
        elif close_json(text) or (announced is not None and len(body) < announced):
            yield Finding("body_truncated", "It is the beginning of a JSON text.")
        elif lacks_beginning(text):
            yield Finding("body_truncated", "It is the end of a JSON text.")
        elif text[:1] in (b"{", b"<"):
            yield Finding("body_altered", "It is not JSON.")
        return
    if _FILTERED.search(decoded):
        yield Finding("body_altered", "A value is masked, as filters for personal data do.")
        return
    if reason := looks_rewritten(body):
        yield Finding("body_reserialised", f"A sign of it: {reason}.")
    elif announced is not None and announced != len(body):
        yield Finding(
            "body_reserialised", "It is JSON, but its length differs from its Content-Length."
        )
