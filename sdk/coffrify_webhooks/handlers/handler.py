"""A handler: the function, what it takes, and the context in which it runs."""

import inspect
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from copy import copy
from typing import Any, NamedTuple, TypeAlias, get_args

from coffrify_webhooks.delivery import Delivery
from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.event import Event

from .annotation import UNKNOWN, signature_of
from .order import Order

__all__ = ["Context", "Handler", "is_async_callable"]

Context: TypeAlias = Callable[[], AbstractContextManager[object]]
"""Returns what a handler runs in, such as an application's context."""


class Handler:
    """A function, the events it wants, and the stable name under which its runs are recorded."""

    __slots__ = (
        "annotation",
        "atomic",
        "fn",
        "is_async",
        "name",
        "order",
        "patterns",
        "takes_connection",
        "takes_delivery",
    )

    def __init__(
        self,
        fn: Callable[..., Any],
        name: str,
        patterns: tuple[str, ...],
        *,
        atomic: bool = False,
        order: Order | None = None,
    ) -> None:
        self.fn: Callable[..., Any] = fn
        self.name: str = name
        self.patterns: tuple[str, ...] = patterns
        self.atomic: bool = atomic
        self.order: Order | None = order
        taken = _parameters_of(fn, name, atomic=atomic)
        self.takes_delivery: bool = taken.delivery
        self.takes_connection: bool = taken.connection
        self.annotation: Any = taken.annotation
        self.is_async: bool = is_async_callable(fn)

    def call(self, event: Event, delivery: Delivery, connection: Any = None) -> Any:
        """Call the function with what it takes."""
        arguments = (event, delivery) if self.takes_delivery else (event,)
        if self.takes_connection:
            return self.fn(*arguments, connection=connection)
        return self.fn(*arguments)

    def in_context(self, context: Context) -> "Handler":
        """Return this handler as it runs where each call has a context of its own."""
        inside = copy(self)
        inside.fn = _wrap(context, self)
        return inside

    def wants(self, event_type: str, *, known: bool) -> bool:
        """Tell whether an event of this type is for it."""
        return any(
            pattern in ("*", event_type)
            or (pattern.endswith(".*") and event_type.startswith(pattern[:-1]))
            or (pattern == UNKNOWN and not known)
            for pattern in self.patterns
        )

    def __repr__(self) -> str:
        return f"Handler({self.name!r}, {', '.join(self.patterns)})"


def _wrap(context: Context, handler: Handler) -> Callable[..., Any]:
    fn, finish_later = handler.fn, not handler.atomic

    async def finish(result: Awaitable[Any]) -> Any:
        with context():
            return await result

    def call(*arguments: Any, **options: Any) -> Any:
        with context():
            result = fn(*arguments, **options)
        return finish(result) if finish_later and inspect.isawaitable(result) else result

    async def call_async(*arguments: Any, **options: Any) -> Any:
        with context():
            return await fn(*arguments, **options)

    return call_async if handler.is_async else call


class _Parameters(NamedTuple):
    """What a function takes: the delivery, the connection; how the event is annotated."""

    delivery: bool = False
    connection: bool = False
    annotation: Any = None


def _parameters_of(fn: Callable[..., Any], name: str, *, atomic: bool) -> _Parameters:
    if not callable(fn):
        raise ConfigurationError("on(...) decorates a function")
    both = (fn, getattr(fn, "__call__", None))  # noqa: B004 - an object whose __call__ has it
    if any(inspect.isgeneratorfunction(f) or inspect.isasyncgenfunction(f) for f in both):
        raise ConfigurationError(
            f"{name} has a yield, so calling it would run nothing; a handler is a function "
            "or an async function"
        )
    try:
        parameters = list(signature_of(fn).parameters.values())
    except (TypeError, ValueError):  # a builtin that does not tell
        return _Parameters()
    connection = next((p for p in parameters if atomic and p.name == "connection"), None)
    if connection is not None:
        parameters.remove(connection)
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    variadic = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    needs = [
        p
        for p in parameters
        if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    second = positional[1] if len(positional) > 1 else None
    takes = second is not None and _is_delivery(second.annotation)
    given = positional[: 2 if takes else 1]
    others = ", ".join(p.name for p in needs if p not in given)
    if others or not (positional or variadic):
        raise ConfigurationError(
            f"{name} cannot be called with an event"
            + (f", because it also requires {others}" if others else "")
            + ": a handler takes the event and, if it needs the delivery, a second parameter "
            "annotated Delivery" + (", and one named connection" if atomic else "")
        )
    annotation = positional[0].annotation if positional else None
    return _Parameters(takes, connection is not None, annotation)


def _is_delivery(annotation: Any) -> bool:
    if isinstance(annotation, str):  # from __future__ import annotations
        names = annotation.strip("\"'").split("|")
        return any(name.strip().rpartition(".")[2] == "Delivery" for name in names)
    return annotation is Delivery or Delivery in get_args(annotation)


def is_async_callable(function: object) -> bool:
    """Tell whether what a call returns has to be awaited."""
    call = getattr(function, "__call__", None)  # noqa: B004 - an object whose __call__ is async
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)
