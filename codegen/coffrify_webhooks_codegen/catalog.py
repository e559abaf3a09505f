"""The catalog: which event types exist, and what each of them carries."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from coffrify_webhooks_codegen.shape import is_list, is_mapping

if TYPE_CHECKING:
    from coffrify_webhooks_codegen.client import pull
    from coffrify_webhooks_codegen.poll import poll

__all__ = ["Catalog", "CatalogError", "CatalogEvent", "load", "poll", "pull"]

_BUNDLED = Path(__file__).with_name("catalog.json")
_STABILITIES = ("stable", "beta")
# The vendor has not said what these two keys are called.
_SCHEMA_KEYS = ("schema", "json_schema", "payload_schema")
_EXAMPLE_KEYS = ("example", "sample")
_LONGEST_TYPE = 200
# No honest catalog comes near it, and all that walk a catalog may count on it.
_DEEPEST = 200


class CatalogError(Exception):
    """A catalog that cannot be read; the message says which event and where in the document."""


@dataclass(frozen=True)
class CatalogEvent:
    """One event type of the catalog."""

    type: str
    family: str
    stability: str
    badges: tuple[str, ...] = ()
    required_plan: str | None = None
    description: str = ""
    schema: Mapping[str, Any] | bool = True
    """The JSON schema of the event's `data`, as the catalog has it; True allows anything."""
    example: Mapping[str, Any] | None = None
    """A whole body; None if the catalog gives none."""


@dataclass(frozen=True)
class Catalog:
    """Every event type, in the catalog's own order."""

    events: tuple[CatalogEvent, ...]
    note: str = ""
    document: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    """What it was read from."""


def load(source: Path | str | Mapping[str, Any] | None = None) -> Catalog:
    """Read a catalog from a file or from a parsed document; without either, the bundled one."""
    if isinstance(source, Mapping):
        return _catalog(source)
    path = Path(source) if source is not None else _BUNDLED
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise CatalogError(f"{path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise CatalogError(f"{path}: not readable as JSON: {error}") from error
    return _catalog(document)


def __getattr__(name: str) -> object:
    """Import `pull` and `poll` when first asked for: they need this module, and few need them."""
    if name not in ("poll", "pull"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = import_module(f"coffrify_webhooks_codegen.{'client' if name == 'pull' else name}")
    return getattr(found, name)


def _catalog(document: object) -> Catalog:
    if not is_mapping(document):
        _fail("", "the catalog", "an object", document)
    items = document
    data = items.get("data")
    if not is_list(data):
        _fail("/data", "the catalog", "a list of events", data)
    entries = data
    events = tuple(_event(item, f"/data/{index}") for index, item in enumerate(entries))
    first_seen: dict[str, int] = {}
    for index, event in enumerate(events):
        earlier = first_seen.setdefault(event.type, index)
        if earlier != index:
            raise CatalogError(f"{event.type}: listed twice, at /data/{earlier} and /data/{index}")
    note = items.get("note")
    return Catalog(events, note if isinstance(note, str) else "", items)


def _event(item: object, pointer: str) -> CatalogEvent:
    if not is_mapping(item):
        _fail(pointer, "an event", "an object", item)
    entry = item
    name = entry.get("type")
    if not isinstance(name, str) or not _is_name(name):
        _fail(
            f"{pointer}/type",
            "an event",
            f"printable text of 1 to {_LONGEST_TYPE} characters",
            name,
        )
    if (deep := _too_deep(entry)) is not None:
        raise CatalogError(f"{name}: {pointer}/{deep}: is nested more than {_DEEPEST} levels deep")
    reader = _Reader(entry, name, pointer)
    stability = reader.text("stability", "stable")
    if stability not in _STABILITIES:
        # A word of tomorrow must not stop the generator: whatever is not stable may change.
        stability = "beta"
    example = reader.mapping(_EXAMPLE_KEYS)
    if example is not None and "type" not in example:
        # The vendor has not said whether an example is a whole body or its data alone.
        example = {"type": name, "data": example}
    if example is not None and example["type"] != name:
        reader.fail(f"{reader.key(_EXAMPLE_KEYS)}/type", f'"{name}"', example["type"])
    return CatalogEvent(
        type=name,
        family=reader.text("family", name.partition(".")[0]),
        stability=stability,
        badges=reader.texts("badges"),
        required_plan=reader.text("required_plan", "") or None,
        description=reader.text("description", ""),
        schema=reader.schema(),
        example=example,
    )


def _too_deep(entry: Mapping[str, Any]) -> str | None:
    """Return the key under which the entry is nested too deeply; None if it is not."""
    for key, value in entry.items():
        level: list[Any] = [value]
        for _ in range(_DEEPEST):
            level = [inner for item in level for inner in _inside(item)]
        if level:
            return key
    return None


def _inside(value: object) -> Iterable[Any]:
    if is_mapping(value):
        return value.values()
    return value if is_list(value) else ()


def _is_name(name: str) -> bool:
    return 0 < len(name) <= _LONGEST_TYPE and name.isprintable() and not name.isspace()


@dataclass(frozen=True)
class _Reader:
    """Takes the keys of one entry, and names the event and the place when one is malformed."""

    entry: Mapping[str, Any]
    name: str
    pointer: str

    def fail(self, key: str, wanted: str, found: object) -> NoReturn:
        _fail(f"{self.pointer}/{key}", self.name, wanted, found)

    def key(self, keys: tuple[str, ...]) -> str:
        return next((key for key in keys if self.entry.get(key) is not None), keys[0])

    def text(self, key: str, default: str) -> str:
        value = self.entry.get(key)
        if value is None:
            return default
        if not isinstance(value, str):
            self.fail(key, "text", value)
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.entry.get(key)
        if value is None:
            return ()
        if not is_list(value):
            self.fail(key, "a list of texts", value)
        for index, item in enumerate(value):
            if not isinstance(item, str):
                self.fail(f"{key}/{index}", "text", item)
        return tuple(value)

    def mapping(self, keys: tuple[str, ...]) -> Mapping[str, Any] | None:
        key = self.key(keys)
        value = self.entry.get(key)
        if value is not None and not is_mapping(value):
            self.fail(key, "an object", value)
        return value

    def schema(self) -> Mapping[str, Any] | bool:
        value = self.entry.get(self.key(_SCHEMA_KEYS))
        if isinstance(value, bool):
            return value
        mapping = self.mapping(_SCHEMA_KEYS)
        return True if mapping is None else mapping


def _fail(pointer: str, name: str, wanted: str, found: object) -> NoReturn:
    kind = "nothing" if found is None else type(found).__name__
    if isinstance(found, (str, int, float)):
        # Never the whole of it, and never the inside of a list or an object.
        kind += f" {found[:40] if isinstance(found, str) else found!a}"[:60]
    raise CatalogError(f"{name}: {pointer or '/'} should be {wanted}, found {kind}")
