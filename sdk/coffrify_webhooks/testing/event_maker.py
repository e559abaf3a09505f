"""Makes valid events, for tests of handlers."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, overload
from uuid import UUID, uuid4

from pydantic import ValidationError

from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.event import Event
from coffrify_webhooks.parsing.salvage import salvage

from .event_class import class_of, registry_of, type_named
from .example import example_of, merged, moved_to
from .isolation import clock_here

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from coffrify_webhooks.router import Router

__all__ = ["COMPACT", "When", "event_of", "make_event", "seconds_of"]

__tracebackhide__: bool = True
"""pytest shows the line of the test, not ours."""

COMPACT = (",", ":")
"""How the JSON of a delivery is separated; with blanks the doctor would take it for rewritten."""
E = TypeVar("E", bound=Event)

When: TypeAlias = "float | datetime"
"""A moment: seconds since 1970, or a datetime with a time zone."""

_MOST_NAMED = 5


@overload
def make_event(
    event: type[E],
    *,
    id: str | None = None,
    at: When | None = None,
    data: Mapping[str, Any] | None = None,
) -> E: ...
@overload
def make_event(
    event: str,
    *,
    id: str | None = None,
    at: When | None = None,
    data: Mapping[str, Any] | None = None,
) -> Event: ...
def make_event(
    event: str | type[Event],
    *,
    id: str | None = None,
    at: When | None = None,
    data: Mapping[str, Any] | None = None,
) -> Event:
    """Return a valid event of a type, to call a handler with or to deliver.

    event: a name, or a class, of which the event then is. It is the catalog's example, else made
    from the class's fields. id: a fresh one unless given. at: when it happened, now by default;
    the example's times are moved there. data: laid over the example's, field by field; a list
    takes the length of the one given.

    Raises ConfigurationError for an unknown type, with the nearest names, and for data that the
    type does not allow, with the field.
    """
    return event_of(event, id=id, at=at, data=data)


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
        given = event.raw if _is_as_it_came(event) else _dumped(event)
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
    if data is not None:
        document["data"] = merged(document.get("data"), data)
    return _checked(event_class, document)


def seconds_of(moment: When) -> float:
    """Return a moment as seconds since 1970."""
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            raise ConfigurationError("at= is a datetime without a time zone; give one with UTC")
        return moment.timestamp()
    if isinstance(moment, bool) or not isinstance(moment, (int, float)):
        raise ConfigurationError("at= is seconds since 1970, or a datetime with a time zone")
    return moment


def _is_as_it_came(event: Event) -> bool:
    """Tell whether an event is what its raw body holds; a changed copy has that body as well."""
    if not event.raw:
        return False
    if event.issues:
        return True  # salvaged: its class alone would not take the body
    return type(event).model_validate_json(event.raw).model_dump() == event.model_dump()


def _dumped(event: Event) -> bytes:
    return event.model_dump_json(by_alias=True, exclude_unset=True).encode()


def _checked(event_class: type[Event], document: dict[str, Any]) -> Event:
    ordered = {name: document[name] for name in ("id", "type") if name in document} | document
    try:
        body = json.dumps(ordered, default=_plain, allow_nan=False, separators=COMPACT).encode()
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"the data cannot be written as JSON: {error}") from None
    try:
        event = event_class.model_validate_json(body)
    except ValidationError:
        issues = salvage(event_class, json.loads(body)).issues
        named = ", ".join(f"{each.path} ({each.problem})" for each in issues[:_MOST_NAMED])
        raise ConfigurationError(
            f"the data does not fit {event_class.__name__}: {named or 'a field'}; give a value of "
            'the right type, or a bent event by case="wrong_type" and the like'
        ) from None
    return event._attach(body)


def _plain(value: Any) -> Any:
    """Return what a sender would write for a value that is no JSON."""
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        return dump(mode="json", exclude_unset=True)
    raise TypeError(f"{type(value).__name__} is not JSON")
