"""The HMAC keys that a secret may have been meant for, with what went wrong when it was copied.

As in `signature.secret`, nothing here raises while the text of a secret is bound to a name, and
no repr shows one.
"""

from __future__ import annotations

import html
import re
from binascii import Error, a2b_base64, unhexlify
from contextlib import suppress
from hashlib import sha256
from itertools import product
from typing import TYPE_CHECKING
from urllib.parse import unquote

from coffrify_webhooks.signature.secret_mistakes import PREFIX, QUOTES, is_visible

from .diagnosis import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from coffrify_webhooks.signature.secret import Secret

__all__ = ["GivenSecret", "Key", "last_keys", "variants"]

_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))
_BLOCK = 64
_MOST_PARTS = 8
_SHORTEST_PART = 8
_PIECE = re.compile(r"[A-Za-z0-9+/_-]{8,}={0,2}")
_MOST_ROUNDS = 8
_LONGEST = 4096
_AROUND = "()[]{}<>,;"
_ESCAPED_ENDS = ("\\n", "\\r", "\\t")
_HEX = "0123456789abcdef"
_BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_SHORTEST_DECODED = 16

_WHITESPACE = Finding("secret_whitespace")
_QUOTED = Finding("secret_quoted")
_ASSIGNED = Finding("secret_quoted", "The name of its variable, or other text, stands beside it.")
_SEVERAL = Finding("secret_whitespace", "The text holds several secrets; give a list of texts.")
_VERSION = Finding("secret_version_prefix")
_TWICE = Finding("secret_version_prefix", "It has the prefix whsec_ twice.")
_WITHOUT = Finding("secret_without_prefix")
_CUT_IN_FRONT = Finding("secret_truncated", "Its beginning is missing.")
_CUT = Finding("secret_truncated", "Its end is missing.")
_PINNED = Finding("secret_wrong_encoding", "Another encoding than the pinned one fits.")
_AS_TEXT = Finding(
    "secret_wrong_encoding",
    f"What follows {PREFIX} is the key itself, not an encoding of it; or the whole text is the "
    "key.",
)
_CASE = Finding("secret_wrong_encoding", "Its letters were changed to upper or lower case.")
_ESCAPED = Finding("secret_wrong_encoding", "It is escaped, as in a URL or a page.")
_ENCODED = Finding(
    "secret_wrong_encoding",
    "It is encoded in base64 or hex once more, as Kubernetes shows a secret.",
)
_ENDED = Finding(
    "secret_of_another_endpoint", "The secret that fits has expired: its not_after has passed."
)


class GivenSecret:
    """A secret as the user gave it, readable or not."""

    __slots__ = ("encoding", "secret", "text")

    def __init__(self, text: str, encoding: str, secret: Secret | None) -> None:
        self.text: str = text
        self.encoding: str = encoding
        self.secret: Secret | None = secret
        """None if a receiver would refuse it at start."""

    def __repr__(self) -> str:
        return "<secret>"


class Key:
    """One HMAC-SHA256 key, its two pad blocks hashed in advance (RFC 2104)."""

    __slots__ = ("findings", "inner", "outer")

    def __init__(self, key: bytes, findings: tuple[Finding, ...]) -> None:
        self.findings: tuple[Finding, ...] = findings
        if len(key) > _BLOCK:
            key = sha256(key).digest()
        key = key.ljust(_BLOCK, b"\0")
        self.inner: Any = sha256(key.translate(_INNER))
        self.outer: Any = sha256(key.translate(_OUTER))

    def __repr__(self) -> str:
        return "<key>"

    def mac(self, prefix: bytes, body: bytes) -> bytes:
        """Return the HMAC over prefix + body."""
        inner = self.inner.copy()
        inner.update(prefix)
        inner.update(body)
        outer = self.outer.copy()
        outer.update(inner.digest())
        return bytes(outer.digest())


def variants(given: list[GivenSecret], now: float) -> dict[int, list[Key]]:
    """Return the keys by their number of findings: 0 for those that the receiver itself tries."""
    found: dict[bytes, tuple[Finding, ...]] = {}
    for each in given:
        if each.secret is not None:
            ended = each.secret.not_after is not None and now >= each.secret.not_after
            for _, key in each.secret.candidates:
                found.setdefault(key, (_ENDED,) if ended else ())
    for each in given:
        if len(each.text) <= _LONGEST:
            for key, findings in _of_text(each):
                known = found.get(key)
                if key.strip(b"\0") and (known is None or len(known) > len(findings)):
                    found[key] = findings
    levels: dict[int, list[Key]] = {}
    for key, findings in found.items():
        levels.setdefault(len(findings), []).append(Key(key, findings))
    return levels


def _of_text(given: GivenSecret) -> Iterator[tuple[bytes, tuple[Finding, ...]]]:
    text = given.text
    yield from _read(text, (_AS_TEXT,))
    cleaned, findings = _clean(text)
    for key, more in _read(cleaned, ()):
        yield (
            key,
            (*findings, *more)
            or (_reason(given, is_whole=key == cleaned.encode("utf-8", "replace")),),
        )
    if " " in text.strip():
        for key, more in _read(_clean(text.strip().replace(" ", "+"))[0], ()):
            yield key, (_ESCAPED, *more)
    for part in _parts(text):
        bare, more = _clean(part)
        for key, last in _read(bare, ()):
            yield key, (_SEVERAL, *(each for each in more if each.code != _SEVERAL.code), *last)
    for source, before in {text: (), cleaned: findings}.items():
        yield from _of_rewritten(source, before)
    pieces = [found[0] for each in text.split(PREFIX)[1:] if (found := _PIECE.match(each))]
    for piece in pieces[:_MOST_PARTS] if cleaned not in [PREFIX + each for each in pieces] else ():
        for key, last in _read(PREFIX + piece, ()):
            yield key, (_ASSIGNED if len(pieces) == 1 else _SEVERAL, *last)


def _of_rewritten(
    text: str, findings: tuple[Finding, ...]
) -> Iterator[tuple[bytes, tuple[Finding, ...]]]:
    for other, finding in _rewrite(text):
        bare, more = _clean(other)
        for key, last in _read(bare, ()):
            yield key, (*findings, finding, *more, *last)


def _reason(given: GivenSecret, *, is_whole: bool) -> Finding:
    """Say why a key that an unspoilt secret stands for is not tried by the receiver."""
    if is_whole and given.text != given.text.strip():
        return _WHITESPACE
    return _PINNED if given.encoding != "auto" else _AS_TEXT


def _read(text: str, findings: tuple[Finding, ...]) -> Iterator[tuple[bytes, tuple[Finding, ...]]]:
    """Yield the keys that a text may stand for; with a prefix put in front where there is none."""
    yield text.encode("utf-8", "replace"), findings
    if not text:
        return
    prefixed = text.startswith(PREFIX)
    rest = text.removeprefix(PREFIX)
    for key in _decode(rest):
        usual = prefixed and len(key) >= _SHORTEST_DECODED
        yield key, findings if usual else (*findings, _AS_TEXT if prefixed else _WITHOUT)
    if prefixed:
        yield rest.encode("utf-8", "replace"), (*findings, _AS_TEXT)
    else:
        yield (PREFIX + text).encode("utf-8", "replace"), (*findings, _WITHOUT)


def _decode(text: str) -> Iterator[bytes]:
    if not text.isascii():
        return
    with suppress(ValueError):
        yield unhexlify(text)
    plain = text.rstrip("=").replace("-", "+").replace("_", "/")
    with suppress(Error):
        yield a2b_base64(plain + "=" * (-len(plain) % 4), strict_mode=True)


def _clean(text: str) -> tuple[str, tuple[Finding, ...]]:
    """Return a text without what does not belong to a secret, and what that was."""
    found: dict[Finding, None] = {}
    text = text.strip()
    for _ in range(_MOST_ROUNDS):
        before = text
        text, finding = _clean_once(text)
        if finding is None or not text:
            return text or before, tuple(found)
        found[finding] = None
    return text, tuple(found)


def _clean_once(text: str) -> tuple[str, Finding | None]:
    front, comment, _ = text.partition(" #")
    if comment and front.strip():
        return front.strip(), _ASSIGNED
    visible = "".join(filter(is_visible, text))
    if visible != text and visible.count(PREFIX) <= 1 and not _is_assigned(text):
        return visible, _WHITESPACE
    if text.endswith(_ESCAPED_ENDS):
        return text[:-2], _WHITESPACE
    bare = text.removeprefix("b") if text[:2] in ("b'", 'b"') else text
    bare = bare.strip(QUOTES + _AROUND + "\\").strip()
    if bare != text:
        return bare, _QUOTED
    if text.startswith(("v1,", "v1=", "v1:")):
        return text[3:].strip(), _VERSION
    if text.startswith(PREFIX * 2):
        return text.removeprefix(PREFIX), _TWICE
    if _is_assigned(text):
        place = text.rfind(PREFIX)
        start = place if place > 0 else max(text.find("="), text.find(":"), text.find(" ")) + 1
        return text[start:].strip(), _ASSIGNED
    return text, None


def _is_assigned(text: str) -> bool:
    """Tell whether other words stand in front: `NAME=whsec_...`, `Bearer whsec_...`."""
    if text.rfind(PREFIX) > 0 and text.count(PREFIX) == 1:
        front = text[: text.rfind(PREFIX)].strip()
        return not front.startswith("v1") and (front[-1] in "=:" or front[-1].isalnum())
    name, mark, _ = text.removeprefix("export ").partition("=")
    return bool(mark) and name.isidentifier() and name.isupper()


def _parts(text: str) -> list[str]:
    for mark in ",;|":
        text = text.replace(mark, " ")
    parts = [each for each in text.split() if len(each) >= _SHORTEST_PART]
    return parts[:_MOST_PARTS] if len(parts) > 1 else []


def _rewrite(text: str) -> Iterator[tuple[str, Finding]]:
    for other in (text.lower(), text.upper(), PREFIX + text[len(PREFIX) :].upper()):
        if other != text:
            yield other, _CASE
    for other in (
        unquote(text),
        html.unescape(text),
        text.replace("\\/", "/"),
        text.replace("\\", ""),
        text.replace("%%", "%"),
        text.replace("$$", "$"),
    ):
        if other != text:
            yield other, _ESCAPED
    for length in range(1, len(PREFIX)):
        if text.startswith(PREFIX[length:]):
            yield PREFIX[:length] + text, _CUT_IN_FRONT
    for inner in _decoded_texts(text):
        yield inner, _ENCODED
        for twice in _decoded_texts(inner.strip()):
            yield twice, _ENCODED


def _decoded_texts(text: str) -> Iterator[str]:
    """Yield the texts of which a text may be base64 or hex."""
    for key in (*_decode(text), *_decode(text.removeprefix(PREFIX))):
        inner = key.decode("ascii", "replace")
        if inner.isascii() and inner.strip() and all(map(_is_shown, inner)):
            yield inner


def _is_shown(character: str) -> bool:
    return character.isprintable() or character.isspace()


def last_keys(given: list[GivenSecret], *, is_whole: bool) -> Iterator[Key]:
    """Yield the keys of secrets that lost some characters at their end.

    is_whole: the body is as it was signed, so that two or three can be tried; else only one, and
    of secrets that look as if they were cut off.
    """
    for each in given:
        text, findings = _clean(each.text)
        rest = text.removeprefix(PREFIX)
        if rest == text or not rest or len(text) > _LONGEST:
            continue
        is_hex = not rest.lower().strip(_HEX)
        is_cut = len(rest) % 8 != 0 if is_hex else len(rest.rstrip("=")) % 4 in (1, 2)
        most = (1 if is_cut else 0) if not is_whole else is_hex + (2 if is_cut else 1)
        letters = (_HEX.upper() if rest.isupper() else _HEX) if is_hex else _BASE64
        for count in range(1, most + 1):
            for several in product(letters, repeat=count):
                end = "".join(several)
                for key in ((text + end).encode(), *_decode(rest + end)):
                    if not key.endswith(b"\0"):  # HMAC fills a key up with zeros: it was tried
                        yield Key(key, (*findings, _CUT))
