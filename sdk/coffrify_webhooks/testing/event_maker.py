"""Makes valid events, for tests of handlers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import uuid4

from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.event import Event

from .event_class import class_of, registry_of, type_named
from .example import example_of, merge, moved_to
from .given_data import event_from, refuse_misspelt, require_mapping
from .isolation import clock_here

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from coffrify_webhooks.events._overloads import EventMaker
    from coffrify_webhooks.router import Router

__all__ = ["When", "event_of", "make_event", "seconds_of"]

__tracebackhide__: bool = True
"""pytest shows the line of the test, not ours."""


When: TypeAlias = "float | datetime"
"""A moment: seconds since 1970, or a datetime with a time zone."""


def _make_event(
    event: str | type[Event],
    *,
    id: str | None = None,
    at: When | None = None,
    data: Mapping[str, Any] | None = None,
) -> Event:
    """Return a valid event of a type, to call a handler with or to deliver.

    event: a name, or the class that the event then has. It is the catalog's example, or else made
    from the class's fields. id: by default a fresh one. at: when it happened, now by default; the
    example's times are moved there. data: merged into the example's, field by field; a list takes
    the length of the one given.

    Raises ConfigurationError for an unknown type, with the nearest names; for data that the type
    does not allow, with the field; and for a field of `data` that is spelt almost like one of the
    type's. Any other field that the type does not have is kept, as one that the sender has added.
    """
    return event_of(event, id=id, at=at, data=data)


if TYPE_CHECKING:
    make_event: EventMaker
else:
    make_event = _make_event
    make_event.__name__ = make_event.__qualname__ = "make_event"


def event_of(
    event: str | type[Event] | Event,
    *,
    id: str | None = None,
    at: When | None = None,
    data: Mapping[str, Any] | None = None,
    routers: Iterable[Router] = (),
) -> Event:
    """Do what `make_event` does; an event that is given is laid under `data`."""
    if isinstance(event, Event):
        given = event.raw if _is_as_it_came(event) else _dump(event)
        if id is None and data is None and given is event.raw:
            return event
        event_class, document = type(event), json.loads(given)
    else:
        name = type_named(event)
        event_class = (
            class_of(event, registry_of(name, routers)) if isinstance(event, str) else event
        )
        moment = clock_here()() if at is None else seconds_of(at)
        document = moved_to(example_of(name, event_class), datetime.fromtimestamp(moment, UTC))
        document["id"] = f"evt_{uuid4().hex[:24]}"
    if id is not None:
        document["id"] = id
    if data is None:
        return event_from(event_class, document)
    require_mapping(data)
    document["data"] = merge(document.get("data"), data)
    made = event_from(event_class, document)
    refuse_misspelt(data, made)
    return made


def seconds_of(moment: When) -> float:
    """Return a moment as seconds since 1970."""
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            raise ConfigurationError("at= is a datetime without a time zone; give one with UTC")
        return moment.timestamp()
    if isinstance(moment, bool) or not isinstance(moment, (int, float)):
        raise ConfigurationError("at= must be seconds since 1970, or a datetime with a time zone")
    return moment


def _is_as_it_came(event: Event) -> bool:
    """Tell whether an event is what its raw body holds; a changed copy has that body as well."""
    if not event.raw:
        return False
    if event.issues:
        return True  # salvaged: its class alone would not take the body
    return type(event).model_validate_json(event.raw).model_dump() == event.model_dump()


def _dump(event: Event) -> bytes:
    return event.model_dump_json(by_alias=True, exclude_unset=True).encode()
