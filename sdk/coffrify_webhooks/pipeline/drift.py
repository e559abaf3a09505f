"""Notes that an event does not fit the catalog package: its type is unknown there, or its shape."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from coffrify_webhooks.errors import PayloadError
from coffrify_webhooks.event import UnknownEvent, count_issues
from coffrify_webhooks.parsing.parse import parse
from coffrify_webhooks.stores.drift import mark_of, merge, read, slot_of, write
from coffrify_webhooks.stores.marks import LEASE
from coffrify_webhooks.text import quoted

from .effects import Compute, Notify, Settings, Steps
from .handle import call_store

if TYPE_CHECKING:
    from coffrify_webhooks.delivery import Delivery
    from coffrify_webhooks.event import Event
    from coffrify_webhooks.http.reply import Outcome, Reply
    from coffrify_webhooks.stores import Lock

__all__ = ["is_drift", "record"]

_NOT_COUNTED: tuple[Outcome, ...] = ("duplicate", "busy", "unavailable")
"""It arrives again, or did before; and a store that does not answer is not called again."""


def is_drift(settings: Settings, event: Event | None, reply: Reply) -> bool:
    """Tell whether a verified delivery shows that the catalog has moved."""
    if event is not None and not count_issues(event) and not isinstance(event, UnknownEvent):
        return False  # nearly always, so it is asked first
    if event is None and not (settings.strict and isinstance(reply.error, PayloadError)):
        return False
    return reply.outcome not in _NOT_COUNTED


def record(
    settings: Settings, delivery: Delivery, event: Event | None, reply: Reply
) -> Steps[None]:
    """Count it for its type in the store; a store may be unavailable, or have no marks."""
    if event is None:  # a strict receiver refused it
        try:
            event = yield from _read_anyway(settings, delivery)
        except PayloadError:
            return
    is_known = not isinstance(event, UnknownEvent)
    if not is_known and reply.outcome != "ignored" and settings.first_time("drift", event.type):
        yield Notify(
            "unknown_type",
            "%s is not a type of the catalog from which the event classes were generated; "
            "`coffrify-webhooks catalog drift` lists such types",
            delivery,
            event,
            values=(quoted(event.type),),
        )
    if not settings.drifts.are_kept_by(settings.store):
        return
    new = settings.drifts.add(
        event.type, partial(getattr, event, "issues"), settings.clock(), is_known=is_known
    )
    if not new:
        return
    mark = mark_of(settings.name, slot_of(new[0].type))
    try:
        lock: Lock | None = yield from call_store("lock", mark, LEASE)
        state = "" if lock is None else write(merge(read(lock.state), new))
        if lock is None or not (yield from call_store("unlock", mark, lock.token, state)):
            settings.drifts.put_back(new)
    except Exception:  # whatever the store does: the event is handled, and answered as that
        settings.drifts.put_back(new)
        settings.drifts.rest()


def _read_anyway(settings: Settings, delivery: Delivery) -> Steps[Event]:
    registry = settings.router.registry
    event: Event = yield Compute(partial(parse, registry=registry), (delivery.body,))
    return event
