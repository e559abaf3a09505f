"""Events of one object in order: which stores can do it, and how an event is out of turn."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, NamedTuple

from coffrify_webhooks.errors import Busy, ConfigurationError
from coffrify_webhooks.stores import AsyncOrderedStore, OrderedStore
from coffrify_webhooks.stores.blocking import async_form
from coffrify_webhooks.text import quoted

from .effects import Notify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from coffrify_webhooks.delivery import Delivery
    from coffrify_webhooks.event import Event
    from coffrify_webhooks.handlers.handler import Handler
    from coffrify_webhooks.stores import Record, Store

__all__ = [
    "KeyBusy",
    "Progress",
    "Superseded",
    "comes_back",
    "notice_of_superseded",
    "refuse_unordered",
]

_RETRIED_FOR = 72 * 3600
"""Seconds for which the sender retries, by its own account."""
_MOST_BEGUN = 4
"""Of one object; so many processes would have to die in a row, each with a newer event."""


class Superseded(Exception):  # noqa: N818 - an answer, and no handler's failure
    """An event is older than the newest one that the handler has finished for its object."""


class KeyBusy(Busy):
    """Another event of the same object is being handled right now, by the same handler."""

    def __init__(self) -> None:
        super().__init__("another event of the same object is being handled")
        # Soon, since most handlers are quick; and not all that wait at the same moment.
        self.retry_after: float = random.uniform(0.5, 2.0)  # noqa: S311 - no secret


class Begun(NamedTuple):
    """An event that a handler has begun and not ended, since its process has died."""

    version: str
    key: str
    at: float


class Progress(NamedTuple):
    """How far a handler has come with an object: what a mark's state says. Versions are JSON."""

    finished: str | None = None
    begun: tuple[Begun, ...] = ()

    @classmethod
    def read(cls, state: str | None) -> Progress:
        """Read the state of a mark."""
        if not state:
            return cls()
        finished, begun = json.loads(state)
        return cls(finished, tuple(Begun(*each) for each in begun))

    def without(self, key: str | None) -> Progress:
        """Return what is left if an event's handler has ended and is not finished."""
        return self._replace(begun=tuple(each for each in self.begun if each.key != key))

    def begin(self, version: str, key: str, now: float) -> Progress:
        """Return this while the handler runs."""
        others = self.without(key).begun[1 - _MOST_BEGUN :]
        return self._replace(begun=(*others, Begun(version, key, now)))

    def write(self) -> str:
        """Return this as the state of a mark."""
        return json.dumps(self) if self != Progress() else ""


def comes_back(begun: Begun, record: Record | None, now: float) -> bool:
    """Tell whether an event whose process died will be tried again, by an engine or the sender.

    A record that is not there was given back, and the sender was told to try again.
    """
    if record is not None and record.status in ("queued", "running"):
        return True
    is_open = record is None or record.status in ("claimed", "failed")
    return is_open and now - begun.at < _RETRIED_FOR


def refuse_unordered(
    store: Store, handlers: Iterable[Handler], how_to_set: Callable[[str, str], str]
) -> None:
    """Raise ConfigurationError for a handler that asks for order, if the store cannot keep it."""
    ordered = next((handler for handler in handlers if handler.order is not None), None)
    if ordered is None:
        return
    inner = async_form(store)
    if not isinstance(store if inner is None else inner, (OrderedStore, AsyncOrderedStore)):
        kind = type(store if inner is None else inner).__name__
        raise ConfigurationError(
            f"handler {ordered.name} asks for order=, and {kind} lacks the methods of "
            "coffrify_webhooks.stores.OrderedStore; use another store, "
            f"{how_to_set('store', '...')}, give it these methods, or drop key= and order="
        )


def notice_of_superseded(delivery: Delivery, event: Event, handler: Handler) -> Notify:
    """Tell that a handler was not called for an event."""
    text = "handler %s skipped %s %s, which is older than what it has handled for the same object"
    values = (handler.name, quoted(event.type), quoted(event.id))
    return Notify("superseded", text, delivery, event, handler.name, values=values)
