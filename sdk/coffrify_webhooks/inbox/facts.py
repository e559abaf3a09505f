"""What a record says of its delivery and of the handlers, in words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from coffrify_webhooks.dispatch.message import finished_in

if TYPE_CHECKING:
    from coffrify_webhooks.receiver import Receiver
    from coffrify_webhooks.stores import Record

__all__ = ["DeliveryFacts", "HandlerState", "facts_of", "failed_in", "handlers_of"]


class DeliveryFacts(NamedTuple):
    """What was verified of the delivery that came last."""

    text: str
    signed_at: int | None
    """Seconds since 1970."""


class HandlerState(NamedTuple):
    """How far a handler has come with an event."""

    name: str
    state: str


def facts_of(record: Record) -> DeliveryFacts:
    """Return what is known of the delivery; little if that is damaged."""
    try:
        found: Any = json.loads(record.delivery)
    except ValueError:
        found = None
    known = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    parts = [f"{known['scheme']} signature"] if "scheme" in known else []
    parts += [f"{name} {known[name]}" for name in ("key", "encoding") if name in known]
    parts += ["a test"] if known.get("test") else []
    at = known.get("timestamp")
    return DeliveryFacts(", ".join(parts), at if type(at) is int and 0 <= at < 1 << 36 else None)


def failed_in(record: Record, handler: str) -> bool:
    """Tell whether a record's error names a handler."""
    return record.error.startswith(f"{handler} ") or f" {handler} " in record.error


def handlers_of(receiver: Receiver, record: Record) -> list[HandlerState]:
    """Return the handlers that want an event, and those that have finished it."""
    known = record.type in receiver.router.registry
    wanting = [
        each.name for each in receiver.router.handlers if each.wants(record.type, known=known)
    ]
    finished = finished_in(record)
    states = [HandlerState(name, _state(record, name, finished)) for name in wanting]
    gone = sorted(finished - set(wanting))
    return states + [HandlerState(name, "finished; not registered here") for name in gone]


def _state(record: Record, handler: str, finished: frozenset[str]) -> str:
    if handler in finished:
        return "finished"
    return "failed" if failed_in(record, handler) else "not finished"
