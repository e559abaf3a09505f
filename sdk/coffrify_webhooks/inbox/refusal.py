"""A refused request that was captured, and what the doctor says of it."""

from __future__ import annotations

import json
from binascii import Error, a2b_base64
from typing import TYPE_CHECKING, Any, NamedTuple

from coffrify_webhooks.doctor import Diagnosis, diagnose
from coffrify_webhooks.errors import WebhookError

if TYPE_CHECKING:
    from coffrify_webhooks.receiver import Receiver
    from coffrify_webhooks.stores import Record

__all__ = ["Refusal", "refusal_of"]


class Refusal(NamedTuple):
    """A refused request, read from its record."""

    code: str
    method: str
    headers: list[tuple[str, str]]
    """Without those that say who somebody is."""
    size: int
    body: bytes | None
    """None if it was too large to be kept."""
    diagnosis: Diagnosis | None
    """None without a body, or without a secret at hand."""


def refusal_of(receiver: Receiver, record: Record) -> Refusal:
    """Read a refused request, and ask the doctor."""
    told: dict[str, Any] = json.loads(record.body or b"{}")
    headers = [(str(name), str(value)) for name, value in told.get("headers", ())]
    body: bytes | None = None
    if "body_base64" in told:
        try:
            body = a2b_base64(told["body_base64"])
        except (Error, ValueError):
            body = None
    diagnosis: Diagnosis | None = None
    if body is not None:
        try:
            diagnosis = diagnose(
                body,
                headers,
                list(receiver.load_secrets().secrets),
                method=str(told.get("method", "POST")),
                now=told.get("received_at"),
            )
        except WebhookError:  # no secret is at hand
            diagnosis = None
    return Refusal(
        record.id,
        str(told.get("method", "")),
        headers,
        int(told.get("body_bytes", 0)),
        body,
        diagnosis,
    )
