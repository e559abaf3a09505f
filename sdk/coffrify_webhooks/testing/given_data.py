"""Checks the data that a test gives for an event: what cannot be sent, and what is misspelt."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from pydantic import BaseModel, ValidationError

from coffrify_webhooks.errors import ConfigurationError, shown
from coffrify_webhooks.parsing.salvage import salvage

if TYPE_CHECKING:
    from coffrify_webhooks.event import Event

__all__ = ["COMPACT", "event_from", "refuse_misspelt", "require_mapping"]

__tracebackhide__: bool = True
"""pytest shows the line of the test, not ours."""

COMPACT = (",", ":")
"""How the JSON of a delivery is separated; with blanks the doctor would take it for rewritten."""

_MOST_NAMED = 5
_NEAR = 0.8
"""How alike two names are of which one is taken for a misspelling; a new field is less like any."""
_WORDS = {
    "missing": "is missing",
    "bool": "needs true or false",
    "date": "needs a date",
    "datetime": "needs a time in ISO 8601",
    "dict": "needs an object",
    "enum": "needs one of the known values",
    "float": "needs a number",
    "int": "needs a whole number",
    "list": "needs a list",
    "literal": "needs one of the known values",
    "model": "needs an object",
    "string": "needs a text",
    "url": "needs a URL",
    "uuid": "needs a UUID",
}
"""What is wrong with a value, by the first word of pydantic's name for it."""


def require_mapping(data: object) -> None:
    """Refuse data that is no mapping of fields."""
    if not isinstance(data, Mapping):
        raise ConfigurationError(
            f'data= takes the fields to set, such as {{"id": "tr_1"}}, not a {type(data).__name__}'
        )


def refuse_misspelt(data: Mapping[Any, Any], event: Event) -> None:
    """Refuse a field that the event's class does not have if it is spelt much like one it has.

    Any other is kept, as a field is that the sender has since added.
    """
    payload = getattr(event, "data", None)
    if not isinstance(payload, BaseModel):
        return
    inner = data.get("data")
    if isinstance(inner, Mapping) and "data" not in _fields(payload):
        raise ConfigurationError(
            "data= is merged into the event's own data: give its fields alone, without the body "
            "around it; id= and at= are separate arguments"
        )
    _look(data, payload, "data")


def _look(given: object, value: object, path: str) -> None:
    if isinstance(given, (list, tuple)) and isinstance(value, (list, tuple)):
        pairs = zip(cast("list[object]", given), cast("list[object]", value), strict=False)
        for at, (each, found) in enumerate(pairs):
            _look(each, found, f"{path}.{at}")
    if not (isinstance(given, Mapping) and isinstance(value, BaseModel)):
        return
    named, known = cast("Mapping[object, object]", given), _fields(value)
    for name, each in named.items():
        if name in known:
            _look(each, getattr(value, known[name]), f"{path}.{name}")
            continue
        near = _nearest(str(name), [str(each) for each in known if each not in named])
        if near is not None:
            raise ConfigurationError(
                f"{type(value).__name__} has no field {shown(name)} ({path}); did you mean "
                f'{near!r}? case="unknown_field" sends a field that the schema does not have'
            )


def _nearest(name: str, known: list[str]) -> str | None:
    swapped = [each for each in known if sorted(each) == sorted(name)]  # short ones are less alike
    return next(iter(swapped or get_close_matches(name, known, 1, _NEAR)), None)


def _fields(value: BaseModel) -> dict[object, str]:
    """Map the names that a sender writes to the attributes."""
    fields = type(value).model_fields
    return {each.alias or name: name for name, each in fields.items()}


def event_from(event_class: type[Event], document: dict[str, Any]) -> Event:
    """Return a document as the event that its delivery would be.

    Raises ConfigurationError, with the field, for what is no JSON or does not fit the class.
    """
    ordered = {name: document[name] for name in ("id", "type") if name in document} | document
    try:
        body = json.dumps(ordered, default=_plain, allow_nan=False, separators=COMPACT).encode()
    except (TypeError, ValueError, RecursionError) as error:
        where = _unwritable(ordered, "")
        raise ConfigurationError(
            f"{where or 'the data'} cannot be written as JSON: {error}"
        ) from None
    try:
        event = event_class.model_validate_json(body)
    except ValidationError:
        issues = salvage(event_class, json.loads(body)).issues
        named = ", ".join(
            f"{each.path} ({_in_words(each.problem)})" for each in issues[:_MOST_NAMED]
        )
        raise ConfigurationError(
            f"the data does not fit {event_class.__name__}: {named or 'a field'}; give a value of "
            'the right type, or a bent event by case="wrong_type" and the like'
        ) from None
    return event._attach(body)


def _in_words(problem: str) -> str:
    words = _WORDS.get(problem) or _WORDS.get(problem.partition("_")[0])
    return words or problem.replace("_", " ")


def _unwritable(value: object, path: str) -> str:
    """Return the path of the first part that is no JSON; empty if it cannot be told."""
    try:
        json.dumps(value, default=_plain, allow_nan=False)
    except RecursionError:
        return path
    except (TypeError, ValueError):
        pairs: list[tuple[object, object]] = []
        if isinstance(value, dict):
            pairs = [*cast("dict[object, object]", value).items()]
        elif isinstance(value, (list, tuple)):
            pairs = [*enumerate(cast("list[object]", value))]
        found = (_unwritable(each, f"{path}.{name}".lstrip(".")) for name, each in pairs)
        return next((each for each in found if each), path)
    return ""


def _plain(value: Any) -> Any:
    """Return what a sender would write for a value that is no JSON."""
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    dump = getattr(value, "model_dump", None)
    if callable(dump) and not isinstance(value, type):
        return dump(mode="json", exclude_unset=True)
    raise TypeError(f"{type(value).__name__} is not JSON")
