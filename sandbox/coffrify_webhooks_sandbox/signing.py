"""Signs a delivery in both schemes, and with both secrets during a rotation's grace period."""

from __future__ import annotations

import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from coffrify_webhooks import Secret, sign
from coffrify_webhooks.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable

    Reading: TypeAlias = Literal["hex", "base64", "text"]

__all__ = ["ENCODINGS", "Encoding", "check_encoding", "new_secret", "readings", "sign_delivery"]

Encoding: TypeAlias = Literal["every", "hex", "base64", "text"]
"""How a secret becomes a key. The vendor's sources disagree, so "every" signs with each possible
key, that of the official Python library first: every verifier accepts one of the signatures."""

ENCODINGS: tuple[Encoding, ...] = get_args(Encoding)
_DECODED: tuple[Reading, ...] = ("hex", "base64")


def new_secret() -> str:
    """Return a secret in the form that the vendor's libraries expect: `whsec_` and hex digits."""
    return f"whsec_{secrets.token_hex(32)}"


def check_encoding(name: str) -> Encoding:
    """Return an encoding by its name; raise ConfigurationError for an unknown one."""
    for known in ENCODINGS:
        if name == known:
            return known
    raise ConfigurationError(f"encoding={name!r} is not known; use one of {', '.join(ENCODINGS)}")


def readings(key: str, encoding: Encoding = "every") -> list[Secret]:
    """Return a secret in each encoding that it has; with "every", text is always one of them.

    Raises ConfigurationError for an empty secret, or one that does not decode.
    """
    if encoding != "every":
        return [Secret(key, encoding=encoding)]
    text = Secret(key, encoding="text")
    found: list[Secret] = []
    for reading in _DECODED:
        with suppress(ConfigurationError):
            found.append(Secret(key, encoding=reading))
    return [*found, text]


def sign_delivery(
    body: bytes, keys: Iterable[str], event_id: str, timestamp: float, encoding: Encoding = "every"
) -> dict[str, str]:
    """Return the headers of both schemes, with a signature for each secret and encoding."""
    found = [
        sign(body, secret, id=event_id, timestamp=timestamp)
        for key in keys
        for secret in readings(key, encoding)
    ]
    standard = " ".join(headers["webhook-signature"] for headers in found)
    own = [headers["X-Coffrify-Signature"].partition(",") for headers in found]
    return {
        **found[0],
        "webhook-signature": standard,
        "X-Coffrify-Signature": ",".join([own[0][0], *(parts[2] for parts in own)]),
    }
