"""Compares two catalogs: how a receiver that was built with OLD is affected by NEW.

The comparison is of what the classes are generated from, the lowered schemas and the names, never
of the text of the schemas. A change is "breaking" if it makes a program fail a type check, an
import or at run time, or makes its annotations wrong, with the classes of OLD or with those of
NEW. The severity depends on the kind alone:

    kind       severity  what happened
    removed    breaking  an event, a field or an alternative with a class of its own is gone
    renamed    breaking  a class has another name or module
    optional   breaking  a required field may be missing now
    nullable   breaking  a value may be null now
    widened    breaking  a value may be of further types now
    changed    breaking  a value is of another type now, or plain JSON became an object with class
    format     breaking  text gained, lost or changed its format: another Python type
    clash      warning   the class of a new event needs a name, written in names.json by hand
    beta       warning   a stable event is called beta: breaking changes may follow
    added      additive  an event or a field, required or not, is new
    required   additive  an optional field is always sent now
    nonnull    additive  a value is never null any more
    narrowed   additive  a value is of fewer types now
    values     additive  known values of a text came or went: handlers compare with `str` anyway
    described, badges, plan, family, example, stable
               additive  for people to read
    rewritten  no-op     the schema is written in another way; no class changes

What is breaking for an event that OLD calls beta is a warning. A field that stays optional cannot
become nullable: it may be None either way. The classes of NEW take the names that OLD gave, as
the names lock has it, so no event's own class is ever renamed, and no attribute.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from coffrify_webhooks_codegen.catalog import Catalog, CatalogEvent
from coffrify_webhooks_codegen.classes.class_names import NamedClasses, name_classes
from coffrify_webhooks_codegen.classes.event_names import EventName, event_names
from coffrify_webhooks_codegen.json_types import is_list, is_mapping
from coffrify_webhooks_codegen.schema.depth import limit_depth
from coffrify_webhooks_codegen.schema.lower import canonical, lower

from .change import BREAKING, Change, Kind, Severity, severity_of
from .compare_types import Comparison, EventVersion

__all__ = ["Change", "Kind", "Severity", "diff"]


def diff(old: Catalog, new: Catalog) -> tuple[Change, ...]:
    """Compare two catalogs; return the changes, the most severe first."""
    before = _NamedCatalog.of(old, {})
    after = _NamedCatalog.of(new, before.names, before.classes.public)
    changes: set[Change] = set()
    for event in before.events.keys() | after.events.keys():
        pair = _Pair(event, before, after)
        found = [*pair.presence(), *pair.metadata(), *pair.data()]
        beta = event in before.events and before.events[event].stability == "beta"
        for path, kind, text in found:
            severity = severity_of(kind)
            if beta and severity == BREAKING:
                severity = "warning"
            changes.add(Change(event, path, kind, severity, text))
    return tuple(sorted(changes, key=Change.rank))


@dataclass(frozen=True)
class _NamedCatalog:
    """A catalog, and the names that its classes get."""

    events: Mapping[str, CatalogEvent]
    names: Mapping[str, EventName]
    clashes: Mapping[str, str]
    """By event type: the event that already has the name it would get."""
    classes: NamedClasses

    @classmethod
    def of(
        cls, catalog: Catalog, locked: Mapping[str, EventName], shared: Collection[str] = ()
    ) -> "_NamedCatalog":
        events = {event.type: event for event in catalog.events}
        names, clashes = _names(events, locked, shared)
        lowered = {event: limit_depth(lower(events[event].schema)) for event in sorted(events)}
        return cls(events, names, clashes, name_classes(lowered, names))

    def version(self, event: str) -> EventVersion:
        return EventVersion(
            data=self.classes.data[event],
            own=self.classes.own[event],
            shared=self.classes.shared,
            module=self.names[event].module,
        )


def _names(
    types: Collection[str], locked: Mapping[str, EventName], shared: Collection[str]
) -> tuple[dict[str, EventName], dict[str, str]]:
    """Name the events one by one: a clash, which the generator refuses, must not stop a diff."""
    owners = {name.class_name: name.type for name in locked.values()}
    owners |= {name.module: name.type for name in locked.values()}
    names: dict[str, EventName] = {}
    clashes: dict[str, str] = {}
    for event in sorted(types):
        given = {event: locked[event]} if event in locked else {}
        name = event_names([event], given, shared)[event]
        spelled = (name.class_name, name.module)
        owner = next((owners[each] for each in spelled if owners.get(each, event) != event), None)
        if owner is not None:
            clashes[event] = owner
            mark = _digest(canonical(event))[:12]  # a stand-in that is this event's alone
            name = EventName(event, f"{name.class_name}X{mark}", f"{name.module}_{mark}")
        owners |= {name.class_name: event, name.module: event}
        names[event] = name
    return names, clashes


@dataclass(frozen=True)
class _Pair:
    """One event type, which is in both catalogs or in one of them."""

    event: str
    before: _NamedCatalog
    after: _NamedCatalog

    def presence(self) -> list[tuple[str, Kind, str]]:
        found: list[tuple[str, Kind, str]] = []
        if self.event not in self.after.events:
            return [("", "removed", "the event is gone")]
        if self.event not in self.before.events:
            found.append(("", "added", "the event is new"))
        owner = self.after.clashes.get(self.event)
        if owner is not None and self.event not in self.before.clashes:
            text = (
                f"would have the same name as {owner}; `codegen` needs a name for it in names.json"
            )
            found.append(("", "clash", text))
        return found

    def metadata(self) -> list[tuple[str, Kind, str]]:
        """Compare everything about the event except its schema."""
        if not self._is_in_both():
            return []
        old, new = self.before.events[self.event], self.after.events[self.event]
        found: list[tuple[str, Kind, str]] = []
        if old.stability != new.stability:
            kind: Kind = "stable" if new.stability == "stable" else "beta"
            found.append(("", kind, f"{old.stability} before, {new.stability} now"))
        if _plain_description(old.description) != _plain_description(new.description):
            found.append(("", "described", "the description has changed"))
        said: tuple[tuple[Kind, object, object], ...] = (
            ("badges", sorted(old.badges), sorted(new.badges)),
            ("plan", old.required_plan, new.required_plan),
            ("family", old.family, new.family),
        )
        for kind_of_change, was, now in said:
            if was != now:
                found.append(("", kind_of_change, f"{canonical(was)} before, {canonical(now)} now"))
        if canonical(old.example) != canonical(new.example):
            found.append(("", "example", "the example has changed"))
        return found

    def data(self) -> list[tuple[str, Kind, str]]:
        """Compare the schemas of the event's data."""
        if not self._is_in_both():
            return []
        comparison = Comparison(self.before.version(self.event), self.after.version(self.event))
        if found := comparison.run():
            return found
        old, new = self.before.events[self.event], self.after.events[self.event]
        if old.schema == new.schema or _digest_unordered(old.schema) == _digest_unordered(
            new.schema
        ):
            return []
        return [("data", "rewritten", "the schema is written differently; no class changes")]

    def _is_in_both(self) -> bool:
        return self.event in self.before.events and self.event in self.after.events


def _plain_description(description: str) -> str:
    """Return the description as a docstring shows it."""
    return str(lower({"description": description}).schema.get("description", ""))


def _digest_unordered(schema: object) -> str:
    """Return a digest of a schema that ignores all order, as lowering does."""
    parts: list[object] = [schema]
    for part in parts:  # which grows: a schema may be nested deeper than calls may be
        parts += part.values() if is_mapping(part) else part if is_list(part) else ()
    digests: dict[int, str] = {}
    for part in reversed(parts):  # what is inside comes before what it is in
        plain: object = part
        if is_mapping(part):
            plain = {key: digests[id(value)] for key, value in part.items()}
        elif is_list(part):
            plain = sorted(digests[id(value)] for value in part)
        digests[id(part)] = _digest(canonical(plain))
    return digests[id(schema)]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
