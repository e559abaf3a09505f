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
    {"$ref": <a key of the definitions>}
    {"anyOf": [...]}

each with an optional "description".
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coffrify_webhooks_codegen.merge import MEANINGFUL, Merger
from coffrify_webhooks_codegen.pointer import Document
from coffrify_webhooks_codegen.shape import is_list, is_mapping

__all__ = ["Lowered", "Schema", "canonical", "lower"]

Schema = dict[str, Any]

_FORMATS = ("date-time", "date", "uuid")
_SCALARS = ("string", "integer", "number", "boolean", "null")
_MOST_VALUES = 64
_LONGEST_VALUE = 200
# No honest schema comes near these; a hostile one must not keep us busy.
_DEEPEST = 48
_MOST_NODES = 20_000


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


def canonical(schema: object) -> str:
    """Spell a lowered schema as text that does not depend on the order of its keys."""
    return json.dumps(schema, sort_keys=True)


class _Lowering:
    def __init__(self, schema: object) -> None:
        self.warnings: list[str] = []
        self._document = Document(schema)
        self._merger = Merger(self._document, self.warnings)
        self._definitions: dict[str, Schema] = {}
        self._open: set[str] = set()
        self._recursed: set[str] = set()
        self._endless: set[str] = set()
        self._nodes = 0

    def root(self) -> Schema:
        lowered = self._node(self._document.root, 0)
        return {"$ref": "#"} if "#" in self._definitions else lowered

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

    def _node(self, schema: object, depth: int, tag: str | None = None) -> Schema:
        self._nodes += 1
        if not is_mapping(schema):
            return {}
        if depth > _DEEPEST or self._nodes > _MOST_NODES:
            self.warnings.append("too deep or too large: the rest is taken as anything")
            return {}
        raw = schema
        if (alias := self._merger.alias(raw)) is not None:
            lowered = self._reference(alias, depth, tag)
            if raw.get("nullable") is True:
                lowered = _union([lowered, {"type": "null"}])
        else:
            lowered = self._merged(self._merger.merged(raw), depth, tag)
        description = _clean(raw.get("description"))
        return {**lowered, "description": description} if description else lowered

    def _reference(self, ref: str, depth: int, tag: str | None) -> Schema:
        pointer = self._document.pointer(ref)
        if pointer is None:
            self.warnings.append(f"reference taken as anything: {_clean(ref)}")
            return {}
        key = pointer if tag is None else f"{pointer}?{tag}"
        if key in self._definitions:
            return {"$ref": key}
        if key in self._open:
            self._recursed.add(key)
            return {} if key in self._endless else {"$ref": key}
        self._open.add(key)
        lowered = self._node(self._document.at(pointer), depth + 1, tag)
        if "properties" not in lowered and key in self._recursed and key not in self._endless:
            # Only objects may contain themselves; a list of itself has no class to stand for it.
            self._endless.add(key)
            lowered = self._node(self._document.at(pointer), depth + 1, tag)
        self._open.discard(key)
        if "properties" not in lowered:
            return lowered
        self._definitions[key] = lowered
        return {"$ref": key}

    def _merged(self, schema: Mapping[str, Any], depth: int, tag: str | None) -> Schema:
        if "enum" in schema:
            return _values(schema["enum"])
        for keyword in ("anyOf", "oneOf"):
            if is_list(branches := schema.get(keyword)):
                return self._branches(schema, keyword, branches, depth)
        return _union([self._typed(schema, kind, depth, tag) for kind in _kinds(schema)])

    def _branches(
        self, schema: Mapping[str, Any], keyword: str, branches: list[Any], depth: int
    ) -> Schema:
        base = {key: schema[key] for key in MEANINGFUL if key in schema and key != keyword}
        if base:
            # Branches that only say which fields go together do not describe a union.
            branches = [branch for branch in branches if self._merger.describes(branch)]
            if not branches:
                return self._merged(base, depth, None)
            branches = [{"allOf": [base, branch]} for branch in branches]
        tag = self._tag(branches)
        return _union([self._node(branch, depth + 1, tag) for branch in branches])

    def _tag(self, branches: list[Any]) -> str | None:
        """Find the property that tells the objects of a union apart."""
        constants: list[dict[str, str]] = []
        for branch in branches:
            schema = self._merger.merged(branch) if is_mapping(branch) else {}
            properties = schema.get("properties")
            if is_mapping(properties):
                constants.append(_constants(properties))
        if len(constants) < 2:  # noqa: PLR2004
            return None
        names = set(constants[0]).intersection(*constants[1:])
        for name in sorted(names):
            if len({found[name] for found in constants}) == len(constants):
                return name
        return None

    def _typed(self, schema: Mapping[str, Any], kind: str, depth: int, tag: str | None) -> Schema:
        if kind == "object":
            return self._object(schema, depth, tag)
        if kind == "array":
            return {"type": "array", "items": self._node(schema.get("items"), depth + 1)}
        if kind not in _SCALARS:
            return {}
        if kind == "string" and schema.get("format") in _FORMATS:
            return {"type": kind, "format": schema["format"]}
        return {"type": kind}

    def _object(self, schema: Mapping[str, Any], depth: int, tag: str | None) -> Schema:
        found: Mapping[str, Any] = schema.get("properties") or {}
        properties: Schema = {}
        for name, value in sorted(found.items()):
            if not _encodable(name):
                self.warnings.append("a property was left out: its name is not text")
                continue
            constant = _constants({name: value}).get(name) if name == tag else None
            properties[name] = (
                self._node(value, depth + 1)
                if constant is None
                else {"type": "string", "const": constant}
            )
        if not properties:
            values = schema.get("additionalProperties")
            extra = self._node(values, depth + 1) if is_mapping(values) else {}
            extra.pop("description", None)
            return (
                {"type": "object", "additionalProperties": extra} if extra else {"type": "object"}
            )
        wanted = schema.get("required")
        listed = wanted if is_list(wanted) else []
        required = sorted({name for name in listed if isinstance(name, str)} & properties.keys())
        optional = [name for name in properties if name not in required]
        ordered = {name: properties[name] for name in [*required, *optional]}
        return {"type": "object", "properties": ordered, "required": required}


def _kinds(schema: Mapping[str, Any]) -> list[str]:
    kinds = schema.get("type")
    if is_list(kinds):
        return [kind if isinstance(kind, str) else "" for kind in kinds] or [""]
    if isinstance(kinds, str):
        return [kinds]
    if is_mapping(schema.get("properties")) or "additionalProperties" in schema:
        return ["object"]
    return ["array"] if "items" in schema else [""]


def _values(values: list[Any]) -> Schema:
    kinds: dict[type, str] = {
        bool: "boolean",
        int: "integer",
        float: "number",
        type(None): "null",
        dict: "object",
    }
    texts = sorted({value for value in values if isinstance(value, str)})
    rest: list[object] = [value for value in values if not isinstance(value, str)]
    others = sorted({kinds.get(type(value), "") for value in rest})
    branches: list[Schema] = [{"type": kind} if kind else {} for kind in others]
    if texts:
        fits = len(texts) <= _MOST_VALUES and all(map(_is_value, texts))
        branches.append({"type": "string", "enum": texts} if fits else {"type": "string"})
    return _union(branches)


def _constants(properties: Mapping[str, Any]) -> dict[str, str]:
    constants: dict[str, str] = {}
    for name, schema in properties.items():
        if is_mapping(schema):
            values = schema.get("enum")
            value = schema.get("const")
            if is_list(values) and len(values) == 1:
                value = values[0]
            if isinstance(value, str) and _is_value(value):
                constants[name] = value
    return constants


def _union(branches: list[Schema]) -> Schema:
    """Join the branches of a union, each once, in an order that is always the same."""
    flat: dict[str, Schema] = {}
    for branch in branches:
        for item in branch.get("anyOf", [branch]):
            bare: Schema = {key: value for key, value in item.items() if key != "description"}
            flat[canonical(bare)] = item if len(branches) == 1 else bare
    if not flat or "{}" in flat:
        return {}
    if canonical({"type": "string"}) in flat:
        flat = {key: item for key, item in flat.items() if "enum" not in item}
    if sum("$ref" in item or "properties" in item for item in flat.values()) > 1:
        # An object of a kind that is not there yet must not fail the event.
        flat.setdefault(canonical({"type": "object"}), {"type": "object"})
    ordered = [flat[key] for key in sorted(flat, key=lambda key: (_rank(flat[key]), key))]
    return ordered[0] if len(ordered) == 1 else {"anyOf": ordered}


def _rank(schema: Schema) -> int:
    if schema.get("type") == "null":
        return 2
    return int(schema.get("type") == "object" and "properties" not in schema)


def _clean(text: object) -> str:
    """Make one line of plain text of a description: nothing in it can end a docstring."""
    if not isinstance(text, str):
        return ""
    line = " ".join(text.split()).replace("\\", "/").replace('"', "'")
    return "".join(char for char in line if char.isprintable() and _encodable(char))


def _encodable(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _is_value(text: str) -> bool:
    return len(text) <= _LONGEST_VALUE and text.isprintable()
