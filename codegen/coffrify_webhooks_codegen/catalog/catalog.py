"""The catalog of event types, read and checked."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from coffrify_webhooks_codegen.errors import CatalogError
from coffrify_webhooks_codegen.json_types import is_list, is_mapping

from .reading import UnreadableError, fault_in, read_json

__all__ = ["Catalog", "CatalogEvent", "load"]

_BUNDLED = Path(__file__).parent.with_name("catalog.json")
_STABILITIES = ("stable", "beta")
# The vendor has not said what these two keys are called.
_SCHEMA_KEYS = ("schema", "json_schema", "payload_schema")
_EXAMPLE_KEYS = ("example", "sample")
_LONGEST_TYPE = 200
_MISSING = object()
_ALL = "the document"


@dataclass(frozen=True)
class CatalogEvent:
    """One event type of the catalog.

    Classes are generated from `type` and `schema`, so these must be well formed. Everything else is
    for people to read; malformed parts of it are treated as absent.
    """

    type: str
    family: str
    stability: str
    badges: tuple[str, ...] = ()
    required_plan: str | None = None
    description: str = ""
    schema: Mapping[str, Any] | bool = True
    """The JSON schema of the event's `data`, as the catalog has it; True allows anything."""
    example: Mapping[str, Any] | None = None
    """A complete event body; None if the catalog has no example."""


@dataclass(frozen=True)
class Catalog:
    """Every event type, in the catalog's own order."""

    events: tuple[CatalogEvent, ...]
    note: str = ""
    document: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    """The document it was read from."""

    def place(self, event_type: str) -> str:
        """Return the JSON pointer to an event's schema."""
        for index, entry in enumerate(self.document.get("data", ())):
            if entry.get("type") == event_type:
                return f"/data/{index}/{_key(entry, _SCHEMA_KEYS)}"
        return "/data"


def load(source: Path | str | Mapping[str, Any] | None = None) -> Catalog:
    """Read a catalog from a file or a parsed document; by default, the bundled one."""
    if isinstance(source, Mapping):
        return _catalog(source)
    path = Path(source) if source is not None else _BUNDLED
    try:
        document = read_json(path.read_bytes())
    except FileNotFoundError as error:
        raise CatalogError(
            f"{path}: {error.strerror}; `coffrify-webhooks catalog pull -o FILE` gets a catalog"
        ) from error
    except OSError as error:
        raise CatalogError(f"{path}: {error.strerror or error}") from error
    except UnreadableError as error:
        raise CatalogError(f"{path}: not valid JSON: {error}") from error
    return _catalog(document)


def _catalog(document: object) -> Catalog:
    if not is_mapping(document):
        _fail("", "the catalog", "an object", document)
    data = document.get("data", _MISSING)
    if (fault := fault_in(document)) is not None:
        raise CatalogError(f"{_owner(data, fault.pointer)}: {fault.pointer or _ALL} {fault.words}")
    if not is_list(data):
        _fail("/data", "the catalog", "a list of events", data)
    events = tuple(_event(item, f"/data/{index}") for index, item in enumerate(data))
    first_seen: dict[str, int] = {}
    for index, event in enumerate(events):
        earlier = first_seen.setdefault(event.type, index)
        if earlier != index:
            raise CatalogError(f"{event.type}: listed twice, at /data/{earlier} and /data/{index}")
    note = document.get("note")
    return Catalog(events, note if isinstance(note, str) else "", document)


def _owner(data: object, pointer: str) -> str:
    """Return the event type that a pointer belongs to, or else "the catalog"."""
    _, *parts = pointer.split("/")
    match parts:
        case ["data", index, *_] if is_list(data):
            entry = data[int(index)]
        case _:
            return "the catalog"
    name = entry.get("type") if is_mapping(entry) else None
    return name if type(name) is str and _is_name(name) else "an event"


def _event(item: object, pointer: str) -> CatalogEvent:
    if not is_mapping(item):
        _fail(pointer, "an event", "an object", item)
    name = item.get("type", _MISSING)
    if not isinstance(name, str) or not _is_name(name):
        wanted = f"printable text of 1 to {_LONGEST_TYPE} characters"
        _fail(f"{pointer}/type", "an event", wanted, name)
    # An unknown value must not stop the generator: whatever is not stable may change.
    stability = _text(item, "stability") or "stable"
    example = item.get(_key(item, _EXAMPLE_KEYS))
    if is_mapping(example) and "type" not in example:
        # The vendor has not said whether an example is a whole body or its data alone.
        example = {"type": name, "data": example}
    return CatalogEvent(
        type=name,
        family=_text(item, "family") or name.partition(".")[0],
        stability=stability if stability in _STABILITIES else "beta",
        badges=_texts(item, "badges"),
        required_plan=_text(item, "required_plan") or None,
        description=_text(item, "description"),
        schema=_schema(item, name, pointer),
        example=example if is_mapping(example) and example["type"] == name else None,
    )


def _schema(entry: Mapping[str, Any], name: str, pointer: str) -> Mapping[str, Any] | bool:
    key = _key(entry, _SCHEMA_KEYS)
    value = entry.get(key)
    if value is None:
        return True
    if not isinstance(value, bool) and not is_mapping(value):
        _fail(f"{pointer}/{key}", name, "an object", value)
    return value


def _key(entry: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    return next((key for key in keys if entry.get(key) is not None), keys[0])


def _text(entry: Mapping[str, Any], key: str) -> str:
    value = entry.get(key)
    return value if isinstance(value, str) else ""


def _texts(entry: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = entry.get(key)
    listed = value if is_list(value) else []
    return tuple(item for item in listed if isinstance(item, str))


def _is_name(name: str) -> bool:
    return 0 < len(name) <= _LONGEST_TYPE and name.isprintable() and not name.isspace()


def _fail(pointer: str, name: str, wanted: str, found: object) -> NoReturn:
    raise CatalogError(f"{name}: {pointer or _ALL} should be {wanted}, found {_describe(found)}")


def _describe(found: object) -> str:
    """Describe a value briefly; the contents of lists and objects are never shown."""
    if found is _MISSING:
        return "nothing"
    if is_mapping(found) or is_list(found):
        return "a list" if is_list(found) else "an object"
    if isinstance(found, str):
        return f"the text {json.dumps(found[:40])}"
    number = not isinstance(found, bool) and found is not None
    return f"{'the number ' if number else ''}{json.dumps(found)}"[:60]
