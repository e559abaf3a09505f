"""What to answer the sender; the adapters only copy it into their framework's response."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from coffrify_webhooks.errors import Busy, MethodNotAllowed, WebhookError

if TYPE_CHECKING:
    from coffrify_webhooks.event import Event

__all__ = ["Outcome", "Reply"]

Outcome: TypeAlias = Literal[
    "handled",
    "ignored",
    "superseded",
    "duplicate",
    "conflict",
    "queued",
    "busy",
    "rejected",
    "unreadable",
    "failed",
    "misconfigured",
    "unavailable",
    "dead",  # only of `Receiver.execute`: an engine's worker has tried for the last time
]

# `help(Outcome)` shows it.
Outcome.__doc__ = (
    """The result of a delivery, in one word: `Reply.outcome`; the docs have a table of them."""
)

_RETRY_AFTER = {"busy": "5", "unavailable": "30"}
"""Seconds; ours, since the vendor says nothing of it. Standard Webhooks has senders heed it."""


_bodies: dict[str, bytes] = {}
"""Of each success: making one takes 2 us."""


class Reply:
    """The HTTP response to one delivery, and its outcome.

    status: the HTTP status; a 2xx is given only when the event is safe. headers: names
    and values. body: JSON; an error's is `{"error": {"code", "message"}}`. outcome: one word of
    the table in the docs. event: the event, once it was verified and parsed. error: what went
    wrong, or None.
    """

    __slots__ = ("body", "error", "event", "headers", "outcome", "status")

    def __init__(  # the fields in their documented order
        self,
        status: int,
        headers: dict[str, str],
        body: bytes,
        outcome: Outcome,
        event: Event | None = None,
        error: WebhookError | None = None,
    ) -> None:
        self.status: int = status
        self.headers: dict[str, str] = headers
        self.body: bytes = body
        self.outcome: Outcome = outcome
        self.event: Event | None = event
        self.error: WebhookError | None = error

    @classmethod
    def success(cls, outcome: Outcome, event: Event | None) -> Reply:
        """Return the reply for an event that can no longer be lost."""
        body = _bodies.get(outcome)
        if body is None:
            body = _bodies[outcome] = json.dumps({"outcome": outcome}).encode()
        return cls(200, _headers(body), body, outcome, event)

    @classmethod
    def failure(cls, error: WebhookError, event: Event | None = None) -> Reply:
        """Return the reply that tells of an error."""
        body = json.dumps({"error": {"code": error.code, "message": str(error)}}).encode()
        headers = _headers(body)
        if error.status == Busy.status:
            headers["Retry-After"] = _RETRY_AFTER.get(error.outcome, "30")
        if isinstance(error, MethodNotAllowed):  # a 405 has to say (RFC 9110, section 15.5.6)
            headers["Allow"] = "POST"
        return cls(error.status, headers, body, cast("Outcome", error.outcome), event, error)

    def __repr__(self) -> str:
        return f"Reply({self.status}, {self.outcome!r})"


def _headers(body: bytes) -> dict[str, str]:
    return {"Content-Type": "application/json", "Content-Length": str(len(body))}
