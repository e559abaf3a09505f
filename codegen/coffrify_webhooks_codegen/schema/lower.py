"""Lowers a JSON schema to a small canonical one that is safe to render.

The catalog comes from the network, and its schemas describe what the sender intends to send. So
only known keywords are kept, nothing that a receiver should not enforce is left, and a reference
that leaves the document becomes "anything". The result is a JSON schema in these forms:

    {}                                              anything
    {"type": "string" | "integer" | "number" | "boolean" | "null"}
    {"type": "string", "format": "date-time" | "date" | "uuid"}
    {"type": "string", "enum": [...]}               known values; others are accepted too
    {"type": "string", "const": ...}                the tag of a union; the only closed form
    {"type": "array", "items": ...}
    {"type": "object"}                              with "additionalProperties": a map
    {"type": "object", "properties": {...}, "required": [...]}
                                                    "untyped": the schema does not say that it is
                                                    an object, so anything else is valid too
    {"$ref": <a key of the definitions>}
    {"anyOf": [...]}

each with an optional "description".
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from coffrify_webhooks_codegen.json_types import is_list, is_mapping

from .inline_refs import inline_refs
from .limits import apply_limits
from .lowered import Schema, canonical, constants, is_text, one_line, union, values
from .merge import Merger
from .pointer import Document

__all__ = ["TOO_DEEP", "Lowered", "Schema", "canonical", "lower"]

_FORMATS = ("date-time", "date", "uuid")
_SCALARS = ("string", "integer", "number", "boolean", "null")
# No honest schema comes near these; a hostile one must not keep us busy.
_MOST_NODES = 15_000
# Where there is too much, all of it to a lower depth is better than a part of it to the bottom.
_DEPTHS = (48, 12, 4)
_LONGEST_NAME = 200
TOO_DEEP = "too deep: the rest is treated as any value"
_TOO_LARGE = "too large: the rest is treated as any value"

_Mark = tuple[int, str | None]
"""A schema of the document, by identity, and the tag of the union that contains it."""


@dataclass(frozen=True)
class Lowered:
    """A lowered schema, the objects it refers to, and warnings about what was omitted."""

    schema: Schema
    definitions: Mapping[str, Schema]
    warnings: tuple[str, ...] = ()


def lower(schema: object) -> Lowered:
    """Reduce a JSON schema to the canonical forms; unsupported parts allow anything."""
    document, warnings = Document(schema), dict[str, None]()
    merger = Merger(document, warnings)
    lowering = _Lowering(document, merger, warnings, _DEPTHS[0])
    lowered, definitions = lowering.run()
    for deepest in _DEPTHS[1:]:
        if lowering.exhausted and deepest < lowering.reached:
            lowering = _Lowering(document, merger, warnings, deepest)
            lowered, definitions = lowering.run()
    limited = apply_limits(lowered, definitions)
    if limited is not None:
        lowered, definitions = limited
        warnings[_TOO_LARGE] = None
    return Lowered(lowered, definitions, tuple(warnings))


class _InlinedSchema(NamedTuple):
    """The schema that replaced a reference, with its size and depth."""

    schema: Schema
    nodes: int
    height: int


class _Lowering:
    """Lowers one document. Only objects may be recursive: each is lowered once, under a key.

    A reference to anything else is replaced by its target.
    """

    def __init__(
        self, document: Document, merger: Merger, warnings: dict[str, None], deepest: int
    ) -> None:
        self.exhausted = False
        self._warnings = warnings
        self._document = document
        self._merger = merger
        self._deepest = deepest
        self._definitions: dict[str, Schema] = {}
        self._waiting: deque[tuple[str, Mapping[str, Any], str | None]] = deque()
        self._keys: dict[_Mark, str] = {}
        self._open: set[str] = set()
        self._recursed: set[str] = set()
        self._chain: frozenset[_Mark] = frozenset()
        self._inlined: dict[_Mark, _InlinedSchema] = {}
        self._turns = 0
        self._nodes = 0
        self.reached = 0

    def run(self) -> tuple[Schema, dict[str, Schema]]:
        lowered = self._node(self._document.root, "#", 0)
        while self._waiting:
            key, schema, tag = self._waiting.popleft()
            if self.exhausted:  # a union of it is still one of objects
                typed = "type" in self._merger.merge(schema)
                self._definitions[key] = {"type": "object"} if typed else {}
            else:
                self._definitions[key] = self._node(schema, key, 0, tag)
        return inline_refs(lowered, self._definitions)

    def _node(self, schema: object, place: str, depth: int, tag: str | None = None) -> Schema:
        if not is_mapping(schema):
            return {}
        self.reached = max(self.reached, depth)
        if not self._afford(1, depth):
            return {}
        raw = schema
        if (alias := self._merger.alias(raw)) is not None:
            lowered = self._reference(raw, alias, depth, tag)
            if raw.get("nullable") is True:
                lowered = union([lowered, {"type": "null"}])
        else:
            key = self._keys.setdefault((id(raw), tag), place)
            lowered = self._lower_merged(self._merger.merge(raw), key, depth, tag)
        description = one_line(raw.get("description"))
        return {**lowered, "description": description} if description else lowered

    def _afford(self, nodes: int, depth: int) -> bool:
        """Count nodes before they are made; False if they are too many or too deep."""
        if depth > self._deepest:
            self._warnings[TOO_DEEP] = None
            return False
        self._nodes += nodes
        if self._nodes > _MOST_NODES:
            self.exhausted = True
            self._warnings[_TOO_LARGE] = None
            return False
        return True

    def _reference(self, raw: Mapping[str, Any], ref: str, depth: int, tag: str | None) -> Schema:
        pointer = self._merger.pointer(raw, ref)
        target = None if pointer is None else self._document.at(pointer)
        if pointer is None or not is_mapping(target):
            if not isinstance(target, bool):
                self._warnings[f"reference treated as any value: {one_line(ref[:200])}"] = None
            return {}
        mark = (id(target), tag)
        key = pointer if tag is None else f"{pointer}?{tag}"
        if self._merger.alias(target) is not None or not _is_object(self._merger.merge(target)):
            return self._inline(target, mark, key, depth, tag)
        known = self._keys.get(mark)
        if known is not None and known in self._open:
            self._recursed.add(known)
            self._turns += 1
            return {"$ref": known}
        if key not in self._definitions:
            self._keys[mark] = key
            self._definitions[key] = {}
            self._waiting.append((key, target, tag))
        return {"$ref": key}

    def _inline(
        self, target: Mapping[str, Any], mark: _Mark, key: str, depth: int, tag: str | None
    ) -> Schema:
        if (known := self._inlined.get(mark)) is not None:
            # It may be small here and a part of itself many times over: each time counts.
            fits = self._afford(known.nodes, depth + known.height)
            return known.schema if fits else {}
        if mark in self._chain:
            # Only objects may contain themselves; a list of itself has no class to stand for it.
            self._turns += 1
            return {}
        chain, turns, nodes, reached = self._chain, self._turns, self._nodes, self.reached
        self._chain, self.reached = chain | {mark}, depth
        lowered = self._node(target, key, depth + 1, tag)
        height, self.reached = self.reached - depth, max(reached, self.reached)
        self._chain = chain
        if turns == self._turns:
            self._inlined[mark] = _InlinedSchema(lowered, self._nodes - nodes, height)
        return lowered

    def _lower_merged(
        self, schema: Mapping[str, Any], place: str, depth: int, tag: str | None
    ) -> Schema:
        if "enum" in schema:
            return values(schema["enum"])
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                branches = self._merger.branches(schema, keyword)
                inner = self._tag(branches)
                lowered: list[Schema] = []
                for index, branch in enumerate(branches):
                    found = self._node(branch, f"{place}/{keyword}/{index}", depth + 1, inner)
                    lowered.append(found)
                    if not found.keys() - {"description"}:
                        break  # anything, whatever the others are
                return union(lowered)
        return union(
            [self._lower_typed(schema, kind, place, depth, tag) for kind in _kinds(schema)]
        )

    def _tag(self, branches: list[Any]) -> str | None:
        """Return the property that distinguishes the objects of a union; None without one."""
        each_one = map(self._merger.constants, branches[:_MOST_NODES])
        found = [constants for constants in each_one if constants is not None]
        first, *others = found or [dict[str, str]()]
        if not others:
            return None
        names = set(first).intersection(*others)
        for name in sorted(names):
            if len({each[name] for each in found}) == len(found):
                return name
        return None

    def _lower_typed(
        self, schema: Mapping[str, Any], kind: str, place: str, depth: int, tag: str | None
    ) -> Schema:
        if kind == "object":
            return self._object(schema, place, depth, tag)
        if kind == "array":
            return {
                "type": "array",
                "items": self._node(schema.get("items"), f"{place}/items", depth + 1),
            }
        if kind not in _SCALARS:
            return {}
        if kind == "string" and schema.get("format") in _FORMATS:
            return {"type": kind, "format": schema["format"]}
        return {"type": kind}

    def _object(self, schema: Mapping[str, Any], place: str, depth: int, tag: str | None) -> Schema:
        key = place
        if not schema.get("properties"):
            return self._map(schema, place, depth)
        if key in self._open:
            self._recursed.add(key)
            self._turns += 1
            return {"$ref": key}
        if self._definitions.get(key):
            return {"$ref": key}
        chain, self._chain = self._chain, frozenset()
        self._open.add(key)
        lowered = self._fields(schema, place, depth, tag)
        self._open.discard(key)
        self._chain = chain
        if key not in self._recursed or key in self._definitions:
            return lowered
        self._definitions[key] = lowered
        return {"$ref": key}

    def _fields(self, schema: Mapping[str, Any], place: str, depth: int, tag: str | None) -> Schema:
        found: Mapping[str, Any] = schema["properties"]
        properties: Schema = {}
        for name, value in sorted(found.items()):
            if len(name) > _LONGEST_NAME or not is_text(name):
                self._warnings["a property was omitted: its name is too long, or is not text"] = (
                    None
                )
                continue
            constant = constants({name: value}).get(name) if name == tag else None
            properties[name] = (
                self._node(value, f"{place}/{name}", depth + 1)
                if constant is None
                else {"type": "string", "const": constant}
            )
        wanted = schema.get("required")
        listed = wanted if is_list(wanted) else []
        required = sorted({name for name in listed if isinstance(name, str)} & properties.keys())
        optional = sorted(properties.keys() - required)
        ordered = {name: properties[name] for name in [*required, *optional]}
        lowered: Schema = {"type": "object", "properties": ordered, "required": required}
        return lowered if "type" in schema else {**lowered, "untyped": True}

    def _map(self, schema: Mapping[str, Any], place: str, depth: int) -> Schema:
        extra = schema.get("additionalProperties")
        lowered = self._node(extra, f"{place}/*", depth + 1)
        lowered = {name: value for name, value in lowered.items() if name != "description"}
        return (
            {"type": "object", "additionalProperties": lowered} if lowered else {"type": "object"}
        )


def _kinds(schema: Mapping[str, Any]) -> list[str]:
    """Return the types of a schema; without any, properties imply an object."""
    kinds = schema.get("type")
    if is_list(kinds) and kinds:
        return kinds
    return ["object"] if schema.get("properties") else [""]


def _is_object(schema: Mapping[str, Any]) -> bool:
    unions = any(keyword in schema for keyword in ("enum", "anyOf", "oneOf"))
    return not unions and bool(schema.get("properties")) and _kinds(schema) == ["object"]
