"""Pointers: where a local `$ref` leads inside one schema document."""

from typing import Any
from urllib.parse import unquote

from coffrify_webhooks_codegen.shape import is_list, is_mapping

__all__ = ["Document"]

_MOST_NODES = 20_000


class Document:
    """A schema that local references can be looked up in; it never opens anything else."""

    def __init__(self, root: object) -> None:
        self.root = root
        self._names = _named(root)

    def pointer(self, ref: str) -> str | None:
        """Find the JSON pointer that a reference stands for; None if it leads nowhere in here."""
        pointer = self._names.get(ref, ref)
        if pointer != "#" and not pointer.startswith("#/"):
            return None
        return pointer if self.at(pointer) is not None else None

    def at(self, pointer: str) -> Any:
        """Get what stands at a pointer; None if there is nothing."""
        node: Any = self.root
        for part in pointer.split("/")[1:]:
            key = unquote(part).replace("~1", "/").replace("~0", "~")
            if is_mapping(node):
                node = node.get(key)
            elif is_list(node) and key.isascii() and key.isdigit() and len(key) < 6:  # noqa: PLR2004
                items = node
                node = items[int(key)] if int(key) < len(items) else None
            else:
                return None
        return node


def _named(root: object) -> dict[str, str]:
    """Index what `$anchor` and `$id` name, by the reference that would be written for it."""
    names: dict[str, str] = {}
    left: list[tuple[str, Any]] = [("#", root)]
    seen = 0
    while left and seen < _MOST_NODES:
        pointer, node = left.pop()
        seen += 1
        if is_mapping(node):
            items = node
            for keyword, mark in (("$anchor", "#"), ("$id", ""), ("id", "")):
                name = items.get(keyword)
                if isinstance(name, str) and name:
                    names.setdefault(f"{mark}{name}", pointer)
            left += [(f"{pointer}/{_escape(key)}", items[key]) for key in items]
        elif is_list(node):
            left += [(f"{pointer}/{index}", item) for index, item in enumerate(node)]
    return names


def _escape(key: str) -> str:
    return str(key).replace("~", "~0").replace("/", "~1").replace("%", "%25")
