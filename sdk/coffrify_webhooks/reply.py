"""What to answer the sender; the adapters only copy it into their framework's response."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from .errors import Busy, MethodNotAllowed, WebhookError

if TYPE_CHECKING:
    from .event import Event

__all__ = ["Outcome", "Reply"]

Outcome: TypeAlias = Literal[
    "handled",
    "ignored",
    "duplicate",
    "conflict",
    "queued",
    "busy",
    "rejected",
    "unreadable",
    "failed",
    "misconfigured",
    "unavailable",
]

_RETRY_AFTER = {"busy": "5", "unavailable": "30"}
"""Seconds; ours, since the vendor says nothing of Retry-After."""


class Reply:
    """The HTTP answer to one delivery, and what came of it.

    status: the HTTP status; a 2xx is given only when nothing can be lost any more. headers: names
    and values. body: JSON; an error's is `{"error": {"code", "message"}}`. outcome: one word of
    the table in the docs. event: the event, once it was verified and parsed. error: what went
    wrong, or None.
    """

    __slots__ = ("body", "error", "event", "headers", "outcome", "status")

    def __init__(
        self,
        outcome: Outcome,
        *,
        event: Event | None = None,
        error: WebhookError | None = None,
    ) -> None:
        self.outcome: Outcome = outcome
        self.event: Event | None = event
        self.error: WebhookError | None = error
        self.status: int = error.status if error else 200
        self.headers: dict[str, str] = {"Content-Type": "application/json"}
        if self.status == Busy.status:
            self.headers["Retry-After"] = _RETRY_AFTER.get(outcome, "30")
        if isinstance(error, MethodNotAllowed):
            self.headers["Allow"] = "POST"
        content: object = {"outcome": outcome}
        if error:
            content = {"error": {"code": error.code, "message": str(error)}}
        self.body: bytes = json.dumps(content).encode()
        self.headers["Content-Length"] = str(len(self.body))

    @classmethod
    def of(cls, error: WebhookError, event: Event | None = None) -> Reply:
        """Return the reply that tells of an error."""
        return cls(cast("Outcome", error.outcome), event=event, error=error)

    def __repr__(self) -> str:
        return f"Reply({self.status}, {self.outcome!r})"
