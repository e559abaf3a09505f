"""The request of one delivery, signed as the sender would, or spoilt on purpose."""

from __future__ import annotations

import json
from secrets import token_hex
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.options import secrets_of
from coffrify_webhooks.signature import Verifier, sign

from .bend import bends_of
from .case_names import Case, checked_case
from .event_maker import When, event_of, seconds_of
from .given_data import COMPACT
from .isolation import clock_here, isolation_here

if TYPE_CHECKING:
    from collections.abc import Mapping

    from coffrify_webhooks.event import Event
    from coffrify_webhooks.signature.secret import SecretLike

__all__ = ["SignedRequest", "make_delivery", "request_for"]

__tracebackhide__: bool = True
"""pytest shows the line of the test, not ours."""

_FAR = 8 * 86_400
"""Seconds; more than any tolerance."""
_LARGEST = 1_048_576
_BENDS = ("unknown_field", "missing_field", "wrong_type", "unknown_value")


class SignedRequest(NamedTuple):
    """What to send: `client.post(path, body, headers=headers)`."""

    method: str
    body: bytes
    headers: dict[str, str]


def make_delivery(
    event: str | type[Event] | Event,
    *,
    data: Mapping[str, Any] | None = None,
    id: str | None = None,
    case: Case = "valid",
    at: When | None = None,
    secret: SecretLike | None = None,
) -> SignedRequest:
    """Return the request of a delivery, to be sent by whatever client you have.

    event, data, id: as for `make_event`, or an event. case: as for `deliver`; of "duplicate" and
    "concurrent" it is the one request that is sent twice. at: the signed time. secret: by default
    that of the isolation, or that of the variable COFFRIFY_WEBHOOK_SECRET.

    Raises ConfigurationError for a mistake in these, and if there is no secret.
    """
    now = clock_here()() if at is None else seconds_of(at)
    key = default_secret() if secret is None and case != "unsigned" else secret
    return request_for(event_of(event, id=id, data=data), checked_case(case), key, now)


def default_secret() -> SecretLike:
    """Return the secret of the isolation, else of the environment."""
    isolation = isolation_here()
    if isolation is not None:
        return isolation.secret
    sealed: Any = secrets_of(None, "secret=...")
    return Verifier(sealed).keyring().secrets[0]


def request_for(
    event: Event,
    case: Case,
    secret: SecretLike | None,
    now: float,
    max_body: int = _LARGEST,
) -> SignedRequest:
    """Return the request of a case for an event that was made."""
    body = _body(event, case, max_body)
    headers = {"Content-Type": "application/json"}
    if case != "unsigned" and secret is not None:
        at = now + {"stale": -_FAR, "early": _FAR}.get(case, 0)
        key = f"whsec_{token_hex(32)}" if case == "forged" else secret
        event_id = event.id if event.id is not None else f"evt_{uuid4().hex[:24]}"
        headers |= sign(body, key, id=event_id, timestamp=at)
    if case == "tampered":
        body = _encode({**json.loads(body), "tampered": True})
    return SignedRequest("POST", body, headers)


def _body(event: Event, case: Case, max_body: int) -> bytes:
    if case == "not_json":
        return b"This is not JSON."
    if case == "too_large":
        return event.raw[:-1] + b" " * (max_body + 1 - len(event.raw)) + event.raw[-1:]
    if case == "unknown_type":
        family = event.type.partition(".")[0]
        return _encode({**json.loads(event.raw), "type": f"{family}.invented_later"})
    if case in _BENDS:
        return _encode(_bend(event, case))
    return event.raw


def _bend(event: Event, case: Case) -> dict[str, Any]:
    found = [each for each in bends_of(type(event), json.loads(event.raw)) if each.kind == case]
    if not found:
        raise ConfigurationError(
            f'case="{case}": {type(event).__name__} has no field with a list of known values; '
            "deliver an event of another type"
        )
    return found[0].document


def _encode(document: dict[str, Any]) -> bytes:
    return json.dumps(document, separators=COMPACT).encode()
