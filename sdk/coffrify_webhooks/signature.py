"""What may be believed: secrets, the two signature schemes, the time window.

Runs on the standard library alone and performs no I/O. Sources: the vendor's webhook page (the
`X-Coffrify-Signature` scheme and its 300 s window), its API reference and SDKs (the three
Standard Webhooks headers, both sent on every delivery), and the Standard Webhooks specification.
The sources disagree on how a secret becomes an HMAC key; see `Secret`.

Speed: the two pad states of each HMAC key are hashed once, then copied for every delivery, and
the signed prefix and the body are fed to the hash one after the other, so the body is never
copied. Stale and malformed headers are refused before anything is hashed.
"""

from binascii import Error as _Base64Error
from binascii import a2b_base64, b2a_base64, unhexlify
from hashlib import sha256
from hmac import compare_digest
from time import time

from .delivery import Delivery
from .errors import (
    CompressedBody,
    ConfigurationError,
    MalformedSignature,
    MissingSignature,
    SecretsUnavailable,
    SignatureMismatch,
    TimestampTooNew,
    TimestampTooOld,
    VerificationError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any, Literal, TypeAlias

    from .delivery import Scheme

    Encoding: TypeAlias = Literal["auto", "text", "hex", "base64"]
    Headers: TypeAlias = (
        Mapping[str, str]
        | Mapping[bytes, bytes]
        | Mapping[str, Any]
        | Iterable[tuple[str | bytes, str | bytes]]
    )
    SecretLike: TypeAlias = "str | Secret"
    Secrets: TypeAlias = SecretLike | Sequence[SecretLike]
    SecretSource: TypeAlias = Secrets | Callable[[], Secrets]

__all__ = ["SCHEMES", "Keyring", "Secret", "Verifier", "compression", "pick", "sign", "verify"]

SCHEMES: "tuple[Scheme, ...]" = ("standard", "coffrify")
TOLERANCE = 300
"""Seconds; the vendor's page: `now - timestamp < 300`."""

_PREFIX = "whsec_"
_ENCODINGS = ("auto", "text", "hex", "base64")
_SHORTEST_DECODED = 16
"""Bytes. Shorter than this, a text that happens to decode is no key: `whsec_` alone is empty."""

_ID_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
_LONGEST_ID = 255
_LONGEST_HEADER = 8192
_LONGEST_TIMESTAMP = 15
_NAME_LENGTHS = frozenset((10, 16, 17, 20, 24))
"""Of the six header names below; a name of another length is not worth lower-casing."""
_LONGEST_ENCODING = 40
_MILLISECONDS = 100_000_000_000
_HOUR = 3600


# --- secrets ----------------------------------------------------------------------------------


def _from_hex(text: str) -> bytes | None:
    try:
        return unhexlify(text) if text.isascii() else None
    except ValueError:
        return None


def _from_base64(text: str) -> bytes | None:
    """Standard or URL-safe alphabet, padded or not; the sources differ, so both are read."""
    plain = text.rstrip("=").replace("-", "+").replace("_", "/")
    if not plain.isascii():
        return None
    try:
        return a2b_base64(plain + "=" * (-len(plain) % 4), strict_mode=True)
    except _Base64Error:
        return None


class Secret:
    """A signing secret, and how it becomes an HMAC key.

    encoding:
        "text": the secret as it is (the vendor's page). "hex" or "base64": what follows `whsec_`,
        decoded (the vendor's SDKs and the Standard Webhooks libraries; base64url is read too).
        "auto" tries each that fits; the receiver logs which one matched, so that you can pin it.
    not_after:
        When to stop accepting it, as seconds since 1970 or an aware datetime: for the previous
        secret during a rotation (the vendor keeps it valid for 24 h by default, 168 h at most).

    Raises ConfigurationError for an empty secret, or one that does not decode as told.
    """

    __slots__ = ("_text", "candidates", "encoding", "not_after")

    def __init__(
        self, text: str, *, encoding: "Encoding" = "auto", not_after: "Any | None" = None
    ) -> None:
        if not isinstance(text, str):
            raise ConfigurationError(f"a secret is a str, not {type(text).__name__}")
        if encoding not in _ENCODINGS:
            raise ConfigurationError(
                f"encoding={encoding!r} is not known; use one of {', '.join(_ENCODINGS)}"
            )
        if not text.strip():
            raise ConfigurationError("the secret is empty; copy it from the Coffrify dashboard")
        if text.strip() == _PREFIX:
            raise ConfigurationError(
                f"the secret is only the prefix {_PREFIX!r}; copy all of it from the dashboard"
            )
        self._text = text
        self.encoding: Encoding = encoding
        self.not_after: float | None = _seconds(not_after)
        self.candidates: tuple[tuple[str, bytes], ...] = tuple(_candidates(text, encoding))
        """The HMAC keys it may stand for: (encoding, key) pairs."""

    def __repr__(self) -> str:
        return f"Secret('***', encoding={self.encoding!r}, not_after={self.not_after!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return (self._text, self.encoding, self.not_after) == (
            other._text,
            other.encoding,
            other.not_after,
        )

    def __hash__(self) -> int:
        return hash((self._text, self.encoding, self.not_after))

    def __reduce__(self) -> "Any":
        raise TypeError("a Secret is not pickled, so that it does not end up somewhere by accident")


def _seconds(moment: "Any") -> float | None:
    if moment is None:
        return None
    if getattr(moment, "tzinfo", None) is not None and hasattr(moment, "timestamp"):
        return float(moment.timestamp())
    number = isinstance(moment, (int, float)) and not isinstance(moment, bool)
    if number and moment == moment:  # noqa: PLR0124 - NaN is not itself
        return float(moment)
    raise ConfigurationError(
        "not_after is seconds since 1970 or a datetime with a time zone, as in "
        "datetime.now(UTC) + timedelta(hours=24)"
    )


def _candidates(text: str, encoding: "Encoding") -> "Iterable[tuple[str, bytes]]":
    try:
        plain = text.encode()
    except UnicodeEncodeError:
        raise ConfigurationError("the secret is not valid text (it has lone surrogates)") from None
    if encoding == "text":
        return [("text", plain)]
    # Read from a file, a secret brings a newline along.
    trimmed = text.strip()
    prefixed = trimmed.startswith(_PREFIX)
    rest = trimmed[len(_PREFIX) :] if prefixed else trimmed
    decoded = [("hex", _from_hex(rest)), ("base64", _from_base64(rest))]
    if encoding != "auto":
        key = dict(decoded)[encoding]
        if not key:
            raise ConfigurationError(f"the secret does not decode as {encoding}")
        return [(encoding, key)]
    found = {plain: "text", trimmed.encode(): "text"}
    if prefixed:
        for how, key in decoded:
            if key is not None and len(key) >= _SHORTEST_DECODED:
                found.setdefault(key, how)
    return [(how, key) for key, how in found.items()]


def _listed(secrets: "Secrets") -> "tuple[Secret, ...]":
    """One secret or several, as Secret objects in the given order."""
    if isinstance(secrets, (str, Secret)):
        secrets = (secrets,)
    try:
        if hasattr(secrets, "keys"):
            raise TypeError  # noqa: TRY301 - a mapping would be read as its keys
        several = tuple(s if isinstance(s, Secret) else Secret(s) for s in secrets)
    except TypeError:
        raise ConfigurationError(
            f"secrets are a str, a Secret, or a list of them, not {type(secrets).__name__}"
        ) from None
    if not several:
        raise ConfigurationError("the list of secrets is empty; pass at least one")
    return several


# --- keys -------------------------------------------------------------------------------------

_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))
_BLOCK = 64


class _Key:
    """One HMAC-SHA256 key, its two pad blocks hashed in advance (RFC 2104)."""

    __slots__ = ("encoding", "index", "inner", "not_after", "outer")

    def __init__(self, secret: Secret, index: int, encoding: str, key: bytes) -> None:
        if len(key) > _BLOCK:
            key = sha256(key).digest()
        key = key.ljust(_BLOCK, b"\0")
        self.inner: Callable[[], Any] = sha256(key.translate(_INNER)).copy
        self.outer: Callable[[], Any] = sha256(key.translate(_OUTER)).copy
        self.index: int = index
        self.encoding: str = encoding
        self.not_after: float | None = secret.not_after


class Keyring:
    """Every key that a list of secrets may stand for, the one that matched last in front."""

    __slots__ = ("order", "secrets")

    def __init__(self, secrets: "tuple[Secret, ...]") -> None:
        self.secrets: tuple[Secret, ...] = secrets
        self.order: tuple[_Key, ...] = tuple(
            _Key(secret, index, encoding, key)
            for index, secret in enumerate(secrets)
            for encoding, key in secret.candidates
        )

    def find(
        self, prefix: bytes, body: bytes, signatures: "Iterable[str]", now: float, *, base64: bool
    ) -> _Key | None:
        """Return the key with which one of `signatures` was made over prefix + body, or None."""
        order = self.order
        for key in order:
            if key.not_after is not None and now >= key.not_after:
                continue
            inner = key.inner()
            inner.update(prefix)
            inner.update(body)
            outer = key.outer()
            outer.update(inner.digest())
            mac = (
                b2a_base64(outer.digest(), newline=False).decode() if base64 else outer.hexdigest()
            )
            for signature in signatures:
                if compare_digest(mac, signature):
                    if key is not order[0]:
                        # One assignment, so that another thread sees the old order or the new.
                        self.order = (key, *(other for other in order if other is not key))
                    return key
        return None


# --- headers ----------------------------------------------------------------------------------


def pick(headers: "Any") -> "dict[str, str]":
    """Return the headers that concern us, by lower-case name.

    A header sent twice is joined with a comma, as WSGI servers do, so that the verdict is the
    same under every server.
    """
    found: dict[str, str] = {}
    try:
        pairs = headers.items() if hasattr(headers, "items") else headers
        for name, value in pairs:
            if len(name) not in _NAME_LENGTHS or value is None:
                continue
            lower = (str(name, "latin-1") if isinstance(name, bytes) else name).lower()
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


def _standard_signatures(header: str) -> "Sequence[str]":
    """Return the base64 of each `v1,<base64>`, separated by spaces; none if it is malformed."""
    if len(header) == 47 and header[:3] == "v1," and header.isascii():  # noqa: PLR2004 - the usual
        return (header[3:],)
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
        signatures += [value for version, value in pairs if version == "v1" and len(value) == 44]  # noqa: PLR2004
    return signatures


def _coffrify_parts(header: str) -> "tuple[str, Sequence[str]]":
    """Return t and each v1 (as lower-case hex) of `t=<seconds>,v1=<hex>,...`; none if malformed."""
    if len(header) == 80 and header.isascii():  # noqa: PLR2004 - what is nearly always sent
        stamp = header[2:12]
        if stamp.isdigit() and header[:2] == "t=" and header[12:16] == ",v1=":
            return stamp, (header[16:].lower(),)
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
        elif name == "v1" and len(value) == 64:  # noqa: PLR2004
            signatures.append(value.lower())
    return (stamp, signatures) if stamp and _is_timestamp(stamp) else ("", ())


def _skew_error(skew: float, tolerance: float) -> VerificationError:
    """Say how far off a timestamp is, and what the likely cause is."""
    if skew >= tolerance:
        return TimestampTooOld(
            f"signed {skew:.0f} s ago, and {tolerance:g} s are allowed: "
            "an old request sent again, or the clock of this machine is ahead"
        )
    if -skew > _MILLISECONDS:
        cause = "it looks like milliseconds, and seconds are due"
    elif -skew > _HOUR - tolerance and min(-skew % _HOUR, skew % _HOUR) < tolerance:
        cause = "it is off by whole hours, so a time zone was mixed in"
    else:
        cause = "the clock of this machine is behind"
    return TimestampTooNew(
        f"signed {-skew:.0f} s in the future, and {tolerance:g} s are allowed: {cause}"
    )


# --- verify -----------------------------------------------------------------------------------


class Verifier:
    """Decides whether a delivery may be believed.

    secrets:
        A str or `Secret`, a list of them (during a rotation both are valid), or a callable that
        returns either and is asked again for each delivery.
    schemes:
        Which signatures count: "standard" (Standard Webhooks) and "coffrify" (the
        `X-Coffrify-Signature` header). A valid one of either is enough.
    tolerance:
        Seconds: accepted while `-tolerance <= now - timestamp < tolerance`.
    clock:
        Returns the time in seconds since 1970.

    Raises ConfigurationError for a setting that cannot be used. Threads may share a Verifier.
    """

    __slots__ = ("_checks", "_clock", "_rings", "_source", "_static", "schemes", "tolerance")

    def __init__(
        self,
        secrets: "SecretSource",
        *,
        schemes: "Iterable[Scheme]" = SCHEMES,
        tolerance: float = TOLERANCE,
        clock: "Callable[[], float]" = time,
    ) -> None:
        self._source = secrets
        self._static = None if callable(secrets) else Keyring(_listed(secrets))
        self._rings: dict[Any, Keyring] = {}
        self.schemes: tuple[Scheme, ...] = _known_schemes(schemes)
        self.tolerance: float = _positive(tolerance)
        if not callable(clock):
            raise ConfigurationError(f"clock={clock!r}: give a function such as time.time")
        self._clock = clock
        self._checks = tuple(_CHECKS[scheme] for scheme in self.schemes)

    def __repr__(self) -> str:
        return f"Verifier(schemes={self.schemes!r}, tolerance={self.tolerance!r})"

    @property
    def asks_for_secrets(self) -> bool:
        """Whether the secrets come from a callable, so that `keyring` may block."""
        return self._static is None

    def keyring(self) -> Keyring:
        """Return the keys for one delivery; asks the callable, if the secrets are one.

        Raises SecretsUnavailable if it raises, or returns nothing usable.
        """
        if self._static is not None:
            return self._static
        try:
            known = _hashable(self._source())  # type: ignore[operator]
            ring = self._rings.get(known)
            if ring is None:
                ring = Keyring(_listed(known))
                if len(self._rings) >= 64:  # noqa: PLR2004 - tenants come and go
                    self._rings.clear()
                self._rings[known] = ring
        except Exception as error:
            raise SecretsUnavailable(
                "the callable given as secrets raised, or returned no usable secret"
            ) from error
        return ring

    def verify(self, body: bytes, headers: "Headers", keyring: Keyring | None = None) -> Delivery:
        """Return the delivery if one of its signatures holds, else raise VerificationError.

        body: the raw bytes as they arrived. headers: a mapping or pairs, of str or bytes.
        """
        if type(body) is not bytes:
            body = _raw(body)
        return self.check(body, pick(headers), keyring)

    def check(
        self, body: bytes, found: "Mapping[str, str]", keyring: Keyring | None = None
    ) -> Delivery:
        """Do what `verify` does, for headers that `pick` has read."""
        delivery = self._first(body, found, keyring or self._static or self.keyring())
        if delivery is None:
            raise TypeError(keyring)  # never: only a look without keys ends so
        return delivery

    def screen(self, found: "Mapping[str, str]") -> None:
        """Raise VerificationError if these headers would be refused whatever the body and secret.

        They are missing, malformed or outside of the window. found: what `pick` has read.
        """
        self._first(b"", found, None)

    def _first(
        self, body: bytes, found: "Mapping[str, str]", ring: Keyring | None
    ) -> Delivery | None:
        failure: VerificationError | None = None
        for header, check in self._checks:
            if header in found:
                result = check(self, body, found, ring)
                if result is None or type(result) is Delivery:
                    return result
                if failure is None or isinstance(failure, MissingSignature):
                    failure = result  # type: ignore[assignment]
        if type(failure) is SignatureMismatch and (encoding := compression(found, body)):
            raise CompressedBody.by(encoding)
        raise failure or MissingSignature(
            f"no signature in {' or '.join(header for header, _ in self._checks)}; "
            "a proxy in front may have removed it"
        )

    def _check_standard(  # noqa: PLR0911 - one return for each way to fail
        self, body: bytes, found: "Mapping[str, str]", ring: Keyring | None
    ) -> Delivery | VerificationError | None:
        """Check `webhook-id`, `webhook-timestamp` and `webhook-signature` (Standard Webhooks)."""
        try:
            id_ = found["webhook-id"]
            stamp = found["webhook-timestamp"]
            header = found["webhook-signature"]
        except KeyError as missing:
            return MissingSignature(f"the header {missing.args[0]} is not there")
        # A dot inside the id would let `id.timestamp.body` be cut at another place.
        if not 0 < len(id_) <= _LONGEST_ID or id_.strip(_ID_CHARACTERS):
            return MalformedSignature("webhook-id is not 1 to 255 of A-Z a-z 0-9 _ -")
        signatures = _standard_signatures(header)
        if not signatures:
            return MalformedSignature("webhook-signature has no v1,<base64 of a SHA-256>")
        if not _is_timestamp(stamp):
            return MalformedSignature("webhook-timestamp is not a whole number of seconds")
        now = self._clock()
        seconds = int(stamp)
        if not -self.tolerance <= now - seconds < self.tolerance:
            return _skew_error(now - seconds, self.tolerance)
        if ring is None:
            return None
        key = ring.find(f"{id_}.{stamp}.".encode(), body, signatures, now, base64=True)
        if key is None:
            return _mismatch("webhook-signature")
        return Delivery(id_, seconds, "standard", key.index, key.encoding, body, _is_test(found))

    def _check_coffrify(
        self, body: bytes, found: "Mapping[str, str]", ring: Keyring | None
    ) -> Delivery | VerificationError | None:
        """Check `X-Coffrify-Signature: t=<seconds>,v1=<hex>` (the vendor's page)."""
        stamp, signatures = _coffrify_parts(found["x-coffrify-signature"])
        if not signatures:
            return MalformedSignature("X-Coffrify-Signature is not t=<seconds>,v1=<hex>")
        # `timestamp.body` of such a body could be another delivery's `id.timestamp.body`.
        if body[:9].isdigit():
            return MalformedSignature("the body begins with a number, so it is not an event")
        now = self._clock()
        seconds = int(stamp)
        if not -self.tolerance <= now - seconds < self.tolerance:
            return _skew_error(now - seconds, self.tolerance)
        if ring is None:
            return None
        key = ring.find(f"{stamp}.".encode(), body, signatures, now, base64=False)
        if key is None:
            return _mismatch("X-Coffrify-Signature")
        return Delivery(None, seconds, "coffrify", key.index, key.encoding, body, _is_test(found))


_CHECKS = {
    "standard": ("webhook-signature", Verifier._check_standard),  # noqa: SLF001
    "coffrify": ("x-coffrify-signature", Verifier._check_coffrify),  # noqa: SLF001
}


def _hashable(secrets: "Any") -> "Any":
    return secrets if isinstance(secrets, (str, Secret)) else tuple(secrets)


def _is_timestamp(text: str) -> bool:
    return 0 < len(text) <= _LONGEST_TIMESTAMP and text.isascii() and text.isdigit()


def _is_test(found: "Mapping[str, str]") -> bool:
    test = found.get("x-coffrify-test-delivery")
    return test is not None and test.lower() == "true"


def compression(found: "Mapping[str, str]", body: bytes) -> str:
    """Name how a body that does not make sense was compressed, or return an empty text."""
    encoding = found.get("content-encoding", "").strip().lower()
    if encoding and encoding != "identity":
        return encoding if len(encoding) <= _LONGEST_ENCODING else "an unknown encoding"
    return "gzip" if body[:2] == b"\x1f\x8b" else ""


def _mismatch(header: str) -> SignatureMismatch:
    return SignatureMismatch(
        f"{header} was not made with a secret known here over this body; check that the secret "
        "is this endpoint's, and that nothing changed the body on its way"
    )


def _raw(body: "Any") -> bytes:
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body)  # pyright: ignore[reportUnknownArgumentType]
    raise VerificationError(
        f"the body is {type(body).__name__}, and only the raw bytes can be verified"
    )


def _known_schemes(schemes: "Iterable[Scheme]") -> "tuple[Scheme, ...]":
    several = hasattr(schemes, "__iter__") and not isinstance(schemes, str)
    chosen = tuple(schemes) if several else (schemes,)
    if not chosen or any(scheme not in SCHEMES for scheme in chosen):
        raise ConfigurationError(
            f"schemes={chosen!r}: choose one or both of {', '.join(map(repr, SCHEMES))}"
        )
    return tuple(scheme for scheme in SCHEMES if scheme in chosen)


def _positive(tolerance: "Any") -> float:
    number = isinstance(tolerance, (int, float)) and not isinstance(tolerance, bool)
    if not number or not 0 < tolerance < float("inf"):
        raise ConfigurationError(
            f"tolerance={tolerance!r}: give the seconds that a timestamp may be off, more than 0; "
            "the window cannot be switched off"
        )
    return float(tolerance)


def verify(
    body: bytes,
    headers: "Headers",
    secrets: "SecretSource",
    *,
    tolerance: float = TOLERANCE,
    clock: "Callable[[], float]" = time,
) -> Delivery:
    """Return the delivery if one of its signatures holds, else raise VerificationError.

    Reads the secrets anew at each call; a `Verifier` does it once, and is several times faster.

    body: the raw bytes as they arrived. headers: a mapping or pairs, of str or bytes, names in
    any case. secrets, tolerance, clock: see `Verifier`.
    """
    return Verifier(secrets, tolerance=tolerance, clock=clock).verify(body, headers)


# --- sign -------------------------------------------------------------------------------------


def sign(
    body: bytes,
    secret: "SecretLike",
    *,
    id: str | None = None,  # noqa: A002 - the field's own word
    timestamp: float | None = None,
) -> "dict[str, str]":
    """Return the headers of both schemes for `body`, as the sender would set them; for tests.

    id: the event id; else the body's own `id`, else a new one. timestamp: seconds since 1970,
    else now. A secret with encoding "auto" is read as hex where it decodes, else as base64, else
    as text; pin it with `Secret(..., encoding=...)`.

    Raises ConfigurationError for an unusable secret or id.
    """
    import hmac  # noqa: PLC0415 - for tests only

    keys = dict(_listed(secret)[0].candidates)
    key = keys.get("hex") or keys.get("base64") or keys["text"]
    event_id = _id_for(body) if id is None else str(id)
    if not 0 < len(event_id) <= _LONGEST_ID or event_id.strip(_ID_CHARACTERS):
        raise ConfigurationError("id is not 1 to 255 of A-Z a-z 0-9 _ -")
    stamp = _whole(time() if timestamp is None else timestamp)
    standard = hmac.digest(key, f"{event_id}.{stamp}.".encode() + body, "sha256")
    coffrify = hmac.digest(key, f"{stamp}.".encode() + body, "sha256")
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(stamp),
        "webhook-signature": "v1," + b2a_base64(standard, newline=False).decode(),
        "X-Coffrify-Signature": f"t={stamp},v1={coffrify.hex()}",
    }


def _whole(timestamp: "Any") -> int:
    try:
        seconds = int(timestamp)
    except (TypeError, ValueError, OverflowError):
        seconds = -1
    if seconds < 0:
        raise ConfigurationError(f"timestamp={timestamp!r}: give seconds since 1970")
    return seconds


def _id_for(body: bytes) -> str:
    """The body's own id, since the sender's two ids are expected to be equal; else a new one."""
    import json  # noqa: PLC0415 - for tests only
    from uuid import uuid4  # noqa: PLC0415

    try:
        found = json.loads(body)["id"]
        if 0 < len(found) <= _LONGEST_ID and not found.strip(_ID_CHARACTERS):
            return str(found)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        pass
    return str(uuid4())
