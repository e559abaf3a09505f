"""The example of an event type: the catalog's, else one made from its class."""

from __future__ import annotations

import re
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from .sample import sample

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from coffrify_webhooks.event import Event

__all__ = ["example_of", "merge", "moved_to"]

_BUNDLED = "coffrify_webhooks.events."
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)")


def example_of(event_type: str, event_class: type[Event]) -> dict[str, Any]:
    """Return a body of an event type, all of it as its sender would write it."""
    if event_class.__module__.startswith(_BUNDLED):
        found = _bundled_examples().get(event_type)
        if found is not None:
            return deepcopy(found)
    if "data" not in event_class.model_fields or event_class.model_fields["data"].annotation is Any:
        return {"type": event_type, "data": {}}
    made: dict[str, Any] = sample(event_class.model_json_schema())
    return {**made, "type": event_type}


@lru_cache(maxsize=1)
def _bundled_examples() -> Mapping[str, dict[str, Any]]:
    from coffrify_webhooks_codegen.catalog import load

    return {each.type: {**each.example} for each in load().events if each.example is not None}


def merge(base: Any, data: Any) -> Any:
    """Return `base` with `data` over it, field by field.

    A list takes the length of the one given; the objects in it are laid over those of `base`.
    """
    if _are_all((dict,), base, data):
        below, over = cast("dict[str, Any]", base), cast("dict[str, Any]", data)
        laid = {name: merge(below.get(name), each) for name, each in over.items()}
        return {**below, **laid}
    if _are_all((list, tuple), base, data) and base:
        items, given = cast("list[object]", base), cast("list[object]", data)
        return [merge(items[min(at, len(items) - 1)], each) for at, each in enumerate(given)]
    return data


def _are_all(kinds: tuple[type, ...], *values: object) -> bool:
    return all(isinstance(each, kinds) for each in values)


def moved_to(document: dict[str, Any], moment: datetime) -> dict[str, Any]:
    """Return the document with its times moved, so that the earliest of them is `moment`."""
    stamps: list[datetime] = []
    _each_text(document, lambda text: stamps.append(found) if (found := _read(text)) else None)
    if not stamps:
        return document
    distance = moment - min(stamps)
    return cast("dict[str, Any]", _each_text(document, lambda text: _move(text, distance)))


def _move(text: str, distance: timedelta) -> str:
    stamp = _read(text)
    if stamp is None:
        return text
    moved = (stamp + distance).astimezone(UTC)
    return moved.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _read(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if _STAMP.fullmatch(text) else None


def _each_text(value: Any, change: Callable[[str], Any]) -> Any:
    """Return a JSON value with each text in it changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        named = cast("dict[str, Any]", value)
        return {name: _each_text(each, change) for name, each in named.items()}
    if isinstance(value, list):
        return [_each_text(each, change) for each in cast("list[object]", value)]
    return value
