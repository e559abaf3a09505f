"""What may be believed: secrets, the two signature schemes, the time window.

Runs on the standard library alone and performs no I/O. Sources: the vendor's webhook page (the
`X-Coffrify-Signature` scheme and its 300 s window), its API reference and SDKs (the three
Standard Webhooks headers, both sent on every delivery), and the Standard Webhooks specification.
The sources disagree on how a secret becomes an HMAC key; see `Secret`.

Speed: the two pad states of each HMAC key are hashed once, then copied for every delivery, and
the signed prefix and the body are fed to the hash one after the other, so the body is never
copied. Stale and malformed headers are refused before anything is hashed.
"""

import time
from binascii import b2a_base64

from coffrify_webhooks.delivery import Delivery
from coffrify_webhooks.errors import (
    CompressedBody,
    ConfigurationError,
    MalformedSignature,
    MissingSignature,
    SecretsUnavailable,
    SignatureMismatch,
    TimestampTooNew,
    TimestampTooOld,
    VerificationError,
    shown,
)

from .keyring import Keyring
from .secret import Sealed, Secret, seal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any, TypeAlias

    from coffrify_webhooks.delivery import Scheme

    from .secret import SecretLike, SecretSource

    Headers: TypeAlias = (
        Mapping[str, str]
        | Mapping[bytes, bytes]
        | Mapping[str, Any]
        | Iterable[tuple[str | bytes, str | bytes]]
    )

__all__ = ["SCHEMES", "Keyring", "Secret", "Verifier", "compression", "pick", "sign", "verify"]

SCHEMES: "tuple[Scheme, ...]" = ("standard", "coffrify")
TOLERANCE = 300
"""Seconds; the vendor's page: `now - timestamp < 300`."""
_LONGEST_TOLERANCE = 604_800
"""Seconds, a week: what a window lets through is remembered for 30 days and not for ever."""

_ID_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
_LONGEST_ID = 255
_LONGEST_HEADER = 8192
_LONGEST_TIMESTAMP = 15
_NAME_LENGTHS = frozenset((10, 16, 17, 20, 24))
"""Of the six header names below; a name of another length is not worth lower-casing."""
_LONGEST_ENCODING = 40
_MILLISECONDS = 100_000_000_000
_HOUR = 3600


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
        returns either and is asked again for each delivery. Whoever has any one of them can sign
        whatever they like: see "Several tenants" in the docs.
    schemes:
        Which signatures count: "standard" (Standard Webhooks) and "coffrify" (the
        `X-Coffrify-Signature` header). A valid one of either is enough.
    tolerance:
        Seconds, at most a week: accepted while `-tolerance <= now - timestamp < tolerance`.
    clock:
        Returns the time in seconds since 1970; else `time.time`, looked up at each call, so that
        whatever sets the time of a test is followed.

    Raises ConfigurationError for a setting that cannot be used. Threads may share a Verifier.
    """

    __slots__ = ("_checks", "_clock", "_rings", "_source", "_static", "schemes", "tolerance")

    def __init__(
        self,
        secrets: "SecretSource",
        *,
        schemes: "Iterable[Scheme]" = SCHEMES,
        tolerance: float = TOLERANCE,
        clock: "Callable[[], float] | None" = None,
    ) -> None:
        sealed = seal(secrets) or Sealed(None)
        del secrets
        self._source = sealed if sealed.is_callable else None
        self._static = None if sealed.is_callable else Keyring(sealed.read())
        self._rings: dict[Sealed, Keyring] = {}
        self.schemes: tuple[Scheme, ...] = _known_schemes(schemes)
        self.tolerance: float = _positive(tolerance)
        if clock is not None and not callable(clock):
            raise ConfigurationError(f"clock={shown(clock)}: give a function such as time.time")
        self._clock = clock
        self._checks = tuple(_CHECKS[scheme] for scheme in self.schemes)

    def __repr__(self) -> str:
        # In a crash report it may be half made.
        schemes, tolerance = (getattr(self, each, None) for each in ("schemes", "tolerance"))
        return f"Verifier(schemes={schemes!r}, tolerance={tolerance!r})"

    @property
    def asks_for_secrets(self) -> bool:
        """Whether the secrets come from a callable, so that `keyring` may block."""
        return self._static is None

    def has_other_secrets(self, other: "Verifier") -> bool:
        """Tell whether the two have no key in common; False where a callable returns them."""
        theirs = other._static  # noqa: SLF001 - of its own kind
        if self._static is None or theirs is None:
            return False
        return self._static.keys().isdisjoint(theirs.keys())

    def keyring(self) -> Keyring:
        """Return the keys for one delivery; asks the callable, if the secrets are one.

        Raises SecretsUnavailable if it raises, or returns nothing usable.
        """
        if self._static is not None:
            return self._static
        try:
            answer = self._source.ask()  # type: ignore[union-attr]
            ring = self._rings.get(answer)
            if ring is None:
                ring = Keyring(answer.read())
                if len(self._rings) >= 64:  # noqa: PLR2004 - tenants come and go
                    self._rings.clear()
                self._rings[answer] = ring
        except Exception as error:  # noqa: BLE001 - whatever the user's function raises
            failure = _unavailable(error)
        else:
            return ring
        raise failure  # here, so that it does not carry along frames that hold a secret

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
        clock = self._clock
        now = time.time() if clock is None else clock()
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
        clock = self._clock
        now = time.time() if clock is None else clock()
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


def _unavailable(error: Exception) -> SecretsUnavailable:
    """Say what went wrong in a callable, without its traceback and text: both may hold secrets."""
    failure = SecretsUnavailable(
        "the callable given as secrets raised, or returned no usable secret"
    )
    if isinstance(error, ConfigurationError):
        failure.reason = str(error)
        return failure
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = ""
    if trace is not None:
        file = trace.tb_frame.f_code.co_filename.replace("\\", "/").rpartition("/")[2]
        where = f" at {file}:{trace.tb_lineno}"
    failure.reason = f"{type(error).__name__}{where}"
    return failure


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
            f"schemes={', '.join(map(shown, chosen))}: choose one or both of "
            f"{', '.join(map(repr, SCHEMES))}"
        )
    return tuple(scheme for scheme in SCHEMES if scheme in chosen)


def _positive(tolerance: "Any") -> float:
    number = isinstance(tolerance, (int, float)) and not isinstance(tolerance, bool)
    if not number or not 0 < tolerance <= _LONGEST_TOLERANCE:
        raise ConfigurationError(
            f"tolerance={shown(tolerance)}: give the seconds that a timestamp may be off, more "
            f"than 0 and at most {_LONGEST_TOLERANCE} (a week); the window cannot be switched off"
        )
    return float(tolerance)


def verify(
    body: bytes,
    headers: "Headers",
    secrets: "SecretSource",
    *,
    tolerance: float = TOLERANCE,
    clock: "Callable[[], float] | None" = None,
) -> Delivery:
    """Return the delivery if one of its signatures holds, else raise VerificationError.

    Reads the secrets anew at each call; a `Verifier` does it once, and is several times faster.

    body: the raw bytes as they arrived. headers: a mapping or pairs, of str or bytes, names in
    any case. secrets, tolerance, clock: see `Verifier`.
    """
    sealed: Any = seal(secrets) or Sealed(None)
    del secrets
    return Verifier(sealed, tolerance=tolerance, clock=clock).verify(body, headers)


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

    sealed = seal(secret) or Sealed(None)
    del secret
    event_id = _id_for(body) if id is None else str(id)
    if not 0 < len(event_id) <= _LONGEST_ID or event_id.strip(_ID_CHARACTERS):
        raise ConfigurationError("id is not 1 to 255 of A-Z a-z 0-9 _ -")
    stamp = _whole(time.time() if timestamp is None else timestamp)
    keys = dict(sealed.read()[0].candidates)
    key = keys.get("hex") or keys.get("base64") or keys["text"]
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
        raise ConfigurationError(f"timestamp={shown(timestamp)}: give seconds since 1970")
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
