"""How deep data may be nested, and how long what is made of it may become.

Indented, or taken apart into a form, a little deep data becomes very much text.
"""

from __future__ import annotations

import json

from coffrify_webhooks_codegen.json_types import is_list, is_mapping

__all__ = ["DEEPEST", "TOO_DEEP", "indent_json", "is_deep"]

DEEPEST = 50
TOO_DEEP = f"it is nested more than {DEEPEST} levels deep"


def is_deep(value: object) -> bool:
    """Tell whether data is nested more deeply than we take it."""
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
    """Return JSON, indented; None if that is longer than so many characters, or too deep."""
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
