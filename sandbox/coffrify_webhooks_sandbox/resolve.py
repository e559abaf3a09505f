"""Resolves a part of a schema: follows references, and merges `allOf`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coffrify_webhooks_codegen.json_types import is_list, is_mapping

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["resolve"]

_MOST_REFERENCES = 100


def resolve(schema: Any, root: Any) -> Mapping[str, Any]:
    """Return a schema without `$ref` and `allOf`; root: the document for its references."""
    merged: dict[str, Any] = {}
    left: list[Any] = [schema]
    for _ in range(_MOST_REFERENCES):  # a reference may lead to itself
        if not left:
            break
        part = left.pop()
        if not is_mapping(part):
            continue
        if is_list(parts := part.get("allOf")):
            left += parts
        if isinstance(reference := part.get("$ref"), str):
            left.append(_target(reference, root))
        for key, value in part.items():
            before = merged.get(key)
            if key == "properties" and is_mapping(before) and is_mapping(value):
                merged[key] = {**before, **value}
            elif key == "required" and is_list(before) and is_list(value):
                merged[key] = [*before, *value]
            elif key not in ("$ref", "allOf"):
                merged.setdefault(key, value)
    return merged


def _target(reference: str, root: Any) -> Any:
    found = root
    for key in reference.removeprefix("#").split("/")[1:]:
        name = key.replace("~1", "/").replace("~0", "~")
        found = found.get(name, True) if is_mapping(found) else True
    return found
