"""Which class an event type has: of the bundled catalog, or of a package that a user generated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from coffrify_webhooks.errors import ConfigurationError, shown
from coffrify_webhooks.event import Event, UnknownEvent
from coffrify_webhooks.handlers.annotation import type_of
from coffrify_webhooks.parsing.registry import Registry, bundled
from coffrify_webhooks.router import known_routers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from coffrify_webhooks.router import Router

__all__ = ["class_of", "registry_of", "type_named"]

__tracebackhide__: bool = True
"""pytest shows the line of the test, not ours."""


def type_named(event: object) -> str:
    """Return the event type that a name or a class stands for."""
    if isinstance(event, str):
        return event
    if isinstance(event, (dict, bytes)):
        raise ConfigurationError(
            f"a {'dict' if isinstance(event, dict) else 'bytes'} is not an event type; name the "
            'type, and give the fields that differ as data=, as in ("transfer.created", '
            'data={"id": "tr_1"}); coffrify_webhooks.parse(body) makes an event of a whole body'
        )
    kind = cast("type[Any]", event) if isinstance(event, type) else type(None)
    found = type_of(kind) if issubclass(kind, Event) else None
    if found is None:
        raise ConfigurationError(
            f"{getattr(event, '__name__', type(event).__name__)} is not an event type; "
            'give a name such as "transfer.created", or a class of coffrify_webhooks.events or of '
            "your own catalog"
        )
    return found


def registry_of(event_type: str, routers: Iterable[Router] = ()) -> Registry:
    """Return the registry in which a type is known; the bundled one if none knows it.

    Raises ConfigurationError, with the nearest names, for a type that neither a catalog nor a
    handler names.
    """
    asked = [*routers, *known_routers()]
    for router in asked:
        if event_type in router.registry:
            return router.registry
    if any(event_type in handler.patterns for router in asked for handler in router.handlers):
        return bundled
    near = {name: None for router in asked for name in router.registry.nearest(event_type)}
    names = [name for name in near if not name.endswith(".*")][:3]
    hint = f"did you mean {' or '.join(map(repr, names))}? " if names else ""
    raise ConfigurationError(
        f"no event is called {shown(event_type)}; {hint}A type that the catalog does not have yet "
        'is sent by case="unknown_type", or if a handler is registered for it'
    )


def class_of(event: str | type[Event], registry: Registry) -> type[Event]:
    """Return the class of a type, UnknownEvent if it has none; a class stays itself."""
    return event if isinstance(event, type) else registry.get(event) or UnknownEvent
