"""Gives every object of the lowered schemas a class name of its own.

A definition that two or more events have, with the same name and the same content, becomes one
shared class. Every other object is named after its event, so that its name never depends on
another event.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from coffrify_webhooks_codegen.json_types import is_list, is_mapping
from coffrify_webhooks_codegen.schema.lower import Lowered, Schema, canonical

from .event_names import EventName, camel, is_reserved

__all__ = ["NamedClasses", "Objects", "name_classes"]

_NAMED = re.compile(r"#/(?:\$defs|definitions)/([A-Za-z][A-Za-z0-9_.-]*)(?:\?.*)?")

_LONGEST = 200

_Place = tuple[str, str]
"""An event type, and the key of a definition."""

Objects = dict[str, Schema]
"""Flat objects by class name; a `$ref` in them is a class name."""


@dataclass(frozen=True)
class NamedClasses:
    """The objects of a package by their class names."""

    shared: Objects = field(default_factory=Objects)
    public: tuple[str, ...] = ()
    """The shared classes that have a name of their own in the catalog."""
    data: dict[str, Schema] = field(default_factory=dict[str, Schema])
    """By event type: the schema of its `data`."""
    own: dict[str, Objects] = field(default_factory=dict[str, Objects])
    """By event type: the classes in its module."""


def name_classes(lowered: Mapping[str, Lowered], names: Mapping[str, EventName]) -> NamedClasses:
    """Name every object of every event; the keys of both mappings are event types."""
    digests = _digests(lowered)
    reserved = {name.class_name for name in names.values()}
    public = _choose_shared(digests.values(), reserved)
    places = _places(digests)
    named = NamedClasses(public=tuple(sorted(public.values())))
    for digest, name in sorted(public.items(), key=lambda item: item[1]):
        event, key = places[digest]
        walk = _Walk(lowered[event], digests[event], public, named.shared, name)
        walk.define(name, lowered[event].definitions[key])
    for event in sorted(lowered):
        objects: Objects = {}
        class_name = names[event].class_name
        walk = _Walk(lowered[event], digests[event], public, objects, f"{class_name}Data")
        named.data[event] = walk.root(lowered[event].schema, f"{class_name}Data")
        named.own[event] = dict(sorted(objects.items()))
    return named


class _Walk:
    """Walks one lowered schema and collects its objects in `objects`."""

    def __init__(
        self,
        lowered: Lowered,
        digests: Mapping[str, int],
        public: Mapping[int, str],
        objects: Objects,
        prefix: str,
    ) -> None:
        self._definitions = lowered.definitions
        self._digests = digests
        self._public = public
        self._objects = objects
        self._prefix = prefix
        self._reserved = {*public.values()}
        self._named: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self._left: list[str] = []

    def root(self, schema: Schema, name: str) -> Schema:
        """Flatten a whole schema and every object in it."""
        flat = self.flat(schema, name)
        self._finish()
        return flat

    def define(self, name: str, schema: Schema) -> None:
        """Flatten an object under a name of its own."""
        self._later(name, schema)
        self._finish()

    def _later(self, name: str, schema: Schema) -> None:
        self._objects[name] = schema  # holds the name while others take theirs
        self._left.append(name)

    def _finish(self) -> None:
        # A loop rather than recursion: a chain of objects may be long.
        while self._left:
            name = self._left.pop()
            schema = self._objects[name]
            properties: Mapping[str, Schema] = schema["properties"]
            self._objects[name] = {
                **schema,
                "properties": {
                    key: self.flat(value, _shorten(name + camel(key)))
                    for key, value in properties.items()
                },
            }

    def flat(self, schema: Schema, name: str) -> Schema:
        if "$ref" in schema:
            return {**schema, "$ref": self._reference(schema["$ref"], name)}
        if "properties" in schema:
            free = self._free(name)
            self._later(free, schema)
            return {"$ref": free}
        if "anyOf" in schema:
            branches: list[Schema] = schema["anyOf"]
            return {**schema, "anyOf": [self.flat(branch, name) for branch in branches]}
        for keyword in ("items", "additionalProperties"):
            if keyword in schema:
                return {**schema, keyword: self.flat(schema[keyword], name)}
        return schema

    def _reference(self, key: str, name: str) -> str:
        shared = self._public.get(self._digests[key])
        if shared is not None:
            return shared
        if key not in self._named:
            hint = _hint(key)
            at_root = name == self._prefix
            free = self._free(name if hint is None or at_root else self._prefix + hint)
            self._named[key] = free
            self._later(free, self._definitions[key])
        return self._named[key]

    def _free(self, name: str) -> str:
        count = self._counts.get(name, 1)
        free = name if count == 1 else f"{name}{count}"
        while free in self._objects or free in self._reserved or is_reserved(free):
            count += 1
            free = f"{name}{count}"
        self._counts[name] = count  # names are never given back: the search goes on from there
        return free


def _choose_shared(found: Iterable[Mapping[str, int]], reserved: set[str]) -> dict[int, str]:
    """Choose the shared definitions: for each name, the content that most events have."""
    counts: dict[str, Counter[int]] = {}
    for digests in found:
        for key, digest in digests.items():
            hint = _hint(key)
            if hint is not None and hint not in reserved and not is_reserved(hint):
                counts.setdefault(hint, Counter())[digest] += 1
    shared: dict[int, str] = {}
    for hint, counter in sorted(counts.items()):
        (digest, most), *others = counter.most_common(2)
        alone = not others or others[0][1] < most
        if most > 1 and alone and digest not in shared:
            shared[digest] = hint
    return shared


def _hint(key: str) -> str | None:
    """Return the class name that a definition's key suggests; None without a usable one."""
    match = _NAMED.fullmatch(key)
    return camel(match[1]) if match else None


def _shorten(name: str) -> str:
    """Shorten the name of a deeply nested object."""
    if len(name) <= _LONGEST:
        return name
    mark = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: _LONGEST - len(mark) - 1]}X{mark}"


def _places(digests: Mapping[str, Mapping[str, int]]) -> dict[int, tuple[str, str]]:
    """Return the place of the first definition with each content."""
    places: dict[int, tuple[str, str]] = {}
    for event in sorted(digests):
        for key, digest in sorted(digests[event].items()):
            places.setdefault(digest, (event, key))
    return places


def _digests(lowered: Mapping[str, Lowered]) -> dict[str, dict[str, int]]:
    """Number each definition by its content and references; equal numbers mean equal classes.

    All definitions of all events at once, round by round: each takes up the digests of those it
    refers to, until no further two can be told apart. A graph of any shape takes as many rounds
    as its longest path at the most, and in practice a few.
    """
    parts = {
        (event, key): _skeleton(key, schema)
        for event, item in lowered.items()
        for key, schema in item.definitions.items()
    }
    found = _number({place: text for place, (text, _) in parts.items()})
    kinds = 0
    while kinds < (kinds := len(set(found.values()))):
        found = _number(
            {
                (event, key): (found[event, key], *(found[event, ref] for ref in refs))
                for (event, key), (_, refs) in parts.items()
            }
        )
    digests: dict[str, dict[str, int]] = {event: {} for event in lowered}
    for (event, key), digest in found.items():
        digests[event][key] = digest
    return digests


def _skeleton(key: str, schema: Schema) -> tuple[str, tuple[str, ...]]:
    """Return a definition without its references, and the references."""
    refs: list[str] = []

    def without_refs(node: Any) -> Any:
        if is_list(node):
            return [without_refs(item) for item in node]
        if not is_mapping(node):
            return node
        ref = node.get("$ref")
        if isinstance(ref, str):
            refs.append(ref)
            return {**node, "$ref": ""}
        return {name: without_refs(node[name]) for name in sorted(node)}

    return canonical([_hint(key), without_refs(schema)]), tuple(refs)


def _number(contents: Mapping[_Place, Hashable]) -> dict[_Place, int]:
    numbers: dict[Hashable, int] = {}
    return {place: numbers.setdefault(item, len(numbers)) for place, item in contents.items()}
