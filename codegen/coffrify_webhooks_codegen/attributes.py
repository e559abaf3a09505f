"""Attributes: what the generator calls the fields of a class.

`a.b` and `a_b` would both be `a_b`, so one of them becomes `a_b_1`, and which one depends on what
else is there. Only the generator knows; it is asked where names look alike.
"""

import ast
import re
import unicodedata
from collections.abc import Callable

from coffrify_webhooks_codegen.hoist import Objects
from coffrify_webhooks_codegen.lower import Schema
from coffrify_webhooks_codegen.shape import is_list, is_mapping

__all__ = ["Attributes"]

# A field of such a name makes way for the type, if it is of that type itself.
_MENTIONED = {"bool", "date", "dict", "float", "int", "list", "str"}
_MOST_FIELDS = 10_000
_STUB: Schema = {"type": "object", "properties": {"id": {"type": "string"}}, "required": []}


class Attributes:
    """Tells which attributes changed between two versions of a class; bounded in all it does."""

    def __init__(self) -> None:
        self._left = _MOST_FIELDS

    def renamed(
        self, old: tuple[str, Objects], new: tuple[str, Objects]
    ) -> list[tuple[str, str, str]] | None:
        """Return (field, attribute before, attribute now); None once that would take too long.

        Each side is the name of a class, and the objects that it is one of.
        """
        if not any(_look_alike(objects[name]) for name, objects in (old, new)):
            return []
        self._left -= sum(len(objects[name]["properties"]) for name, objects in (old, new))
        if self._left < 0:
            return None
        # The generator takes a second to import, and few classes need it.
        from coffrify_webhooks_codegen.render import event_module  # noqa: PLC0415

        try:
            before, now = (_named(name, objects, event_module) for name, objects in (old, new))
        except Exception:  # noqa: BLE001  -- whatever it is: a class it cannot write has no users
            return []
        return [
            (field, before[field], now[field])
            for field in sorted(before.keys() & now.keys())
            if before[field] != now[field]
        ]


def _look_alike(schema: Schema) -> bool:
    names: list[str] = list(schema["properties"])
    keys = {_key(name) for name in names}
    return len(keys) < len(names) or any(name in _MENTIONED or name[:1].isupper() for name in names)


def _key(name: str) -> str:
    """Reduce a name to what stays of it whatever the generator puts around it."""
    bare = re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", name))
    return bare.removeprefix("field")


def _named(name: str, objects: Objects, write: Callable[..., str]) -> dict[str, str]:
    others = {key: _STUB for key in _references(objects[name]["properties"]) if key != name}
    root = f"{max([name, *others], key=len)}Event"
    source = write("event", root, "", {"$ref": name}, {**others, name: objects[name]})
    classes = (node for node in ast.parse(source).body if isinstance(node, ast.ClassDef))
    found = next(node for node in classes if node.name == name)
    fields = (node for node in found.body if isinstance(node, ast.AnnAssign))
    attributes = [(node, node.target.id) for node in fields if isinstance(node.target, ast.Name)]
    return {_alias(node, attribute): attribute for node, attribute in attributes}


def _alias(field: ast.AnnAssign, attribute: str) -> str:
    for node in ast.walk(field.annotation):
        if isinstance(node, ast.keyword) and node.arg == "alias":
            return str(ast.literal_eval(node.value))
    return attribute


def _references(node: object) -> set[str]:
    if is_list(node):
        return {key for item in node for key in _references(item)}
    if not is_mapping(node):
        return set()
    key = node.get("$ref")
    if isinstance(key, str):
        return {key}
    return {key for value in node.values() for key in _references(value)}
