"""Builds the few forms of lowered schemas, and joins them in unions."""

import json
from collections.abc import Mapping
from typing import Any

from coffrify_webhooks_codegen.json_types import is_list, is_mapping

__all__ = ["Schema", "canonical", "constants", "is_text", "one_line", "union", "values"]

Schema = dict[str, Any]

_MOST_VALUES = 64
_LONGEST_VALUE = 200
_LONGEST_LINE = 4000
_KINDS: dict[type, str] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    type(None): "null",
    dict: "object",
}


def canonical(schema: object) -> str:
    """Return a lowered schema as text that does not depend on the order of its keys."""
    return json.dumps(schema, sort_keys=True)


def values(listed: list[Any]) -> Schema:
    """Return the type of the values of an `enum`."""
    texts = {value for value in listed if isinstance(value, str)}
    rest: list[object] = [value for value in listed if not isinstance(value, str)]
    others = sorted({_KINDS.get(type(value), "") for value in rest})
    branches: list[Schema] = [{"type": kind} if kind else {} for kind in others]
    return union([*branches, _known_values(texts)] if texts else branches)


def _known_values(texts: set[str]) -> Schema:
    fits = len(texts) <= _MOST_VALUES and all(map(_is_value, texts))
    return {"type": "string", "enum": sorted(texts)} if fits else {"type": "string"}


def constants(properties: Mapping[str, Any]) -> dict[str, str]:
    """Return the properties that have a single possible text."""
    found: dict[str, str] = {}
    for name, schema in properties.items():
        if is_mapping(schema):
            listed = schema.get("enum")
            value = schema.get("const")
            if is_list(listed) and len(listed) == 1:
                value = listed[0]
            if isinstance(value, str) and _is_value(value):
                found[name] = value
    return found


def union(branches: list[Schema]) -> Schema:
    """Join the branches of a union, each once, in a fixed order."""
    flat: dict[str, Schema] = {}
    for branch in branches:
        for item in branch.get("anyOf", [branch]):
            bare: Schema = {key: value for key, value in item.items() if key != "description"}
            flat[canonical(bare)] = item if len(branches) == 1 else bare
    if not flat or "{}" in flat:
        return {}
    listed = [item["enum"] for item in flat.values() if "enum" in item]
    if len(listed) > 1:  # a value of any of them is known
        known = _known_values({value for each in listed for value in each})
        flat = {key: item for key, item in flat.items() if "enum" not in item}
        flat[canonical(known)] = known
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


def one_line(text: object) -> str:
    """Return a description as one line of text that cannot end a docstring."""
    if not isinstance(text, str):
        return ""
    line = " ".join(text[: 2 * _LONGEST_LINE].split()).replace("\\", "/").replace('"', "'")
    line = "".join(char for char in line if char.isprintable())  # no lone surrogate is
    return line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]}..."


def is_text(text: str) -> bool:
    """Tell whether a text can be encoded: a lone surrogate cannot."""
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _is_value(text: str) -> bool:
    return len(text) <= _LONGEST_VALUE and text.isprintable()
