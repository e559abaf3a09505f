"""Secrets: which texts can be one, which HMAC keys each stands for, and how none is ever shown.

Crash reporters keep the local variables of every frame that an error leaves. So no function here
or in its callers may raise while the text of a secret is bound to a name: `Sealed` wraps it first.
"""

from binascii import Error as _Base64Error
from binascii import a2b_base64, unhexlify
from collections.abc import KeysView, Sequence, ValuesView
from collections.abc import Set as AbstractSet
from hmac import digest as hmac_digest

from coffrify_webhooks.errors import ConfigurationError, shown

from .secret_mistakes import PREFIX, fault_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, Literal, TypeAlias

    Encoding: TypeAlias = Literal["auto", "text", "hex", "base64"]
    SecretLike: TypeAlias = "str | Secret"
    Secrets: TypeAlias = SecretLike | Sequence[SecretLike]
    SecretSource: TypeAlias = Secrets | Callable[[], Secrets]

__all__ = ["SECRET_VARIABLE", "Sealed", "Secret", "fingerprint", "name_of", "seal", "unseal"]

SECRET_VARIABLE = "COFFRIFY_WEBHOOK_SECRET"  # noqa: S105 - the variable's name

_ENCODINGS = ("auto", "text", "hex", "base64")
_SHORTEST_DECODED = 16
"""Bytes. Shorter than this, a text that happens to decode is no key: `whsec_` alone is empty."""
_SHORT = 16
"""Characters; fewer can be guessed."""
_MOST_WARNED = 1000
"""Short secrets, of a callable that returns another each time."""
_LONGEST_LABEL = 40

_SEVERAL = (Sequence, AbstractSet, ValuesView)
_NO_SECRETS = (KeysView, bytes, bytearray, memoryview)
"""Of those: the keys of a mapping, and numbers."""
_ASYNC = 0x80 | 0x200
"""Flags of the code of an async function and of an async generator, as `inspect` has them."""


class Secret:
    """A signing secret, and how it becomes an HMAC key.

    encoding:
        "text": the secret as it is (the vendor's page). "hex" or "base64": what follows `whsec_`,
        decoded (the vendor's SDKs and the Standard Webhooks libraries; base64url is read too).
        "auto" tries each that fits; the receiver logs which one matched, so that you can pin it.
    not_after:
        When to stop accepting it, as seconds since 1970 or an aware datetime: for the previous
        secret during a rotation (the vendor keeps it valid for 24 h by default, 168 h at most).
    label:
        What the log and `Receiver.health` call it, such as "2025": no part of the secret itself,
        and not the label of another.

    Raises ConfigurationError for an empty secret, for one that does not decode as `encoding` says,
    and for a text that cannot be a signing secret: in quotes, with a space inside or `v1,` in
    front, an API key, a placeholder. `encoding="text"` accepts any text that is not empty. A secret
    of fewer than 16 characters is warned of in the log.
    """

    __slots__ = ("_text", "candidates", "encoding", "label", "not_after")

    def __init__(
        self,
        text: str,
        *,
        encoding: "Encoding" = "auto",
        not_after: "Any | None" = None,
        label: str = "",
    ) -> None:
        self._text = text
        del text
        self.label: str = ""
        labelled = Sealed(label)  # it may be the secret, given here by mistake
        del label
        self.encoding: Encoding = encoding if encoding in _ENCODINGS else "auto"
        self.not_after: float | None = None
        self.candidates: tuple[tuple[str, bytes], ...] = ()
        """The HMAC keys it may stand for: (encoding, key) pairs."""
        if encoding not in _ENCODINGS:
            raise ConfigurationError(
                f"encoding={shown(encoding)} is not known; use one of {', '.join(_ENCODINGS)}"
            )
        fault = fault_of(self._text, encoding)
        if fault:
            raise ConfigurationError(fault)
        self.candidates = tuple(_candidates(self._text, encoding))
        if not self.candidates:
            raise ConfigurationError(
                f"the secret does not decode as {encoding}"
                if encoding in ("hex", "base64")
                else "the secret consists of zero bytes only, which is not a key; copy it from the "
                "dashboard"
            )
        self.not_after = _seconds(not_after)
        if not labelled.is_label_of(self._text):
            raise ConfigurationError(
                'label must be a short name for the secret, such as "2025": up to 40 characters '
                "that can be shown, and no part of the secret"
            )
        self.label = labelled.text
        _warn_if_short(self._text)

    def __repr__(self) -> str:
        label = f", label={self.label!r}" if self.label else ""
        return f"Secret('***', encoding={self.encoding!r}, not_after={self.not_after!r}{label})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return (self._text, self.encoding, self.not_after, self.label) == (
            other._text,
            other.encoding,
            other.not_after,
            other.label,
        )

    def __hash__(self) -> int:
        return hash((self._text, self.encoding, self.not_after, self.label))

    def __reduce__(self) -> "Any":
        raise TypeError("a Secret cannot be pickled, so that it does not leak by accident")


def name_of(secret: Secret, index: int) -> str:
    """Return a secret's label, else its index in the list."""
    return secret.label or str(index)


def fingerprint(secret: Secret, purpose: str) -> str:
    """Return 64 hex digits that stand for a secret where notes on it are stored.

    They tell the secret to nobody: an HMAC-SHA256 of the purpose, which no delivery signs.
    """
    message = purpose.encode("utf-8", "surrogatepass")
    return hmac_digest(secret._text.encode("utf-8", "surrogatepass"), message, "sha256").hex()


class Sealed:
    """Secrets, or the callable that returns them, as given: where no repr shows them."""

    __slots__ = ("_given", "is_callable")

    def __init__(self, given: "Any") -> None:
        self._given = given
        self.is_callable: bool = callable(given)

    def __repr__(self) -> str:
        return "<secrets>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sealed) and self._given == other._given

    def __hash__(self) -> int:
        return hash(self._given)

    @property
    def text(self) -> str:
        """What was given, if it is a text that may be shown."""
        return str(self._given)

    def is_label_of(self, secret: str) -> bool:
        """Tell whether it is a name of a secret that may be shown."""
        given = self._given
        return (
            isinstance(given, str)
            and len(given) <= _LONGEST_LABEL
            and given.isprintable()
            and PREFIX not in given
            and (not given or (given not in secret and secret.strip() not in given))
        )

    @property
    def is_async(self) -> bool:
        """Whether it is an async function, whose secrets nobody would await."""
        return self.is_callable and _is_async(self._given)

    def ask(self) -> "Sealed":
        """Return what the callable returns, sealed, and such that it can be hashed."""
        answer = Sealed(self._given())
        if not isinstance(answer._given, (str, Secret)):
            answer._check()
            answer._given = tuple(answer._given)
        return answer

    def read(self) -> tuple[Secret, ...]:
        """Return one secret or several, as Secret objects in the given order.

        Raises ConfigurationError for what is neither a str, a Secret nor a list of them.
        """
        if isinstance(self._given, (str, Secret)):
            return (_secret(self._given),)
        self._check()
        several = tuple(map(_secret, self._given))
        if not several:
            raise ConfigurationError("the list of secrets is empty; pass at least one")
        _refuse_ambiguous_names(several)
        return several

    @property
    def _are_several(self) -> bool:
        """Whether it is a collection that can be read again, of what may be secrets.

        What iterates over a mapping tells its keys, which are the names of tenants; and what
        iterates over a text its characters. So an iterator is refused, whatever it is of.
        """
        if isinstance(self._given, _NO_SECRETS):
            return False
        return isinstance(self._given, _SEVERAL)

    def _check(self) -> None:
        if type(self._given) in (list, tuple):  # nearly always, and a look at each kind takes 1 us
            return
        if not self._are_several:
            if hasattr(self._given, "__await__") and hasattr(self._given, "close"):
                self._given.close()  # or Python would say, elsewhere, that nobody awaited it
            raise ConfigurationError(
                "secrets must be a str, a Secret, or a list of them, not "
                f"{type(self._given).__name__}"
            )


def _is_async(function: "Any") -> bool:
    """Tell whether a call of it returns something to await; `inspect` would take its time."""
    for _ in range(8):  # functools.partial, and what a mock has
        function = getattr(function, "func", function)
    code = getattr(function, "__code__", None)
    if code is None:  # an object that can be called
        call: Any = getattr(function.__class__, "__call__", None)  # noqa: B004 - to look at it
        code = getattr(call, "__code__", None)
    flags = getattr(code, "co_flags", 0)
    return isinstance(flags, int) and bool(flags & _ASYNC)


def seal(secrets: "Any") -> "Sealed | None":
    """Seal secrets, first thing where they come in; the caller then deletes its own name of them.

    None stays None.
    """
    if secrets is None or isinstance(secrets, Sealed):
        return secrets
    return Sealed(secrets)


def unseal(value: "Any") -> "Any":
    """Return what was sealed though it is no secret."""
    return value._given if isinstance(value, Sealed) else value  # its own


def _secret(given: "Any") -> Secret:
    if isinstance(given, Secret):
        return given
    sealed = [given]
    del given
    return Secret(sealed.pop())


def _refuse_ambiguous_names(secrets: tuple[Secret, ...]) -> None:
    """Nobody could retire one of two secrets of one name with certainty."""
    seen = set[str]()
    for index, secret in enumerate(secrets):
        name = name_of(secret, index)
        if name.strip() in seen:
            raise ConfigurationError(
                f"two of the secrets are called {name!r}, so nobody could tell which is in use; "
                "give each a label of its own (one without a label is called by its place in the "
                'list): [Secret(new, label="2026"), Secret(old, label="2025")]'
            )
        seen.add(name.strip())


def _seconds(moment: "Any") -> float | None:
    if moment is None:
        return None
    if getattr(moment, "tzinfo", None) is not None and hasattr(moment, "timestamp"):
        return float(moment.timestamp())
    number = isinstance(moment, (int, float)) and not isinstance(moment, bool)
    if number and moment == moment:  # noqa: PLR0124 - NaN is not itself
        return float(moment)
    raise ConfigurationError(
        "not_after must be seconds since 1970 or a datetime with a time zone, as in "
        "datetime.now(UTC) + timedelta(hours=24)"
    )


def _warn_if_short(text: str) -> None:
    if len(text.strip().removeprefix(PREFIX)) >= _SHORT or len(_warned) >= _MOST_WARNED:
        return
    if hash(text) not in _warned:
        _warned.add(hash(text))
        from logging import getLogger  # the verify path does without

        getLogger("coffrify_webhooks").warning(
            "a secret has fewer than %d characters, so it can be guessed; use the one that the "
            "Coffrify dashboard shows",
            _SHORT,
        )


_warned: set[int] = set()


# --- keys -----------------------------------------------------------------------------------------


def _candidates(text: str, encoding: "Encoding") -> "Iterable[tuple[str, bytes]]":
    plain = text.encode()
    # Read from a file, a secret brings a newline along.
    trimmed = text.strip()
    prefixed = trimmed.startswith(PREFIX)
    rest = trimmed[len(PREFIX) :] if prefixed else trimmed
    decoded = {"hex": _from_hex(rest), "base64": _from_base64(rest)}
    found: dict[bytes, str] = {}
    if encoding == "text":
        found[plain] = "text"
    elif encoding != "auto":
        found[decoded[encoding] or b""] = encoding
    else:
        found = {plain: "text", trimmed.encode(): "text"}
        for how, key in decoded.items():
            if prefixed and key is not None and len(key) >= _SHORTEST_DECODED:
                found.setdefault(key, how)
    # HMAC fills a key up with zeros: one of zeros alone is the empty key, and anybody has that.
    return [(how, key) for key, how in found.items() if key.strip(b"\0")]


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
