"""Resolves a part of a schema: follows references, and merges `allOf`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coffrify_webhooks_codegen.json_types import is_list, is_mapping

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["resolve"]

_MOST_REFERENCES = 100
_MOST_FIELDS = 5000
"""Fields and required names of all parts together; what comes after them is left out."""


def resolve(schema: Any, root: Any) -> Mapping[str, Any]:
    """Return a schema without `$ref` and `allOf`; root: the document for its references."""
    merged: dict[str, Any] = {}
    left: list[Any] = [schema]
    room = _MOST_FIELDS
    for _ in range(_MOST_REFERENCES):  # a reference may lead to itself
        if not left or room < 0:
            break
        part = left.pop()
        if not is_mapping(part):
            continue
        if is_list(parts := part.get("allOf")):
            left += parts
        if isinstance(reference := part.get("$ref"), str):
            left.append(_target(reference, root))
        room -= _merge(part, merged)
    return merged


def _merge(part: Mapping[str, Any], merged: dict[str, Any]) -> int:
    """Add a part of a schema to what is merged already; return how many fields it names."""
    count = 0
    for key, value in part.items():
        if key == "properties" and is_mapping(value):
            merged.setdefault(key, {}).update(value)
            count += len(value)
        elif key == "required" and is_list(value):
            merged.setdefault(key, []).extend(value)
            count += len(value)
        elif key not in ("$ref", "allOf", "properties", "required"):
            merged.setdefault(key, value)
    return count


def _target(reference: str, root: Any) -> Any:
    found = root
    for key in reference.removeprefix("#").split("/")[1:]:
        name = key.replace("~1", "/").replace("~0", "~")
        found = found.get(name, True) if is_mapping(found) else True
    return found
