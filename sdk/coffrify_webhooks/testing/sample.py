"""A sample value of a JSON schema, for event types of which the catalog shows no example."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SAMPLE_TIME", "resolve", "sample"]

_DEEPEST = 4
"""Levels of optional fields and of items; below them only what is required is made."""
SAMPLE_TIME = "2026-01-31T12:00:00Z"
_FORMATS = {
    "date-time": SAMPLE_TIME,
    "date": SAMPLE_TIME[:10],
    "uuid": "5f0c2e0a-3f6a-4c36-9a53-8f6f6d1f4f10",
}
_SCALARS: dict[str, Any] = {"integer": 1, "number": 1.5, "boolean": True, "null": None}
_MOST_REFERENCES = 100


def sample(schema: Mapping[str, Any], name: str = "data") -> Any:
    """Return a value that fits a schema as pydantic writes it; the same each time."""
    return _Sample(schema.get("$defs", {})).value(schema, name, 0)


def resolve(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema that a reference stands for."""
    for _ in range(_MOST_REFERENCES):
        if "$ref" not in schema:
            break
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    return schema


class _Sample:
    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self._definitions = definitions

    def value(self, schema: Mapping[str, Any], name: str, depth: int) -> Any:
        schema = resolve(schema, self._definitions)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return schema["enum"][0]
        for branches in (schema.get("anyOf"), schema.get("oneOf")):
            if branches:
                return self.value(self._branch(branches, depth), name, depth)
        match schema.get("type"):
            case "object":
                return self._object(schema, depth)
            case "array":
                items = schema.get("items", {})
                return [self.value(items, name, depth + 1)] if depth < _DEEPEST else []
            case "string":
                return _FORMATS.get(schema.get("format", ""), name)
            case str() as kind:
                return _SCALARS[kind]
            case _:
                return {}

    def _branch(self, branches: list[Any], depth: int) -> Any:
        found = [resolve(each, self._definitions) for each in branches]
        if depth >= _DEEPEST and {"type": "null"} in found:
            return {"type": "null"}
        return next((each for each in found if each.get("type") != "null"), found[0])

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        required = schema.get("required", ())
        return {
            name: self.value(each, name, depth + 1)
            for name, each in schema.get("properties", {}).items()
            if name in required or depth < _DEEPEST
        }
