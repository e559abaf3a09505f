"""The headers of a delivery: both schemes, and both secrets while a rotation's grace lasts."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from coffrify_webhooks import Secret, sign

if TYPE_CHECKING:
    from collections.abc import Iterable

    Reading: TypeAlias = Literal["hex", "base64", "text"]

__all__ = ["ENCODINGS", "Encoding", "new_secret", "signed"]

Encoding: TypeAlias = Literal["every", "hex", "base64", "text"]
"""How a secret becomes a key. The vendor's sources disagree, so "every" signs with each reading,
the official Python library's first: any verifier accepts one of the signatures."""

ENCODINGS: tuple[Encoding, ...] = get_args(Encoding)
_READINGS: tuple[Reading, ...] = ("hex", "base64", "text")


def new_secret() -> str:
    """Return a secret in the form that the vendor's libraries know: `whsec_` and hex digits."""
    return f"whsec_{secrets.token_hex(32)}"


def signed(
    body: bytes, keys: Iterable[str], event_id: str, timestamp: float, encoding: Encoding = "every"
) -> dict[str, str]:
    """Return the headers of both schemes, with a signature for each secret and reading of it."""
    readings: tuple[Reading, ...] = _READINGS if encoding == "every" else (encoding,)
    found = [
        sign(body, Secret(key, encoding=reading), id=event_id, timestamp=timestamp)
        for key in keys
        for reading in readings
    ]
    standard = " ".join(headers["webhook-signature"] for headers in found)
    own = [headers["X-Coffrify-Signature"].partition(",") for headers in found]
    return {
        **found[0],
        "webhook-signature": standard,
        "X-Coffrify-Signature": ",".join([own[0][0], *(parts[2] for parts in own)]),
    }
