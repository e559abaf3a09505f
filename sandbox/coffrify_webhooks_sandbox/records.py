"""The records of the sandbox: endpoints, events, deliveries and their attempts.

A delivery is what the vendor's API calls one: an event for one endpoint, with all its attempts.
Times are the sandbox's, in seconds since 1970, unless stated otherwise.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

__all__ = ["OVER", "Attempt", "Delivery", "Endpoint", "Event", "Status", "is_success"]

Status: TypeAlias = Literal[
    "pending", "sending", "retrying", "success", "dead_letter", "failed", "cancelled"
]
"""pending: not attempted yet. sending: an attempt is under way. retrying: the last attempt failed,
and another will follow. success: answered 2xx. dead_letter: all attempts failed. failed: it was
to be sent only once, and was not answered 2xx. cancelled: its endpoint was deleted."""

_SUCCESSES = range(200, 300)


def is_success(status: int | None) -> bool:
    """Tell whether an answer is a success: 2xx, our assumption, as the vendor does not say."""
    return status is not None and status in _SUCCESSES


OVER: frozenset[Status] = frozenset({"success", "dead_letter", "failed", "cancelled"})
"""Deliveries of these statuses are not sent again, unless by hand."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A URL, the events it is sent, and the secrets that sign them."""

    id: str
    name: str
    url: str
    description: str
    events: tuple[str, ...]
    """Event types, or "*" for all."""
    is_active: bool
    secret: str
    old_secret: str | None
    """Also signs until `old_until`, the end of a rotation's grace period."""
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
        """Return the secrets that sign at a moment: two during a rotation's grace period."""
        if self.old_secret and self.old_until is not None and moment < self.old_until:
            return (self.secret, self.old_secret)
        return (self.secret,)


@dataclass(frozen=True, slots=True)
class Event:
    """An event, which is the same for every endpoint."""

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
    """The delivery of one event to one endpoint."""

    id: str
    event_id: str
    endpoint_id: str
    status: Status
    created_at: float
    next_at: float | None
    """When it is due; None if it is not to be sent again."""
    attempts: int = 0
    """Since it was created, or last retried by hand."""
    first_failed_at: float | None = None
    replay_of: str | None = None
    manner: str = ""
    """The name of its misbehavior; see `misbehaviors.py`."""
    reason: str = ""
    """Why it failed for good."""

    @property
    def is_over(self) -> bool:
        """Whether it will not be sent again, unless by hand."""
        return self.status in OVER


@dataclass(frozen=True, slots=True)
class Attempt:
    """One HTTP request, and its result."""

    id: int
    delivery_id: str
    number: int
    at: float
    wall_at: float
    """By the system clock."""
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""
    """Empty in new records: the event has the body."""
    status: int | None = None
    """The HTTP status, if there was a response."""
    error: str = ""
    """What went wrong, if there was no response."""
    seconds: float | None = None
    """How long it took in real time; None while it is under way."""
    reply_headers: tuple[tuple[str, str], ...] = ()
    reply: bytes = b""
    """The beginning of the response body."""

    @property
    def is_success(self) -> bool:
        """Whether it was answered 2xx: our assumption, as the vendor does not define success."""
        return is_success(self.status)
