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

from coffrify_webhooks.delivery import Delivery
from coffrify_webhooks.errors import (
    CompressedBody,
    ConfigurationError,
    MalformedSignature,
    MissingSignature,
    SecretsUnavailable,
    SignatureMismatch,
    VerificationError,
    shown,
)

from .headers import coffrify_parts, compression, is_id, is_test, pick, standard_signatures
from .keyring import Keyring
from .secret import Sealed, seal
from .usual import accept_usual
from .window import TOLERANCE, checked_tolerance, is_timestamp, window_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from coffrify_webhooks.delivery import Scheme

    from .headers import Headers
    from .secret import SecretSource

__all__ = ["SCHEMES", "Verifier", "verify"]

_MOST_RINGS = 64
"""Keyrings of a callable's answers that are kept, since making one hashes two blocks a key."""
SCHEMES: "tuple[Scheme, ...]" = ("standard", "coffrify")


class Verifier:
    """Verifies deliveries.

    secrets:
        A str or `Secret`, a list of them (during a rotation both are valid), or a callable that
        returns either and is called for each delivery. Whoever has any one of them can sign
        whatever they like: see "Several tenants" in the docs.
    schemes:
        Which signatures count: "standard" (Standard Webhooks) and "coffrify" (the
        `X-Coffrify-Signature` header). A valid one of either is enough.
    tolerance:
        Seconds, at most a week: accepted while `-tolerance <= now - timestamp < tolerance`.
    clock:
        Returns the time in seconds since 1970; by default `time.time`, looked up at each call, so
        that it follows whatever sets the time of a test.

    Raises ConfigurationError for a setting that cannot be used. Threads may share a Verifier.
    """

    __slots__ = (
        "_checks",
        "_clock",
        "_coffrify",
        "_rings",
        "_source",
        "_standard",
        "_static",
        "schemes",
        "tolerance",
    )

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
        if sealed.is_async:
            raise ConfigurationError(
                "secrets is an async function; give a plain function, which runs outside the event "
                "loop"
            )
        self._source = sealed if sealed.is_callable else None
        self._static = None if sealed.is_callable else Keyring(sealed.read())
        self._rings: dict[Sealed, Keyring] = {}
        self.schemes: tuple[Scheme, ...] = _known_schemes(schemes)
        self.tolerance: float = checked_tolerance(tolerance)
        if clock is not None and not callable(clock):
            raise ConfigurationError(f"clock={shown(clock)}: give a function such as time.time")
        self._clock = clock
        self._checks = tuple(_CHECKS[scheme] for scheme in self.schemes)
        self._standard: bool = "standard" in self.schemes
        self._coffrify: bool = "coffrify" in self.schemes

    def __repr__(self) -> str:
        # In a crash report it may be half made.
        schemes, tolerance = (getattr(self, each, None) for each in ("schemes", "tolerance"))
        return f"Verifier(schemes={schemes!r}, tolerance={tolerance!r})"

    @property
    def asks_for_secrets(self) -> bool:
        """Whether the secrets come from a callable, so that `keyring` may block."""
        return self._static is None

    @property
    def static_keyring(self) -> Keyring | None:
        """The keys, unless a callable returns the secrets."""
        return self._static

    def has_other_secrets(self, other: "Verifier") -> bool:
        """Tell whether the two have no key in common; False where a callable returns them."""
        theirs = other._static  # of its own kind
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
                if len(self._rings) >= _MOST_RINGS:  # tenants come and go
                    self._rings.clear()
                self._rings[answer] = ring
        except Exception as error:  # whatever the user's function raises
            failure = _unavailable(error)
        else:
            return ring
        raise failure  # here, so that it does not carry along frames that hold a secret

    def verify(self, body: bytes, headers: "Headers", keyring: Keyring | None = None) -> Delivery:
        """Return the delivery if one of its signatures is valid, else raise VerificationError.

        body: the raw bytes as they arrived. headers: a mapping or pairs, of str or bytes.
        """
        if type(body) is not bytes:
            body = _raw(body)
        return self.check(body, pick(headers), keyring)

    def check(
        self, body: bytes, found: "Mapping[str, str]", keyring: Keyring | None = None
    ) -> Delivery:
        """Do what `verify` does, for headers that `pick` has read."""
        ring = keyring or self._static or self.keyring()
        clock = self._clock
        delivery = accept_usual(
            body,
            found,
            ring,
            time.time() if clock is None else clock(),
            self.tolerance,
            standard=self._standard,
            coffrify=self._coffrify,
        ) or self._first(body, found, ring)
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
                if not isinstance(result, VerificationError):
                    return result
                # What is wrong with a signature says more than that another one is missing.
                if failure is None or isinstance(failure, MissingSignature):
                    failure = result
        if type(failure) is SignatureMismatch and (encoding := compression(found, body)):
            raise CompressedBody.by(encoding)
        raise failure or MissingSignature(
            f"no signature in {' or '.join(header for header, _ in self._checks)}; "
            "a proxy in front may have removed it"
        )

    def _check_standard(  # one return for each way to fail
        self, body: bytes, found: "Mapping[str, str]", ring: Keyring | None
    ) -> Delivery | VerificationError | None:
        """Check `webhook-id`, `webhook-timestamp` and `webhook-signature` (Standard Webhooks)."""
        try:
            id_ = found["webhook-id"]
            stamp = found["webhook-timestamp"]
            header = found["webhook-signature"]
        except KeyError as missing:
            return MissingSignature(f"the header {missing.args[0]} is not there")
        if not is_id(id_):
            return MalformedSignature("webhook-id is not 1 to 255 characters of A-Z a-z 0-9 _ -")
        signatures = standard_signatures(header)
        if not signatures:
            return MalformedSignature("webhook-signature has no v1,<base64 of a SHA-256>")
        if not is_timestamp(stamp):
            return MalformedSignature("webhook-timestamp is not a whole number of seconds")
        clock = self._clock
        now = time.time() if clock is None else clock()
        seconds = int(stamp)
        # Before the hash: a stale delivery costs 2.4 times the floor, a forged one 3.9
        # (docs/performance.md).
        if outside := window_error(now - seconds, self.tolerance):
            return outside
        if ring is None:
            return None
        key = ring.find(f"{id_}.{stamp}.".encode(), body, signatures, now, base64=True)
        if key is None:
            return _mismatch("webhook-signature")
        return Delivery(id_, seconds, "standard", key.index, key.encoding, body, is_test(found))

    def _check_coffrify(
        self, body: bytes, found: "Mapping[str, str]", ring: Keyring | None
    ) -> Delivery | VerificationError | None:
        """Check `X-Coffrify-Signature: t=<seconds>,v1=<hex>` (the vendor's page)."""
        stamp, signatures = coffrify_parts(found["x-coffrify-signature"])
        if not signatures:
            return MalformedSignature("X-Coffrify-Signature is not t=<seconds>,v1=<hex>")
        # `timestamp.body` of such a body could be another delivery's `id.timestamp.body`.
        if body[:9].isdigit():
            return MalformedSignature("the body begins with a number, so it is not an event")
        clock = self._clock
        now = time.time() if clock is None else clock()
        seconds = int(stamp)
        if outside := window_error(now - seconds, self.tolerance):
            return outside
        if ring is None:
            return None
        key = ring.find(f"{stamp}.".encode(), body, signatures, now, base64=False)
        if key is None:
            return _mismatch("X-Coffrify-Signature")
        return Delivery(None, seconds, "coffrify", key.index, key.encoding, body, is_test(found))


_CHECKS = {
    "standard": ("webhook-signature", Verifier._check_standard),
    "coffrify": ("x-coffrify-signature", Verifier._check_coffrify),
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


def verify(
    body: bytes,
    headers: "Headers",
    secrets: "SecretSource",
    *,
    tolerance: float = TOLERANCE,
    clock: "Callable[[], float] | None" = None,
) -> Delivery:
    """Return the delivery if one of its signatures is valid, else raise VerificationError.

    Reads the secrets anew at each call; a `Verifier` does it once, and is several times faster.

    body: the raw bytes as they arrived. headers: a mapping or pairs, of str or bytes, names in
    any case. secrets, tolerance, clock: see `Verifier`.
    """
    sealed: Any = seal(secrets) or Sealed(None)
    del secrets
    return Verifier(sealed, tolerance=tolerance, clock=clock).verify(body, headers)
