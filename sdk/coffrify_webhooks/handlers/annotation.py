"""Which events a handler's first parameter is annotated for; nothing is imported to find out."""

import ast
import builtins
import inspect
import sys
from collections import ChainMap
from collections.abc import Callable, Iterable
from types import ModuleType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from coffrify_webhooks.delivery import Delivery
from coffrify_webhooks.event import Event, EventModel, UnknownEvent
from coffrify_webhooks.parsing.registry import Registry

__all__ = ["UNKNOWN", "accepted_types", "signature_of", "type_of"]

UNKNOWN = "\0unknown"
"""Stands for every type that has no class: what `on(UnknownEvent)` selects."""

Types = frozenset[str]

_NAMES = ("__forward_arg__", "__value__", "__supertype__")
"""The attributes by which the name in Optional["Ping"], a `type` statement and a NewType refer."""
_NO_EVENTS = (dict, list, tuple, set, str, bytes, int, float, bool, Delivery)
"""Types that a first parameter may be annotated with by mistake: no event has them."""


def accepted_types(fn: Callable[..., Any], annotation: Any, registry: Registry) -> Types | None:
    """Return the types of the event classes that an annotation names; None if it takes any event.

    Nothing for a dict, a str, an event's data and the like. None for any other that is neither an
    event class nor a union of them, and for a text that cannot be resolved: that is left to type
    checkers.
    """
    try:
        return _Reader(fn, registry).read(annotation)
    except Exception:  # an annotation may be anything, and run anything
        return None


if sys.version_info >= (3, 14):
    from annotationlib import Format

    def signature_of(fn: Callable[..., Any]) -> inspect.Signature:
        """Return a callable's signature, even if its annotations name what is not there.

        An annotation is evaluated when it is asked for (PEP 649), so without a `__future__` import
        a name that only type checkers import raises here; such annotations are returned as texts.
        Raises TypeError or ValueError for a builtin that does not tell.
        """
        try:
            return inspect.signature(fn)
        except Exception:  # an annotation may run anything
            return inspect.signature(fn, annotation_format=Format.STRING)

else:
    signature_of = inspect.signature


def type_of(event_class: type[Event]) -> str | None:
    """Return the event type that a generated class stands for."""
    field = event_class.model_fields.get("type")
    names = get_args(field.annotation) if field else ()
    return str(names[0]) if len(names) == 1 else None


_BUILTINS = {**vars(builtins)}


class _Reader:
    """Reads one function's annotations."""

    def __init__(self, fn: Callable[..., Any], registry: Registry) -> None:
        fn = inspect.unwrap(getattr(fn, "func", fn))  # of a functools.partial
        fn = getattr(fn, "__func__", fn)
        if not hasattr(fn, "__globals__"):
            fn = getattr(type(fn).__call__, "__func__", type(fn).__call__)
        cells = zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=False)
        closed_over = {name: cell.cell_contents for name, cell in cells}
        # Not copied: a module of many handlers has as many names.
        scopes = closed_over, getattr(fn, "__globals__", {}), _BUILTINS
        self._names: ChainMap[str, Any] = ChainMap(*scopes)
        self._registry = registry

    def read(self, annotation: Any) -> Types | None:
        if isinstance(annotation, str):
            return self._node(ast.parse(annotation.strip(), mode="eval").body)
        if isinstance(annotation, type):
            return self._class(annotation)
        for name in _NAMES:
            if hasattr(annotation, name):
                return self.read(getattr(annotation, name))
        origin = get_origin(annotation)
        if origin in (Union, UnionType):
            return self._union(map(self.read, get_args(annotation)))
        if origin is Annotated:
            return self.read(get_args(annotation)[0])
        return self._class(origin) if isinstance(origin, type) else None

    def _class(self, found: type[Any]) -> Types | None:
        if found is type(None) or found in _NO_EVENTS or issubclass(found, EventModel):
            return Types()
        if found is UnknownEvent:
            return Types([UNKNOWN])
        if not issubclass(found, Event) or found is Event:
            return None
        name = type_of(found)
        return None if name is None else Types([name])

    def _union(self, members: Iterable[Types | None]) -> Types | None:
        found: Types = Types()
        for member in members:
            if member is None:
                return None
            found |= member
        return found

    def _node(self, node: ast.expr) -> Types | None:  # one for each form
        match node:
            case ast.Constant(value=None):
                return Types()
            case ast.Constant(value=str(text)):
                return self.read(text)
            case ast.Name(id=name):
                return self._resolve_name(self._names, name)
            case ast.Attribute(value=ast.Name(id=home), attr=name):
                module = self._names.get(home)
                return self._resolve_name(
                    vars(module) if isinstance(module, ModuleType) else {}, name
                )
            case ast.Attribute(attr=name):
                return self._resolve_name({}, name)
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                return self._union([self._node(left), self._node(right)])
            case ast.Subscript(value=ast.Name(id=name) | ast.Attribute(attr=name), slice=inner):
                members = inner.elts if isinstance(inner, ast.Tuple) else [inner]
                if name in ("Union", "Optional"):
                    return self._union(map(self._node, members))
                return self._node(members[0] if name == "Annotated" else node.value)
            case _:
                return None

    def _resolve_name(self, names: Any, name: str) -> Types | None:
        if name in names:
            return self.read(names[name])
        if name == UnknownEvent.__name__:
            return Types([UNKNOWN])
        # Imported for type checkers alone, or not loaded yet.
        return Types(self._registry.types_named(name)) or None
