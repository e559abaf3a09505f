"""Events of one object in order: which stores can do it, and how an event is out of turn."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

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
    from coffrify_webhooks.stores import Store

__all__ = ["KeyBusy", "Superseded", "notice_of_superseded", "refuse_unordered"]


class Superseded(Exception):  # noqa: N818 - an answer, and no handler's failure
    """An event is older than the newest one that the handler has finished for its object."""


class KeyBusy(Busy):
    """Another event of the same object is being handled right now, by the same handler."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        # Soon, since most handlers are quick; and not all that wait at the same moment.
        self.retry_after: float = random.uniform(0.5, 2.0)  # noqa: S311 - no secret


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
            f"handler {ordered.name} asks for order=, and {kind} has not the methods of "
            "coffrify_webhooks.stores.OrderedStore; use another store, "
            f"{how_to_set('store', '...')}, give it these methods, or drop key= and order="
        )


def notice_of_superseded(delivery: Delivery, event: Event, handler: Handler) -> Notify:
    """Tell that a handler was not called for an event."""
    text = "handler %s skipped %s %s, which is older than what it has handled for the same object"
    values = (handler.name, quoted(event.type), quoted(event.id))
    return Notify("superseded", text, delivery, event, handler.name, values=values)
