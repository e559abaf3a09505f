"""Which class stands for which event type; each class is imported when first needed."""

import logging
from difflib import get_close_matches
from importlib import import_module

from coffrify_webhooks.errors import ConfigurationError, is_shown, shown
from coffrify_webhooks.text import quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from coffrify_webhooks.event import Event

__all__ = ["Registry", "bundled"]

logger: logging.Logger = logging.getLogger("coffrify_webhooks")


class Registry:
    """The event classes of a generated package, by event type.

    `package` is the import name of a package written by `coffrify-webhooks codegen`; its `EVENTS`
    maps each type to its module and class. Only that dict is read until an event arrives. A type
    that the package does not have is looked up in `beside`.

    Raises ConfigurationError for what is no such package.
    """

    def __init__(self, package: str, beside: "Registry | None" = None) -> None:
        own: dict[str, tuple[str, str]] = {}
        failure: ConfigurationError | None = None
        try:
            own = import_module(package).EVENTS
        except (ImportError, AttributeError) as error:
            failure = ConfigurationError(
                f"{shown(package)} is no package of event classes; make one with "
                "`coffrify-webhooks codegen --catalog FILE --output FOLDER`"
            )
            failure.__cause__ = error if is_shown(package) else None
        if failure is not None:
            raise failure  # out here, or its context would repeat a secret given as a name
        self._events: dict[str, tuple[str, str]] = {
            **(beside._events if beside else {}),  # of its own kind
            **{name: (f"{package}.{module}", found) for name, (module, found) in own.items()},
        }
        self._classes: dict[str, type[Event]] = {}
        self._broken: set[str] = set()

    def __contains__(self, event_type: str) -> bool:
        return event_type in self._events

    def __iter__(self) -> "Iterator[str]":
        return iter(self._events)

    def __len__(self) -> int:
        return len(self._events)

    def get(self, event_type: str) -> "type[Event] | None":
        """Return the class of an event type, or None if the type is unknown.

        Also None, with a warning in the log, for a class that cannot be built.
        """
        found = self._classes.get(event_type)
        if found is None and event_type in self._events and event_type not in self._broken:
            found = self._build(event_type)
        return found

    def _build(self, event_type: str) -> "type[Event] | None":
        """Import a class and complete it now: later it would fail at each delivery."""
        from .bounds import bounds_of  # it needs pydantic, which `on` does not

        module, name = self._events[event_type]
        try:
            found: type[Event] = getattr(import_module(module), name)
            found.model_rebuild()
            bounds_of(found)
        except Exception as error:  # whatever it is, the event must not be lost
            self._broken.add(event_type)
            logger.warning(
                "%s.%s, the class of %s events, cannot be built (%s), so each of them is an "
                "UnknownEvent; make its schema simpler, or generate the package anew",
                module,
                name,
                quoted(event_type),
                type(error).__name__,
            )
            return None
        self._classes[event_type] = found
        return found

    def places(self) -> dict[str, tuple[str, str]]:
        """Return the module and the name of each type's class; imports nothing."""
        return dict(self._events)

    def types_named(self, class_name: str) -> list[str]:
        """Return the types whose class has this name; imports nothing."""
        return [name for name, (_, found) in self._events.items() if found == class_name]

    def families(self) -> list[str]:
        """Return the first segment of every type: `transfer`, `workspace`, ..."""
        return sorted({name.partition(".")[0] for name in self._events if "." in name})

    def nearest(self, name: str) -> list[str]:
        """Return up to three types or patterns spelled most like `name`."""
        patterns = [f"{family}.*" for family in self.families()]
        return get_close_matches(name, [*self._events, *patterns], n=3, cutoff=0.5)


bundled: Registry = Registry("coffrify_webhooks.events")
"""The classes that come with this package."""
