"""Replaces references to anything but objects by their targets."""

from collections.abc import Mapping
from typing import Any

from coffrify_webhooks_codegen.json_types import is_list, is_mapping

from .lowered import Schema, union

__all__ = ["inline_refs"]


def inline_refs(
    schema: Schema, definitions: Mapping[str, Schema]
) -> tuple[Schema, dict[str, Schema]]:
    """Inline references to what is no object, as limits may cause; keep what is referred to."""
    schema = _inline(schema, definitions)
    definitions = {key: _inline(item, definitions) for key, item in definitions.items()}
    return schema, _reachable_definitions(schema, definitions)


def _inline(schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    if "$ref" in schema:
        target = definitions[schema["$ref"]]
        return schema if "properties" in target else target
    if "properties" in schema:
        found: Mapping[str, Schema] = schema["properties"]
        properties = {key: _inline(item, definitions) for key, item in found.items()}
        return {**schema, "properties": properties}
    if "anyOf" in schema:
        rest = {key: schema[key] for key in schema if key != "anyOf"}
        return {**rest, **union([_inline(item, definitions) for item in schema["anyOf"]])}
    for keyword in ("items", "additionalProperties"):
        if keyword in schema:
            return {**schema, keyword: _inline(schema[keyword], definitions)}
    return schema


def _reachable_definitions(schema: Schema, definitions: Mapping[str, Schema]) -> dict[str, Schema]:
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
                found[key] = definitions[key]
                left.append(found[key])
    return dict(sorted(found.items()))
