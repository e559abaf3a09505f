"""What the sandbox keeps: endpoints, events, deliveries and their attempts.

A delivery is what the vendor's API calls so: one event on its way to one endpoint, with all its
attempts. Times are the sandbox's, in seconds since 1970, unless they say otherwise.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

__all__ = ["OVER", "Attempt", "Delivery", "Endpoint", "Event", "Status"]

Status: TypeAlias = Literal[
    "pending", "sending", "retrying", "success", "dead_letter", "failed", "cancelled"
]
"""pending: not tried yet. sending: an attempt is under way. retrying: failed, and tried again
later. success: answered 2xx. dead_letter: given up. failed: was to be sent once only, and was not
answered 2xx. cancelled: its endpoint was deleted."""

_SUCCESSES = range(200, 300)

OVER: frozenset[Status] = frozenset({"success", "dead_letter", "failed", "cancelled"})
"""Nothing more will be sent of these, unless by hand."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Who is sent which events, and how they are signed."""

    id: str
    name: str
    url: str
    description: str
    events: tuple[str, ...]
    """Event types, or "*" for all."""
    is_active: bool
    secret: str
    old_secret: str | None
    """Signs too, until `old_until`: a rotation's grace."""
    old_until: float | None
    created_at: float
    success_count: int = 0
    failure_count: int = 0
    """Of attempts."""
    dead_in_a_row: int = 0

    def wants(self, event_type: str) -> bool:
        """Tell whether it subscribes to an event type."""
        return "*" in self.events or event_type in self.events

    def secrets_at(self, moment: float) -> tuple[str, ...]:
        """Return what signs at a moment: the secret, and in a rotation's grace the one before."""
        if self.old_secret and self.old_until is not None and moment < self.old_until:
            return (self.secret, self.old_secret)
        return (self.secret,)


@dataclass(frozen=True, slots=True)
class Event:
    """What happened; the same for every endpoint."""

    id: str
    type: str
    body: bytes
    """The bytes that are sent."""
    created_at: float
    test: bool = False

    @property
    def data(self) -> Any:
        """The event's payload, read from the body."""
        return json.loads(self.body).get("data")


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one endpoint."""

    id: str
    event_id: str
    endpoint_id: str
    status: Status
    created_at: float
    next_at: float | None
    """When it is due; None if nothing more is to be sent."""
    attempts: int = 0
    """Since it was created, or last retried by hand."""
    first_failed_at: float | None = None
    replay_of: str | None = None
    manner: str = ""
    """How it misbehaves, by name; see `misbehaviors.py`."""
    reason: str = ""
    """Why it was given up."""

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be sent of it, unless by hand."""
        return self.status in OVER


@dataclass(frozen=True, slots=True)
class Attempt:
    """One HTTP request, and its result."""

    id: int
    delivery_id: str
    number: int
    at: float
    wall_at: float
    """By the wall's clock."""
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""
    """Nothing in new ones: it is the event's."""
    status: int | None = None
    """The HTTP status, if an answer came."""
    error: str = ""
    """What went wrong, if no answer came."""
    seconds: float | None = None
    """How long it took, by the wall's clock; None while it is under way."""
    reply_headers: tuple[tuple[str, str], ...] = ()
    reply: bytes = b""
    """The beginning of the answer's body."""

    @property
    def is_success(self) -> bool:
        """Whether it was answered 2xx: our reading, the vendor does not say what counts."""
        return self.status is not None and self.status in _SUCCESSES
