"""Limits the nesting of data, and the length of its indented JSON.

A small amount of deeply nested data becomes very long when it is indented or shown as a form.
"""

from __future__ import annotations

import json

from coffrify_webhooks_codegen.json_types import is_list, is_mapping

__all__ = ["DEEPEST", "TOO_DEEP", "indent_json", "is_deep"]

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


def indent_json(value: object, most: int, *, to_ascii: bool = False) -> str | None:
    """Return indented JSON; None if it is longer than `most` characters or too deep."""
    chunks: list[str] = []
    try:
        for chunk in json.JSONEncoder(indent=2, ensure_ascii=to_ascii).iterencode(value):
            chunks.append(chunk)
            most -= len(chunk)
            if most < 0:
                return None
    except RecursionError:
        return None
    return "".join(chunks)
