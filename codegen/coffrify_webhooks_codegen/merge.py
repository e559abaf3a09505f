"""Merging: `allOf`, and keywords beside a `$ref`, become one schema without either."""

from collections.abc import Iterator, Mapping
from typing import Any

from coffrify_webhooks_codegen.pointer import Document
from coffrify_webhooks_codegen.shape import is_list, is_mapping

__all__ = ["MEANINGFUL", "Merger"]

MEANINGFUL = (
    "type",
    "properties",
    "required",
    "items",
    "additionalProperties",
    "enum",
    "format",
    "anyOf",
    "oneOf",
)
_SHAPES = ("type", "properties", "items", "enum", "const", "anyOf", "oneOf", "allOf", "$ref")
_DEEPEST = 32
_MOST_PARTS = 50_000

_Mapping = Mapping[str, Any]


class Merger:
    """Merges the schemas of one document."""

    def __init__(self, document: Document, warnings: list[str]) -> None:
        self._document = document
        self._warnings = warnings
        self._left = _MOST_PARTS

    def alias(self, schema: _Mapping) -> str | None:
        """Get the reference of a schema that says nothing of its own besides it."""
        if any(key in schema for key in (*MEANINGFUL, "const")):
            return None
        ref, parts = schema.get("$ref"), schema.get("allOf")
        if isinstance(ref, str) and "allOf" not in schema:
            return ref
        if "$ref" in schema or not is_list(parts) or len(parts) != 1:
            return None
        only = parts[0]
        return self.alias(only) if is_mapping(only) else None

    def describes(self, branch: object) -> bool:
        """Tell whether a branch of a union says what a value is, not only what must be there."""
        return is_mapping(branch) and any(key in branch for key in _SHAPES)

    def merged(self, schema: _Mapping) -> dict[str, Any]:
        """Merge a schema with what it refers to: types intersected, properties joined."""
        merged: dict[str, Any] = {}
        for part in self._parts(schema, frozenset(), 0):
            for key, value in part.items():
                merged[key] = self._joined(key, merged[key], value) if key in merged else value
        return {key: value for key, value in merged.items() if value is not None}

    def _parts(self, schema: _Mapping, seen: frozenset[str], depth: int) -> Iterator[_Mapping]:
        self._left -= 1
        if depth > _DEEPEST or self._left < 0:
            self._warnings.append("too many parts: the rest is left out")
            return
        own = _own(schema)
        if own:
            yield own
        ref = schema.get("$ref")
        if isinstance(ref, str):
            pointer = self._document.pointer(ref)
            target = None if pointer is None else self._document.at(pointer)
            if pointer is None:
                self._warnings.append("a reference that leaves the document was left out")
            elif is_mapping(target) and pointer not in seen:
                yield from self._parts(target, seen | {pointer}, depth + 1)
        parts = schema.get("allOf")
        for part in parts if is_list(parts) else []:
            if is_mapping(part):
                yield from self._parts(part, seen, depth + 1)

    def _joined(self, key: str, one: Any, other: Any) -> Any:
        if key == "type":
            return self._kinds(one, other)
        if key == "properties":
            both = {name: {"allOf": [one[name], other[name]]} for name in one.keys() & other.keys()}
            return {**one, **other, **both}
        if key == "required":
            return [*one, *other]
        if key == "enum":
            return [value for value in one if value in other] or one
        if key in {"items", "additionalProperties"} and is_mapping(other):
            return {"allOf": [one, other]} if is_mapping(one) else other
        return one

    def _kinds(self, one: list[str], other: list[str]) -> list[str] | None:
        kinds = _common(one, other)
        if not kinds:
            self._warnings.append("types that exclude each other were taken as anything")
        return kinds or None


def _own(schema: _Mapping) -> dict[str, Any]:
    """Keep the meaningful keywords that are well formed, in one spelling."""
    own: dict[str, Any] = {}
    wanted = {"properties": Mapping, "required": list, "enum": list, "anyOf": list, "oneOf": list}
    for key in MEANINGFUL:
        value = schema.get(key)
        if value is not None and isinstance(value, wanted.get(key, object)):
            own[key] = value
    if "const" in schema:
        own["enum"] = [schema["const"]]
    nullable = schema.get("nullable") is True
    if isinstance(kinds := own.get("type"), str):
        own["type"] = [kinds, "null"] if nullable else [kinds]
    elif is_list(kinds):
        known = [kind for kind in kinds if isinstance(kind, str)]
        own["type"] = [*known, "null"] if nullable else known
    else:
        own.pop("type", None)
    if nullable and "enum" in own and None not in own["enum"]:
        own["enum"] = [*own["enum"], None]
    return own


def _common(one: list[str], other: list[str]) -> list[str]:
    common = [kind for kind in one if kind in other]
    for wide, narrow in ((one, other), (other, one)):
        if "number" in wide and "integer" in narrow and "number" not in narrow:
            common.append("integer")
    return common
