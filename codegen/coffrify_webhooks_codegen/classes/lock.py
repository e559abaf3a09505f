"""The names lock: the names given so far, stored beside the generated classes.

It records the class of each event type and the attribute of each property, so a name that programs
use never changes or gets another meaning when the catalog changes. The generator writes the file;
it may be edited, for example to name an event whose class would clash.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coffrify_webhooks_codegen.catalog import CatalogError
from coffrify_webhooks_codegen.json_types import is_list, is_mapping

from .attribute_names import is_attribute
from .event_names import EventName, is_usable

__all__ = ["FILE", "Lock", "read"]

FILE = "names.json"
_ABOUT = (
    "The class and module of each event type, the classes that events share, and the attribute of "
    "each field. Names stay as they are here when the catalog changes; edit a line to give an "
    "event or a field another name."
)


@dataclass(frozen=True)
class Lock:
    """The names that were given before."""

    events: Mapping[str, EventName] = field(default_factory=dict[str, EventName])
    shared: frozenset[str] = frozenset()
    fields: Mapping[str, str] = field(default_factory=dict[str, str])
    """By property: its attribute in every class."""

    def text(self) -> str:
        """Return the text of the file."""
        document = {
            "about": _ABOUT,
            "events": {
                name.type: {"class": name.class_name, "module": name.module}
                for name in sorted(self.events.values(), key=lambda name: name.type)
            },
            "shared": sorted(self.shared),
            "fields": dict(sorted(self.fields.items())),
        }
        return json.dumps(document, indent=2) + "\n"


def read(folder: Path) -> Lock:
    """Read the lock of a generated package; without a file it is empty.

    Raises CatalogError for a file that is not a names lock.
    """
    path = folder / FILE
    try:
        document: object = json.loads(path.read_bytes())
    except FileNotFoundError:
        return Lock()
    except OSError as error:
        raise CatalogError(f"{path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise CatalogError(f"{path}: not valid JSON; restore it, or delete it") from error
    events, shared, fields = (_part(document, part) for part in ("events", "shared", "fields"))
    if fields is None:  # a lock of an earlier version
        fields = dict[str, str]()
    if not (is_mapping(events) and is_list(shared) and is_mapping(fields)):
        raise CatalogError(f"{path}: not a names lock; restore it, or delete it")
    names = {event: _name(path, event, entry) for event, entry in events.items()}
    classes = frozenset(name for name in shared if isinstance(name, str))
    return Lock(names, classes, _attributes(path, fields))


def _attributes(path: Path, fields: Mapping[str, object]) -> dict[str, str]:
    found: dict[str, str] = {}
    owners: dict[str, str] = {}
    for key, name in fields.items():
        if not isinstance(name, str) or not is_attribute(name):
            raise CatalogError(
                f"{path}: fields: {json.dumps(key)}: {json.dumps(name)[:80]} cannot be used; name "
                "an identifier that neither Python nor pydantic reserves"
            )
        if (owner := owners.setdefault(name, key)) != key:
            raise CatalogError(
                f"{path}: fields: {json.dumps(owner)} and {json.dumps(key)} are both called "
                f"{name}; give one of them another name"
            )
        found[key] = name
    return found


def _part(document: object, key: str) -> Any:
    return document.get(key) if is_mapping(document) else None


def _name(path: Path, event: str, entry: object) -> EventName:
    class_name, module = _part(entry, "class"), _part(entry, "module")
    if not (isinstance(class_name, str) and isinstance(module, str)):
        needs = '{"class": ..., "module": ...}'
        raise CatalogError(f"{path}: {json.dumps(event)}: needs {needs}")
    name = EventName(event, class_name, module)
    if not is_usable(name):
        raise CatalogError(
            f"{path}: {json.dumps(event)}: {class_name!r} in {module!r} cannot be used; name a "
            "CamelCase class and a lower_case module that Python does not reserve"
        )
    return name
