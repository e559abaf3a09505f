"""Names the class and the module of each event type."""

import hashlib
import keyword
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from coffrify_webhooks_codegen.catalog import CatalogError

__all__ = ["EventName", "NameClashError", "camel", "event_names", "is_reserved", "is_usable"]

# What generated modules import or define themselves.
_TAKEN = {
    "Annotated",
    "Any",
    "CATALOG_SHA256",
    "Callable",
    "Concatenate",
    "Date",
    "Event",
    "EventModel",
    "EventModelUnused",
    "Field",
    "Literal",
    "LooseModel",
    "On",
    "Optional",
    "ParamSpec",
    "Protocol",
    "Registrar",
    "Timestamp",
    "TypeVar",
    "UUID",
    "Union",
    "UnknownEvent",
    "Uuid",
}
_TYPE_VARIABLE = re.compile(r"E\d?|P|R|EVENTS|TYPE_CHECKING")
# Windows cannot create files of these names.
_DEVICES = {
    "aux",
    "con",
    "nul",
    "prn",
    *(f"{kind}{n}" for kind in ("com", "lpt") for n in range(10)),
}
# An attribute of every generated package, which a module of that name would hide.
_ATTRIBUTES = {"on"}
_CLASS = re.compile(r"[A-Z][A-Za-z0-9_]{0,99}")
_MODULE = re.compile(r"[a-z][a-z0-9_]{0,99}")
_LONGEST = 80


@dataclass(frozen=True)
class EventName:
    """The names of one event type."""

    type: str
    class_name: str
    module: str


class NameClashError(CatalogError):
    """Two event types whose classes would have the same name."""


def event_names(
    types: Iterable[str],
    locked: Mapping[str, EventName] | None = None,
    shared: Collection[str] = (),
) -> dict[str, EventName]:
    """Name every event type; names in `locked` were given before and are kept.

    shared: the names of classes that belong to no event. Raises NameClashError if two types would
    share a name; a line in the lock can give one of them another.
    """
    given = locked or {}
    classes = {name.class_name: name.type for name in given.values()}
    modules = {name.module: name.type for name in given.values()}
    names: dict[str, EventName] = {}
    order = list(types)
    for event_type in sorted(set(order)):
        name = given.get(event_type) or _new_name(event_type, shared)
        names[event_type] = name
        for owners, spelled in ((classes, name.class_name), (modules, name.module)):
            owner = owners.setdefault(spelled, event_type)
            if owner != event_type:
                other = f" (/data/{order.index(owner)}/type)" if owner in order else ""
                raise NameClashError(
                    f"{event_type}: /data/{order.index(event_type)}/type: it would be called "
                    f"{spelled}, as {owner}{other} is; give it other names in names.json, beside "
                    f'the generated classes: {{"events": {{"{event_type}": '
                    '{"class": "...", "module": "..."}}}'
                )
    return names


def _new_name(event_type: str, shared: Collection[str]) -> EventName:
    words = _words(event_type)
    class_name = _class_name(words)
    if class_name in shared:  # the class that was there first keeps its name
        class_name += "Event"
    return EventName(event_type, class_name, _module(words))


def is_usable(name: EventName) -> bool:
    """Tell whether a class and a module can have these names."""
    return (
        bool(_CLASS.fullmatch(name.class_name) and _MODULE.fullmatch(name.module))
        and not is_reserved(name.class_name)
        and not _is_taken_module(name.module)
    )


def camel(text: str) -> str:
    """Turn a text into a part of a class name: `scan_status` becomes `ScanStatus`."""
    return "".join(word[0].upper() + word[1:] for word in _words(text))[:_LONGEST]


def is_reserved(name: str) -> bool:
    """Tell whether a class of this name would break the module it stands in."""
    return name in _TAKEN or keyword.iskeyword(name) or bool(_TYPE_VARIABLE.fullmatch(name))


def _words(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    # A text without any letter or digit gets a name too, always the same one.
    return re.findall(r"[A-Za-z0-9]+", plain) or [_mark(text)]


def _mark(text: str) -> str:
    return "x" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:6]


def _class_name(words: list[str]) -> str:
    name = "".join(word[0].upper() + word[1:] for word in words)
    if name[0].isdigit():
        name = f"Event{name}"
    return f"{name}Event" if is_reserved(name) else _shorten(name)


def _module(words: list[str]) -> str:
    name = "_".join(word.lower() for word in words)
    if name[0].isdigit():
        name = f"event_{name}"
    return f"{name}_event" if _is_taken_module(name) else _shorten(name)


def _is_taken_module(name: str) -> bool:
    return keyword.iskeyword(name) or name in _DEVICES or name in _ATTRIBUTES


def _shorten(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 7]}{_mark(name)}"
