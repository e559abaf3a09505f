"""The six headers that concern a signature: found among others, taken apart, strictly."""

from coffrify_webhooks.errors import MalformedSignature

from .window import is_timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any, TypeAlias

    Headers: TypeAlias = (
        Mapping[str, str]
        | Mapping[bytes, bytes]
        | Mapping[str, Any]
        | Iterable[tuple[str | bytes, str | bytes]]
    )

__all__ = [
    "NAMES",
    "Headers",
    "coffrify_parts",
    "compression",
    "is_id",
    "is_test",
    "pick",
    "standard_signatures",
]

_ID_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
_LONGEST_ID = 255
"""Characters; the stores have no longer column (VARCHAR(255))."""
_LONGEST_HEADER = 8192
"""Characters; about what gunicorn lets through (8190), and room for 170 signatures."""
_BASE64, _HEX = 44, 64
"""Characters of a SHA-256."""
_USUAL_STANDARD = len("v1,") + _BASE64
_USUAL_COFFRIFY = len("t=1234567890,v1=") + _HEX
"""One signature, and nothing else: what is nearly always sent is read without a loop."""
NAMES: "frozenset[str]" = frozenset(
    (
        *("webhook-id", "webhook-timestamp", "webhook-signature"),
        *("x-coffrify-signature", "x-coffrify-test-delivery", "content-encoding"),
    )
)
_USUAL = {spelling: name for name in NAMES for spelling in (name, name.title())}
"""The usual spellings of each: those of HTTP/2 (RFC 9113, section 8.2.1) and of HTTP/1."""
_USUAL_BYTES = {spelling.encode(): name for spelling, name in _USUAL.items()}
_NONE: "dict[Any, str]" = {}
_seen: "set[str]" = set(_USUAL)
"""Names whose spelling was looked at before: of ours the usual ones, and any of other headers."""
_seen_bytes: "set[bytes]" = set(_USUAL_BYTES)
_MOST_SEEN, _LONGEST_SEEN = 1000, 64
"""Names that are remembered, and the characters of one: strangers choose them."""
_NAME_LENGTHS = frozenset(map(len, NAMES))
"""A name of another length is not worth lower-casing."""
_LONGEST_ENCODING = 40
"""Characters of a stranger's header that an error repeats."""


def pick(headers: "Any") -> "dict[str, str]":
    """Return the headers that concern us, by lower-case name.

    A header that was sent twice is joined with a comma (RFC 9110, section 5.3), as WSGI servers
    do, so that the verdict is the same under every server.
    """
    # A dict of our own names and text needs no copy: what `pick` returned, and what adapters make.
    if type(headers) is dict:
        own: dict[str, str] = headers  # pyright: ignore[reportUnknownVariableType]
        if own.keys() <= NAMES and _are_text(own.values()):
            return own
        return _pick_usual(own, _USUAL, _seen) or _pick_any(own)
    if type(headers) is list and headers:  # pyright: ignore[reportUnknownArgumentType]
        try:
            pairs: dict[bytes, bytes] = dict(headers)  # pyright: ignore[reportUnknownArgumentType]
        except (TypeError, ValueError):
            return _pick_any(headers)
        if len(pairs) == len(headers) and type(next(iter(pairs))) is bytes:  # pyright: ignore[reportUnknownArgumentType]
            return _pick_usual(pairs, _USUAL_BYTES, _seen_bytes) or _pick_any(headers)
    return _pick_any(headers)


def _pick_usual(
    headers: "Mapping[Any, Any]", usual: "Mapping[Any, str]", seen: "set[Any]"
) -> "dict[str, str] | None":
    """Read headers whose every name was seen before: half of what a look at each name takes."""
    if not headers.keys() <= seen:
        return None
    found: dict[str, str] = {}
    for spelling in usual.keys() & headers.keys():
        value = headers[spelling]
        name = usual[spelling]
        if name in found or type(value) is not type(spelling) or not value.isascii():
            return None
        found[name] = value if type(value) is str else value.decode()
    return found


def _are_text(values: "Iterable[object]") -> bool:
    for value in values:  # noqa: SIM110 - half of what `all` takes
        if type(value) is not str:
            return False
    return True


def _pick_any(headers: "Any") -> "dict[str, str]":
    found: dict[str, str] = {}
    try:
        pairs = headers.items() if hasattr(headers, "items") else headers
        for name, value in pairs:
            # One look-up instead of four steps: 0.4 x the floor of verifying with ten headers.
            kind = type(name)  # pyright: ignore[reportUnknownVariableType]
            usual = _USUAL if kind is str else _USUAL_BYTES if kind is bytes else _NONE
            lower = usual.get(name)
            if lower is None:
                if len(name) not in _NAME_LENGTHS:
                    _remember(name)
                    continue
                lower = (str(name, "latin-1") if isinstance(name, bytes) else name).lower()
                if lower not in NAMES:
                    _remember(name)
                    continue
            if value is None:
                continue
            text = str(value, "latin-1") if isinstance(value, bytes) else value
            if lower not in found:
                found[lower] = text + ""  # TypeError for what is not text
            elif len(found[lower]) <= _LONGEST_HEADER:
                found[lower] += "," + text
    except (TypeError, ValueError, AttributeError):
        raise MalformedSignature(
            "the headers are neither a mapping nor pairs of text or bytes"
        ) from None
    return found


def _remember(name: "Any") -> None:
    """Note that a name, as it is spelt, is that of no header of ours."""
    if len(name) > _LONGEST_SEEN:
        return
    if type(name) is str and len(_seen) < _MOST_SEEN:
        _seen.add(name)
    elif type(name) is bytes and len(_seen_bytes) < _MOST_SEEN:
        _seen_bytes.add(name)


def is_id(text: str) -> bool:
    """Tell whether a text can be a `webhook-id`.

    A dot inside would let `id.timestamp.body` be cut at another place.
    """
    return 0 < len(text) <= _LONGEST_ID and not text.strip(_ID_CHARACTERS)


def standard_signatures(header: str) -> "Sequence[str]":
    """Return the base64 of each `v1,<base64>`, separated by spaces; none if it is malformed."""
    if len(header) == _USUAL_STANDARD and header[:3] == "v1," and header.isascii():
        signature = header[3:]
        if "," not in signature and " " not in signature:
            return (signature,)
    if len(header) > _LONGEST_HEADER or not header.isascii():
        return ()
    signatures: list[str] = []
    for piece in header.split(" "):
        # Lines of one header, joined on their way, are separated by a comma besides.
        parts = piece.removesuffix(",").split(",")
        if not piece:
            continue
        if len(parts) % 2:
            return ()
        pairs = zip(parts[::2], parts[1::2], strict=True)
        # A v1a is an ed25519 signature (Standard Webhooks): no shared secret makes one.
        signatures += [
            value for version, value in pairs if version == "v1" and len(value) == _BASE64
        ]
    return signatures


def coffrify_parts(header: str) -> "tuple[str, Sequence[str]]":
    """Return t and each v1 (as lower-case hex) of `t=<seconds>,v1=<hex>,...`; none if malformed."""
    if len(header) == _USUAL_COFFRIFY and header.isascii():
        stamp = header[2:12]
        if stamp.isdigit() and header[:2] == "t=" and header[12:16] == ",v1=":
            signature = header[16:]
            if signature.isalnum():  # no further part
                return stamp, (signature.lower(),)
    return _coffrify_general(header)


def _coffrify_general(header: str) -> "tuple[str, Sequence[str]]":
    if len(header) > _LONGEST_HEADER or not header.isascii() or not header.isprintable():
        return "", ()
    if " " in header:
        # Where lines are joined, a blank may follow the comma; it belongs nowhere else.
        header = header.replace(", ", ",")
        if " " in header:
            return "", ()
    stamp: str | None = None
    signatures: list[str] = []
    for part in header.split(","):
        name, equals, value = part.partition("=")
        if not equals or (name == "t" and stamp is not None):
            return "", ()
        if name == "t":
            stamp = value
        elif name == "v1" and len(value) == _HEX:
            signatures.append(value.lower())
    return (stamp, signatures) if stamp and is_timestamp(stamp) else ("", ())


def is_test(found: "Mapping[str, str]") -> bool:
    test = found.get("x-coffrify-test-delivery")
    return test is not None and test.lower() == "true"


def compression(found: "Mapping[str, str]", body: bytes) -> str:
    """Name how a body that does not make sense was compressed, or return an empty text."""
    encoding = found.get("content-encoding", "").strip().lower()
    if encoding and encoding != "identity":
        return encoding if len(encoding) <= _LONGEST_ENCODING else "an unknown encoding"
    return "gzip" if body[:2] == b"\x1f\x8b" else ""
