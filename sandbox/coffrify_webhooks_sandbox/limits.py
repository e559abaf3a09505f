"""Limits the nesting of data: a small amount becomes very long when it is shown as a form."""

from __future__ import annotations

from coffrify_webhooks_codegen.json_types import is_list, is_mapping

__all__ = ["DEEPEST", "TOO_DEEP", "is_deep"]

DEEPEST = 50
TOO_DEEP = f"it is nested more than {DEEPEST} levels deep"


def is_deep(value: object) -> bool:
    """Tell whether data is nested more deeply than allowed."""
    left: list[tuple[object, int]] = [(value, 0)]
    while left:
        item, depth = left.pop()
        inner = item.values() if is_mapping(item) else item if is_list(item) else None
        if inner is None:
            continue
        if depth >= DEEPEST:
            return True
        left.extend((each, depth + 1) for each in inner)
    return False
