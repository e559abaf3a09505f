"""Resolves local references inside one schema document."""

import re
from collections.abc import Mapping
from typing import Any, TypeGuard
from urllib.parse import unquote, urldefrag, urljoin

from coffrify_webhooks_codegen.json_types import is_list, is_mapping

__all__ = ["Document"]

_MOST_NODES = 200_000
# Until draft 07, whatever stands beside a `$ref` is ignored.
_LEGACY = re.compile(r"https?://json-schema\.org/draft-0[3467]/schema#?")
_LONGEST_REF = 2000
_MOST_NAMES = 10_000
_MOST_DIGITS = 5
_NAMING = ("$id", "id", "$anchor", "$dynamicAnchor")

_Place = tuple["_Place | None", str]
"""The keys that lead to a schema, the last one first: most are never spelled as a pointer."""


class Document:
    """A schema document in which references are resolved; it never opens anything else."""

    def __init__(self, root: object) -> None:
        self.root = root
        dialect = root.get("$schema") if is_mapping(root) else None
        self.ref_stands_alone = isinstance(dialect, str) and bool(_LEGACY.fullmatch(dialect))
        self._names: dict[str, str] = {}
        self._ambiguous: set[str] = set()
        self._bases: dict[int, str] = {}
        self._found: dict[str, Any] = {}
        self._index()

    def pointer(self, ref: str, holder: object = None) -> str | None:
        """Return the JSON pointer of a reference; None if it leads out of the document.

        holder: the schema that contains the reference; it may be in a resource of its own.
        """
        if len(ref) > _LONGEST_REF or (ref and ref in self._ambiguous):
            return None
        base = self._bases.get(id(holder), "")
        if base:  # what is found there goes first; many a document means its root all the same
            found = self._names.get(ref) or self._within(_join(base, ref))
            if found is not None:
                return found
        pointer = self._names.get(ref, ref)
        if pointer != "#" and not pointer.startswith("#/"):
            return self._within(ref)
        return pointer if self.at(pointer) is not None else None

    def _within(self, url: str) -> str | None:
        """Return the pointer of an absolute reference; None if its resource is not in here."""
        if (known := self._names.get(url)) is not None:
            return known
        place, fragment = urldefrag(url)
        start = self._names.get(place) if place else None
        if start is None or (fragment and not fragment.startswith("/")):
            return None
        pointer = start + fragment
        return pointer if self.at(pointer) is not None else None

    def at(self, pointer: str) -> Any:
        """Return the value at a pointer; None without one."""
        if pointer not in self._found:
            self._found[pointer] = self._walk(pointer)
        return self._found[pointer]

    def _walk(self, pointer: str) -> Any:
        node: Any = self.root
        for part in pointer.split("/")[1:]:
            key = unquote(part).replace("~1", "/").replace("~0", "~")
            if is_mapping(node):
                node = node.get(key)
            elif is_list(node) and key.isascii() and key.isdigit() and len(key) <= _MOST_DIGITS:
                items = node
                node = items[int(key)] if int(key) < len(items) else None
            else:
                return None
        return node

    def _index(self) -> None:
        """Index the schemas that `$anchor` and `$id` name, by their references."""
        left: list[tuple[_Place, int, Any, str]] = [((None, "#"), 1, self.root, "")]
        seen = 0
        while left and seen < _MOST_NODES:
            place, length, node, base = left.pop()
            seen += 1
            if length > _LONGEST_REF:
                continue
            if is_mapping(node):
                inner = self._name(place, node, base)
                if inner:
                    self._bases[id(node)] = inner
                left += [
                    ((place, key), length + 1 + len(str(key)), item, inner)
                    for key, item in sorted(node.items(), key=lambda pair: str(pair[0]))
                    if isinstance(item, (Mapping, list)) and key not in {"enum", "const"}
                ]
            elif is_list(node):
                left += [
                    ((place, str(index)), length + 7, item, base)
                    for index, item in enumerate(node)
                    if isinstance(item, (Mapping, list))
                ]

    def _name(self, place: _Place, node: Mapping[str, Any], base: str) -> str:
        names = {key: name for key in _NAMING if _is_name(name := node.get(key))}
        if not names or len(self._names) > _MOST_NAMES:
            return base
        pointer = _spell(place)
        for keyword in ("$id", "id"):
            if (name := names.get(keyword)) is not None:
                self._names.setdefault(name, pointer)
                if name.startswith("#"):  # an anchor, in drafts 04 to 07
                    self._names.setdefault(base + name, pointer)
                    continue
                base = _join(base, name).rstrip("#")
                self._names.setdefault(base, pointer)
                break
        for keyword in ("$anchor", "$dynamicAnchor"):
            if (name := names.get(keyword)) is not None:
                if keyword == "$dynamicAnchor" and self._names.get(f"#{name}", pointer) != pointer:
                    self._ambiguous.add(f"#{name}")
                self._names.setdefault(f"#{name}", pointer)
                self._names.setdefault(f"{base}#{name}", pointer)
        return base


def _is_name(name: object) -> TypeGuard[str]:
    return isinstance(name, str) and 0 < len(name) <= _LONGEST_REF


def _spell(place: _Place) -> str:
    keys: list[str] = []
    left: _Place | None = place
    while left is not None:
        left, key = left
        keys.append(_escape(key))
    return "/".join(reversed(keys))


def _join(base: str, ref: str) -> str:
    try:
        return urljoin(base, ref)
    except ValueError:
        return ref


def _escape(key: str) -> str:
    return str(key).replace("%", "%25").replace("~", "~0").replace("/", "~1")
