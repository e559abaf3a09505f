"""The names lock: which class stands for which event type, kept beside the generated classes.

A name that programs import never changes because of what the catalog gains later. The file is
written by the generator and may be edited, to name an event whose class would clash.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coffrify_webhooks_codegen.catalog import CatalogError
from coffrify_webhooks_codegen.names import EventName, is_usable
from coffrify_webhooks_codegen.shape import is_list, is_mapping

__all__ = ["FILE", "Lock", "read"]

FILE = "names.json"
_ABOUT = (
    "The class and module of each event type, and the classes that events share. Names stay as "
    "they are here when the catalog changes; edit a line to give an event another name."
)


@dataclass(frozen=True)
class Lock:
    """The names that were given before."""

    events: Mapping[str, EventName] = field(default_factory=dict[str, EventName])
    shared: frozenset[str] = frozenset()

    def text(self) -> str:
        """Spell the lock as the text of its file."""
        document = {
            "about": _ABOUT,
            "events": {
                name.type: {"class": name.class_name, "module": name.module}
                for name in sorted(self.events.values(), key=lambda name: name.type)
            },
            "shared": sorted(self.shared),
        }
        return json.dumps(document, indent=2) + "\n"


def read(folder: Path) -> Lock:
    """Read the lock of a generated package; an empty one if there is none yet.

    Raises CatalogError for a file that is not such a lock.
    """
    path = folder / FILE
    try:
        document: object = json.loads(path.read_bytes())
    except FileNotFoundError:
        return Lock()
    except OSError as error:
        raise CatalogError(f"{path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise CatalogError(f"{path}: not readable as JSON; restore it, or delete it") from error
    events, shared = _part(document, "events"), _part(document, "shared")
    if not is_mapping(events) or not is_list(shared):
        raise CatalogError(f"{path}: not a names lock; restore it, or delete it")
    names = {event: _name(path, event, entry) for event, entry in events.items()}
    return Lock(names, frozenset(name for name in shared if isinstance(name, str)))


def _part(document: object, key: str) -> Any:
    return document.get(key) if is_mapping(document) else None


def _name(path: Path, event: str, entry: object) -> EventName:
    class_name, module = _part(entry, "class"), _part(entry, "module")
    if not (isinstance(class_name, str) and isinstance(module, str)):
        raise CatalogError(f'{path}: {event}: needs {{"class": ..., "module": ...}}')
    name = EventName(event, class_name, module)
    if not is_usable(name):
        raise CatalogError(
            f"{path}: {event}: {class_name!r} in {module!r} cannot be used; name a CamelCase "
            "class and a lower_case module that Python does not reserve"
        )
    return name
