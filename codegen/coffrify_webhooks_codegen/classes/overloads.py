"""Generates the overloads by which type checkers know the event of each handler."""

from collections.abc import Iterable

from .event_names import EventName

__all__ = ["overloads_module"]

_HEAD = '''\
# A literal is a str too, so the overload for any str overlaps the others; it comes after them.
# pyright: reportOverlappingOverload=false
"""What type checkers know of an event type: what its handler gets, and `testing.make_event`."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Concatenate, Literal, ParamSpec, Protocol, TypeAlias, TypeVar, overload
from uuid import UUID

from coffrify_webhooks.event import Event

'''
_TYPES = '''
E = TypeVar("E", bound=Event)
E1 = TypeVar("E1", bound=Event)
E2 = TypeVar("E2", bound=Event)
E3 = TypeVar("E3", bound=Event)
E4 = TypeVar("E4", bound=Event)
P = ParamSpec("P")
R = TypeVar("R")
Part: TypeAlias = str | int | UUID
Key: TypeAlias = Callable[[E], Part | tuple[Part, ...]]
"""Tells which object an event is about."""
Version: TypeAlias = Callable[[E], str | int | float | datetime]
"""Tells which of two events is newer."""


class On(Protocol[E]):
    """Takes a handler whose first parameter accepts the event, and returns it."""

    def __call__(self, fn: Callable[Concatenate[E, P], R], /) -> Callable[Concatenate[E, P], R]:
        """Register the handler; it comes back unchanged."""
        ...


class Registrar(Protocol):
    """Says which events a handler is for."""

'''
_MAKER = '''

class EventMaker(Protocol):
    """Makes an event of the class that its type has; see `coffrify_webhooks.testing.make_event`."""

'''
_MADE_WITH = (
    "id: str | None = None",
    "at: float | datetime | None = None",
    "data: Mapping[str, Any] | None = None",
)
_KEYWORDS = (
    "name: str | None = None",
    "allow_unknown: bool = False",
    "atomic: bool = False",
)
_ORDER = (
    "key: Key[{}] | None = None",
    'order: Literal["serial", "latest"] | None = None',
    "version: Version[{}] | None = None",
)


def overloads_module(names: Iterable[EventName]) -> str:
    """Write the protocols of `on` and of `make_event` for these events."""
    events = sorted(names, key=lambda name: name.type)
    families = sorted({name.type.partition(".")[0] for name in events if "." in name.type})
    patterns = ["*", *(f"{family}.*" for family in families)]
    imports = sorted((name.module, name.class_name) for name in events)
    signatures = [
        *(_signature([f"event: Literal[{_text(n.type)}]", "/"], n.class_name) for n in events),
        _signature([f"event: {_literal(patterns)}", "/"], "Event"),
        *(_classes(count) for count in range(1, 5)),
        _signature(["event: str", "/"], "Event"),
        # Of two and more: what one event does not fit must not be taken for any.
        _signature(
            [*(f"{each}: str | type[Event]" for each in ("first", "second", "*events"))], "Any"
        ),
    ]
    makers = [
        *(_maker(f"event: Literal[{_text(n.type)}]", n.class_name) for n in events),
        _maker("event: type[E1]", "E1"),
        _maker("event: str", "Event"),
    ]
    lines = "".join(f"from .{module} import {name}\n" for module, name in imports)
    return _HEAD + lines + _TYPES + "\n".join(signatures) + _MAKER + "\n".join(makers)


def _classes(count: int) -> str:
    names = [f"E{number}" for number in range(1, count + 1)]
    parameters = [f"{name.lower()}: type[{name}]" for name in names]
    return _signature([*parameters, "/"], " | ".join(names))


def _maker(parameter: str, event: str) -> str:
    lines = "".join(f"        {item},\n" for item in ("self", parameter, "*", *_MADE_WITH))
    return f"    @overload\n    def __call__(\n{lines}    ) -> {event}: ...\n"


def _signature(parameters: list[str], event: str) -> str:
    # Several at once bring their own star, after which everything is keyword-only already.
    star = () if parameters[-1].startswith("*") else ("*",)
    keywords = (*_KEYWORDS, *(item.format(event) for item in _ORDER))
    lines = "".join(f"        {item},\n" for item in ("self", *parameters, *star, *keywords))
    return f"    @overload\n    def __call__(\n{lines}    ) -> On[{event}]: ...\n"


def _literal(values: list[str]) -> str:
    lines = "".join(f"            {_text(value)},\n" for value in values)
    return f"Literal[\n{lines}        ]"


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
