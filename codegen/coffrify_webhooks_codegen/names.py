"""Names: what the class and the module of an event type are called."""

import hashlib
import keyword
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["EventName", "camel", "event_names", "is_reserved"]

# What generated modules import or define themselves.
_TAKEN = {
    "Annotated",
    "Any",
    "Callable",
    "Concatenate",
    "Event",
    "EventModel",
    "EventModelUnused",
    "Field",
    "Literal",
    "On",
    "Optional",
    "ParamSpec",
    "Protocol",
    "Registrar",
    "Timestamp",
    "TypeVar",
    "UUID",
    "UnknownEvent",
}
_TYPE_VARIABLE = re.compile(r"E\d?|P|R|EVENTS|TYPE_CHECKING")
# Files of these names cannot be made on Windows.
_DEVICES = {
    "aux",
    "con",
    "nul",
    "prn",
    *(f"{kind}{n}" for kind in ("com", "lpt") for n in range(10)),
}
_LONGEST = 80


@dataclass(frozen=True)
class EventName:
    """The names of one event type."""

    type: str
    class_name: str
    module: str


def event_names(types: Iterable[str]) -> dict[str, EventName]:
    """Name every event type; of several that would share a name, the first in order keeps it."""
    names: dict[str, EventName] = {}
    taken: set[str] = set()
    for event_type in sorted(set(types)):
        words = _words(event_type)
        class_name, module = _class_name(words), _module(words)
        if class_name.casefold() in taken or module in taken:
            mark = _mark(event_type)
            class_name, module = f"{class_name}{mark.capitalize()}", f"{module}_{mark}"
        taken |= {class_name.casefold(), module}
        names[event_type] = EventName(event_type, class_name, module)
    return names


def camel(text: str) -> str:
    """Spell a text as a part of a class name: `scan_status` becomes `ScanStatus`."""
    return "".join(word[0].upper() + word[1:] for word in _words(text))[:_LONGEST]


def is_reserved(name: str) -> bool:
    """Tell whether a class of this name would break the module it stands in."""
    return name in _TAKEN or keyword.iskeyword(name) or bool(_TYPE_VARIABLE.fullmatch(name))


def _words(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    # A text that has nothing to spell gets a name all the same, and always the same one.
    return re.findall(r"[A-Za-z0-9]+", plain) or [_mark(text)]


def _mark(text: str) -> str:
    return "x" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:6]


def _class_name(words: list[str]) -> str:
    name = "".join(word[0].upper() + word[1:] for word in words)
    if name[0].isdigit():
        name = f"Event{name}"
    return f"{name}Event" if is_reserved(name) else _short(name)


def _module(words: list[str]) -> str:
    name = "_".join(word.lower() for word in words)
    if name[0].isdigit():
        name = f"event_{name}"
    return f"{name}_event" if keyword.iskeyword(name) or name in _DEVICES else _short(name)


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 7]}{_mark(name)}"
