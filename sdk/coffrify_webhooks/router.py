"""Which functions handle which events: `on` and the routers behind it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from .errors import ConfigurationError, shown
from .event import Event, UnknownEvent
from .handlers.annotation import UNKNOWN, accepted_types, type_of
from .handlers.handler import Handler
from .handlers.order import Order, same_order
from .parsing.registry import Registry, bundled

if TYPE_CHECKING:
    from .events._overloads import Registrar

__all__ = ["Router", "default_router", "known_routers", "on", "router_of"]

Selector: TypeAlias = "str | type[Event]"
_Place: TypeAlias = tuple[str, int, str]

_MOST_MATCHES = 10_000
"""Types are few, but nothing else bounds the names that a sender may make up."""
_LONGEST_TYPE = 255
"""Characters; what is longer is no type that comes again."""


class Router:
    """A set of handlers. Most programs need only the default one, which `on` belongs to."""

    def __init__(self, *, registry: Registry = bundled, beside: "Router | None" = None) -> None:
        self._beside = beside
        self.registry: Registry = registry
        self._handlers: dict[str, Handler] = {}
        self._places: dict[_Place, dict[str, Handler]] = {}
        """By where a function's source is, and by the name of its module."""
        self._matches: dict[tuple[str, bool], tuple[Handler, ...]] = {}

    if TYPE_CHECKING:

        @property
        def on(self) -> Registrar:
            """Register the decorated function for the given events; `help(on)` says more."""
            ...
    else:

        def on(
            self,
            *events: Selector,
            name: str | None = None,
            allow_unknown: bool = False,
            atomic: bool = False,
            key: Callable[[Any], Any] | None = None,
            order: str | None = None,
            version: Callable[[Any], Any] | None = None,
        ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
            """Register the decorated function for the given events, and return it unchanged.

            Events are names (`"transfer.created"`), classes (`TransferCreated`), families
            (`"transfer.*"`) or everything (`"*"`). Several handlers of one event run in the order
            of their registration. name: the stable name under which the handler's runs are
            recorded, by default `module:qualname`; give one before you rename or move a handler.
            allow_unknown: accept a name that the catalog does not have. atomic: run the handler
            in one transaction with the record that it has finished, in a store that is the
            application's own database; it may take a parameter named `connection`. key: a function
            of the event that tells which object it is about. order: "serial" calls the handler for
            one event of an object at a time, in any process; "latest" also skips what is older than
            the newest event that it has handled for the object. version: a function of the event
            that returns what is compared to tell which is older; by default the event's own time,
            or the time when it was signed.

            Raises ConfigurationError for a name that is neither known nor a pattern (naming the
            nearest ones), for a second handler of the same name, for a function that cannot be
            called with an event, and for an order that cannot be kept.
            """
            if not events:
                raise ConfigurationError('on() needs an event: on("transfer.created"), or on("*")')
            if name is not None and not (isinstance(name, str) and name and name.isprintable()):
                raise ConfigurationError(f"name={shown(name)}: give a plain name that is not empty")
            patterns = tuple(self._pattern(event, allow_unknown=allow_unknown) for event in events)
            asked = Order.from_options(key, order, version)

            def register(fn: Callable[..., Any]) -> Callable[..., Any]:
                self._add(fn, name or _stable_name(fn), patterns, asked, atomic=atomic)
                return fn

            return register

    def __len__(self) -> int:
        return len(self._handlers) + (len(self._beside) if self._beside else 0)

    def __repr__(self) -> str:
        return f"<Router of {len(self)} handlers>"

    @property
    def handlers(self) -> tuple[Handler, ...]:
        """All handlers, in the order of their registration."""
        beside = self._beside.handlers if self._beside else ()
        return (*beside, *self._handlers.values())

    def match(self, event: Event) -> tuple[Handler, ...]:
        """Return the handlers of an event, in the order of their registration."""
        key = (event.type, not isinstance(event, UnknownEvent))
        matches = self._matches
        found = matches.get(key)
        if found is None:
            handlers = tuple(self._handlers.values())  # in one step: another thread may register
            found = tuple(h for h in handlers if h.wants(key[0], known=key[1]))
            if len(matches) < _MOST_MATCHES and len(event.type) <= _LONGEST_TYPE:
                matches[key] = found
        return (*self._beside.match(event), *found) if self._beside else found

    def _add(
        self,
        fn: Callable[..., Any],
        name: str,
        patterns: tuple[str, ...],
        order: Order | None,
        *,
        atomic: bool,
    ) -> None:
        known = self._handlers.get(name)
        if known is not None and known.fn != fn:
            remedy = 'give one of them another name: @on(..., name="...")'
            if "<locals>" in name:
                remedy = (
                    "the function around it ran twice; move the handler to the top of its module, "
                    "or register it with a Router made in that function, the receiver's router"
                )
            raise ConfigurationError(f"two handlers are called {name!r}; {remedy}")
        place, module = _place_of(fn)
        here = self._places.get(place, {}) if place else {}
        twin = _twin(here, module)
        if twin is not None and twin is not known:
            raise ConfigurationError(
                f"{twin.name!r} and {name!r} are one function whose module was imported under two "
                "names, so every event would be handled twice; move the handlers out of the "
                "module that is run as a script"
            )
        if known is not None and not same_order(known.order, order):
            raise ConfigurationError(
                f"{name} is registered twice, with another key=, order= or version=; give all its "
                "events to one @on(...)"
            )
        before = known.patterns if known else ()
        handler = Handler(fn, name, (*before, *patterns), atomic=atomic, order=order)
        self._check_annotation(handler, patterns)
        self._handlers[name] = handler
        if place:
            self._places.setdefault(place, {})[module] = handler
        self._matches = {}  # a new one: a thread that is matching meanwhile fills the old

    def _check_annotation(self, handler: Handler, patterns: tuple[str, ...]) -> None:
        """Refuse a handler that is registered for events which its annotation does not take."""
        accepted = accepted_types(handler.fn, handler.annotation, self.registry)
        if accepted is None:
            return
        for pattern in patterns:
            if not self._types_of(pattern) <= accepted:
                known = ", ".join(sorted(accepted - {UNKNOWN}))
                takes = known or (
                    "unknown events" if accepted else "something that is not an event"
                )
                wanted = "unknown events" if pattern == UNKNOWN else repr(pattern)
                raise ConfigurationError(
                    f"{handler.name} is registered for {wanted}, but its first parameter is "
                    f"annotated for {takes}; annotate it with what it receives, or with Event, or "
                    "register it for other events"
                )

    def _types_of(self, pattern: str) -> frozenset[str]:
        """Return the types that a pattern selects, as far as they have a class."""
        if pattern == "*" or pattern.endswith(".*"):
            found = [name for name in self.registry if name.startswith(pattern[:-1])]
            return frozenset(found or [UNKNOWN])
        return frozenset([pattern if pattern in self.registry else UNKNOWN])

    def _pattern(self, event: Selector, *, allow_unknown: bool) -> str:
        if isinstance(event, type):
            return self._class_pattern(event)
        if not isinstance(event, str):
            raise ConfigurationError(
                f"on() takes event names and classes, not {type(event).__name__}: "
                '@on("transfer.created")'
            )
        if event == "*" or event in self.registry:
            return event
        if not event.isprintable():
            raise ConfigurationError(f"{event!r} is not the name of an event")
        head = event.removesuffix(".*")
        if "*" in head or not head:
            raise ConfigurationError(
                f'{event!r} is not a pattern; the patterns are "*" and a family such as '
                '"transfer.*"'
            )
        if allow_unknown or (head != event and self._is_prefix(head)):
            return event
        near = self.registry.nearest(event)
        hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
        raise ConfigurationError(
            f"no event is called {event!r}; {hint}(on(..., allow_unknown=True) accepts a name that "
            "the catalog does not have yet)"
        )

    def _is_prefix(self, head: str) -> bool:
        return any(name.startswith(f"{head}.") for name in self.registry)

    def _class_pattern(self, event: type[Any]) -> str:
        if event is Event:
            return "*"
        if event is UnknownEvent:
            return UNKNOWN
        name = type_of(event) if issubclass(event, Event) else None
        if name is None:
            raise ConfigurationError(
                f"{event.__name__} is not an event class; import one from .events"
            )
        return name


def _stable_name(fn: Callable[..., Any]) -> str:
    kind = type(fn)
    module = getattr(fn, "__module__", None) or kind.__module__
    return f"{module}:{getattr(fn, '__qualname__', None) or kind.__qualname__}"


def _place_of(fn: Callable[..., Any]) -> tuple[_Place | None, str]:
    """Return where the source of a function is, if that can be told, and its module's name."""
    code, module = getattr(fn, "__code__", None), getattr(fn, "__module__", None)
    if code is None:
        return None, str(module)
    return (code.co_filename, code.co_firstlineno, fn.__qualname__), str(module)


def _twin(here: dict[str, Handler], module: str) -> Handler | None:
    """Return the same function as of a module that is imported as `__main__` and by its name."""
    if module != "__main__":
        return here.get("__main__")
    return next((handler for other, handler in here.items() if other != module), None)


default_router: Router = Router()
"""The router that `on` belongs to, and that a Receiver uses unless given another."""

_routers: dict[str, Router] = {"coffrify_webhooks.events": default_router}


def router_of(package: str) -> Router:
    """Return the router of a generated package, whose `on` registers handlers of its events.

    The events of the bundled package belong to the default router; those of any other have one
    router of their own, beside it: the bundled events and the default router's handlers count too.
    """
    if package not in _routers:
        _routers[package] = Router(registry=Registry(package, bundled), beside=default_router)
    return _routers[package]


def known_routers() -> tuple[Router, ...]:
    """Return the default router, and that of each generated package in use."""
    return tuple(_routers.values())


if TYPE_CHECKING:
    on: Registrar
else:
    on = default_router.on
