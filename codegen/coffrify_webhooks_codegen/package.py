"""Generates the package: one module per event type behind a lazy registry."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from coffrify_webhooks_codegen.catalog import Catalog, CatalogError
from coffrify_webhooks_codegen.digest import digest
from coffrify_webhooks_codegen.schema.depth import limit_depth
from coffrify_webhooks_codegen.schema.lower import lower

from .classes.attribute_names import attribute_names, keys_of
from .classes.class_names import name_classes
from .classes.event_names import event_names
from .classes.folder import FIRST_LINE, TYPED, find_differences, refuse_foreign, replace
from .classes.lock import FILE, Lock, read
from .classes.overloads import overloads_module
from .classes.registry import registry_module, stub_module
from .classes.render import event_module, shared_module

__all__ = ["Progress", "Warn", "check", "digest", "files", "write"]

Progress: TypeAlias = Callable[[int, int], None]
"""Called with the number of events done, and of all events."""

Warn: TypeAlias = Callable[[str], None]
"""Called once for each event whose classes omit something, with its type and place."""

_FEW = 3


def files(
    catalog: Catalog,
    lock: Lock | None = None,
    progress: Progress | None = None,
    warn: Warn | None = None,
) -> dict[str, str]:
    """Return the text of each file of the package by its name.

    lock: the names given before. Raises CatalogError if two events would share a name, or if there
    are no events.
    """
    if not catalog.events:
        raise CatalogError("the catalog lists no events: /data is empty")
    lock = lock or Lock()
    events = {event.type: event for event in catalog.events}
    names = event_names(events, lock.events, lock.shared)
    lowered = {event: limit_depth(lower(events[event].schema)) for event in sorted(events)}
    for event, item in lowered.items():
        if warn is not None and item.warnings:
            warn(f"{event}: {catalog.place(event)}: {_first_warnings(item.warnings)}")
    named = name_classes(lowered, names)
    attributes = attribute_names(keys_of(named.shared, *named.own.values()), lock.fields)
    made = {
        "__init__.py": registry_module(names.values(), named.public, digest(catalog)),
        "__init__.pyi": stub_module(names.values(), named.public),
        "_overloads.py": overloads_module(names.values()),
        "_shared.py": shared_module(named.shared, attributes),
    }
    for done, (event, name) in enumerate(names.items(), start=1):
        description = lower({"description": events[event].description}).schema.get("description")
        try:
            made[f"{name.module}.py"] = event_module(
                name,
                description or "",
                named.data[event],
                named.own[event],
                attributes,
            )
        except Exception as error:
            # Whatever a stranger's schema does to the renderer, the error names the event.
            place = catalog.place(event)
            raise CatalogError(f"{event}: {place}: no classes can be generated from it") from error
        if progress is not None:
            progress(done, len(names))
    sources = {
        name: f"{FIRST_LINE}\n\n{text}".strip() + "\n" for name, text in sorted(made.items())
    }
    kept = Lock({**lock.events, **names}, lock.shared.union(named.public), attributes)
    return {**sources, FILE: kept.text(), TYPED: ""}


def write(
    catalog: Catalog, output: Path, progress: Progress | None = None, warn: Warn | None = None
) -> list[str]:
    """Write the package; every file is generated before the first one is replaced.

    Returns the names of the files that changed; without changes, nothing is written.
    """
    made = files(catalog, read(output), progress, warn)
    changed = find_differences(made, output)
    if changed:
        refuse_foreign(made, output)
        replace(made, output)
    return changed


def check(
    catalog: Catalog, output: Path, progress: Progress | None = None, warn: Warn | None = None
) -> list[str]:
    """Compare with the files on disk; return the names of those that differ."""
    return find_differences(files(catalog, read(output), progress, warn), output)


def _first_warnings(warnings: Sequence[str]) -> str:
    more = len(warnings) - _FEW
    return "; ".join(warnings[:_FEW]) + (f"; and {more} more" if more > 0 else "")
