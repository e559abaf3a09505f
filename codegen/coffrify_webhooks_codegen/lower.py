"""Lowering: a stranger's JSON schema becomes a small canonical one that is safe to render.

The catalog comes over the network, and its schemas describe what the sender means to send. So
only known keywords get through, nothing a receiver should not enforce is left, and a reference
that leaves the document becomes "anything". The outcome is JSON schema again, in these forms:

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
from typing import Any

from coffrify_webhooks_codegen.forms import (
    Schema,
    canonical,
    constants,
    is_text,
    one_line,
    union,
    values,
)
from coffrify_webhooks_codegen.merge import Merger
from coffrify_webhooks_codegen.pointer import Document
from coffrify_webhooks_codegen.shape import is_list, is_mapping

__all__ = ["Lowered", "Schema", "canonical", "lower"]

_FORMATS = ("date-time", "date", "uuid")
_SCALARS = ("string", "integer", "number", "boolean", "null")
# No honest schema comes near these; a hostile one must not keep us busy.
_DEEPEST = 48
_MOST_NODES = 20_000

_Mark = tuple[int, str | None]
"""A schema of the document, by identity, and the tag of the union that it stands in."""


@dataclass(frozen=True)
class Lowered:
    """A lowered schema, the named or recursive objects it refers to, and what was left out."""

    schema: Schema
    definitions: Mapping[str, Schema]
    warnings: tuple[str, ...] = ()


def lower(schema: object) -> Lowered:
    """Reduce a JSON schema to the canonical forms; whatever cannot be understood is anything."""
    lowering = _Lowering(schema)
    lowered = lowering.root()
    return Lowered(lowered, lowering.reachable(lowered), tuple(dict.fromkeys(lowering.warnings)))


class _Lowering:
    """Objects are where a schema may come back to itself: each is lowered once, under a key.

    What is referred to and is no object is put in its place, each time.
    """

    def __init__(self, schema: object) -> None:
        self.warnings: list[str] = []
        self._document = Document(schema)
        self._merger = Merger(self._document, self.warnings)
        self._definitions: dict[str, Schema] = {}
        self._waiting: deque[tuple[str, Mapping[str, Any], str | None]] = deque()
        self._keys: dict[_Mark, str] = {}
        self._open: set[str] = set()
        self._recursed: set[str] = set()
        self._chain: frozenset[_Mark] = frozenset()
        self._inlined: dict[_Mark, Schema] = {}
        self._turns = 0
        self._nodes = 0

    def root(self) -> Schema:
        lowered = self._node(self._document.root, "#", 0)
        while self._waiting:
            key, schema, tag = self._waiting.popleft()
            self._definitions[key] = self._node(schema, key, 0, tag)
        return self._settled(lowered)

    def reachable(self, schema: Schema) -> dict[str, Schema]:
        found: dict[str, Schema] = {}
        left: list[Any] = [schema]
        while left:
            item = left.pop()
            if is_list(item):
                left += item
            elif is_mapping(item):
                left += item.values()
                key = item.get("$ref")
                if isinstance(key, str) and key not in found:
                    found[key] = self._definitions[key]
                    left.append(found[key])
        return dict(sorted(found.items()))

    def _settled(self, lowered: Schema) -> Schema:
        """Put what turned out to be no object, since the limits cut it off, in its place."""
        if all("properties" in item for item in self._definitions.values()):
            return lowered
        self._definitions = {key: self._placed(item) for key, item in self._definitions.items()}
        return self._placed(lowered)

    def _placed(self, schema: Schema) -> Schema:
        if "$ref" in schema:
            target = self._definitions[schema["$ref"]]
            return schema if "properties" in target else target
        if "properties" in schema:
            properties = {key: self._placed(item) for key, item in schema["properties"].items()}
            return {**schema, "properties": properties}
        if "anyOf" in schema:
            rest = {key: schema[key] for key in schema if key != "anyOf"}
            return {**rest, **union([self._placed(item) for item in schema["anyOf"]])}
        for keyword in ("items", "additionalProperties"):
            if keyword in schema:
                return {**schema, keyword: self._placed(schema[keyword])}
        return schema

    def _node(self, schema: object, place: str, depth: int, tag: str | None = None) -> Schema:
        self._nodes += 1
        if not is_mapping(schema):
            return {}
        if depth > _DEEPEST or self._nodes > _MOST_NODES:
            self.warnings.append("too deep or too large: the rest is taken as anything")
            return {}
        raw = schema
        if (alias := self._merger.alias(raw)) is not None:
            lowered = self._reference(raw, alias, depth, tag)
            if raw.get("nullable") is True:
                lowered = union([lowered, {"type": "null"}])
        else:
            key = self._keys.setdefault((id(raw), tag), place)
            lowered = self._merged(self._merger.merged(raw), key, depth, tag)
        description = one_line(raw.get("description"))
        return {**lowered, "description": description} if description else lowered

    def _reference(self, raw: Mapping[str, Any], ref: str, depth: int, tag: str | None) -> Schema:
        pointer = self._merger.pointer(raw, ref)
        target = None if pointer is None else self._document.at(pointer)
        if pointer is None or not is_mapping(target):
            if not isinstance(target, bool):
                self.warnings.append(f"reference taken as anything: {one_line(ref)}")
            return {}
        mark = (id(target), tag)
        key = pointer if tag is None else f"{pointer}?{tag}"
        if self._merger.alias(target) is not None or not _is_object(self._merger.merged(target)):
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
        if mark in self._inlined:
            return self._inlined[mark]
        if mark in self._chain:
            # Only objects may contain themselves; a list of itself has no class to stand for it.
            self._turns += 1
            return {}
        chain, turns = self._chain, self._turns
        self._chain = chain | {mark}
        lowered = self._node(target, key, depth + 1, tag)
        self._chain = chain
        if turns == self._turns:
            self._inlined[mark] = lowered
        return lowered

    def _merged(self, schema: Mapping[str, Any], place: str, depth: int, tag: str | None) -> Schema:
        if "enum" in schema:
            return values(schema["enum"])
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                branches = self._merger.branches(schema, keyword)
                inner = self._tag(branches)
                return union(
                    [
                        self._node(branch, f"{place}/{keyword}/{index}", depth + 1, inner)
                        for index, branch in enumerate(branches)
                    ]
                )
        return union([self._typed(schema, kind, place, depth, tag) for kind in _kinds(schema)])

    def _tag(self, branches: list[Any]) -> str | None:
        """Find the property that tells the objects of a union apart."""
        found: list[dict[str, str]] = []
        for branch in branches:
            schema = self._merger.merged(branch) if is_mapping(branch) else {}
            properties = schema.get("properties")
            if is_mapping(properties):
                found.append(constants(properties))
        if len(found) < 2:  # noqa: PLR2004
            return None
        names = set(found[0]).intersection(*found[1:])
        for name in sorted(names):
            if len({each[name] for each in found}) == len(found):
                return name
        return None

    def _typed(
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
            if not is_text(name):
                self.warnings.append("a property was left out: its name is not text")
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
        optional = [name for name in properties if name not in required]
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
    """List the types of a schema; properties alone speak of an object, nothing else does."""
    kinds = schema.get("type")
    if is_list(kinds) and kinds:
        return kinds
    return ["object"] if schema.get("properties") else [""]


def _is_object(schema: Mapping[str, Any]) -> bool:
    unions = any(keyword in schema for keyword in ("enum", "anyOf", "oneOf"))
    return not unions and bool(schema.get("properties")) and _kinds(schema) == ["object"]
