"""Merges `allOf`, and keywords beside a `$ref`, into one schema without either."""

from collections.abc import Iterator, Mapping, Sized
from typing import Any

from coffrify_webhooks_codegen.json_types import is_list, is_mapping

from .lowered import constants
from .pointer import Document

__all__ = ["MEANINGFUL", "Merger"]

MEANINGFUL = (
    "type",
    "properties",
    "required",
    "items",
    "additionalProperties",
    "enum",
    "format",
    "anyOf",
    "oneOf",
)
_DESCRIBING = ("type", "properties", "items", "enum", "const", "anyOf", "oneOf", "allOf", "$ref")
_KINDS = ("string", "integer", "number", "boolean", "null", "object", "array")
_GROWING = ("properties", "required")
_WANTED = {"properties": Mapping, "required": list, "enum": list, "anyOf": list, "oneOf": list}
_DEEPEST = 32
_MOST_WORK = 100_000
# What a list or an object costs is counted in pieces of this size.
_PIECE = 8
_MOST_CONSTANTS = 64

_Mapping = Mapping[str, Any]


class Merger:
    """Merges the schemas of one document.

    The result for one schema is always the same object, so that recursion can be detected.
    """

    def __init__(self, document: Document, warnings: dict[str, None]) -> None:
        self._document = document
        self._warnings = warnings
        self._left = _MOST_WORK
        # The schemas stay in here too: their ids must not be given to others.
        self._merged: dict[int, tuple[_Mapping, dict[str, Any]]] = {}
        self._both: dict[tuple[int, int], tuple[Any, Any, _Mapping]] = {}
        self._branches: dict[tuple[int, str], tuple[_Mapping, list[Any]]] = {}
        self._constants: dict[int, dict[str, str]] = {}

    def pointer(self, schema: _Mapping, ref: str) -> str | None:
        """Return the pointer that a reference in this schema stands for."""
        while "$ref" not in schema and is_list(parts := schema.get("allOf")) and len(parts) == 1:
            schema = parts[0]
        return self._document.pointer(ref, schema)

    def alias(self, schema: _Mapping) -> str | None:
        """Return the reference of a schema that has no keywords besides it."""
        ref, parts = schema.get("$ref"), schema.get("allOf")
        if isinstance(ref, str) and self._document.ref_stands_alone:
            return ref
        while not any(key in schema for key in (*MEANINGFUL, "const")):
            ref, parts = schema.get("$ref"), schema.get("allOf")
            if isinstance(ref, str) and "allOf" not in schema:
                return ref
            if "$ref" in schema or not is_list(parts) or len(parts) != 1:
                return None
            schema = parts[0]
            if not is_mapping(schema):
                return None
        return None

    def merge(self, schema: _Mapping) -> dict[str, Any]:
        """Merge a schema with its references: types are intersected, properties joined."""
        known = self._merged.get(id(schema))
        if known is not None:
            return known[1]
        merged: dict[str, Any] = {}
        owned: set[str] = set()
        for part in self._parts(schema, set(), 0):
            for key, value in part.items():
                if key in merged and key in _GROWING:
                    if key not in owned:  # what stands there is the document's
                        merged[key] = _copy(merged[key])
                        owned.add(key)
                    self._grow(merged[key], value)
                else:
                    merged[key] = self._join(key, merged[key], value) if key in merged else value
        merged = {key: value for key, value in merged.items() if value is not None}
        if self._left < 0:
            merged = {}  # half of what was meant may say something else
        for keyword in ("anyOf", "oneOf"):
            # Branches that only say which fields go together do not describe a union.
            bare = not all(map(_describes, merged.get(keyword, ())))
            if bare and merged.keys() - {keyword}:
                del merged[keyword]
        self._merged[id(schema)] = schema, merged
        return merged

    def branches(self, merged: _Mapping, keyword: str) -> list[Any]:
        """Return the branches of a union, each merged with the keywords beside the union."""
        known = self._branches.get((id(merged), keyword))
        if known is not None:
            return known[1]
        branches: list[Any] = merged[keyword]
        if not self._afford(len(branches)):
            return []
        base = {key: merged[key] for key in MEANINGFUL if key in merged and key != keyword}
        if base:
            branches = [self._all_of(base, branch) for branch in branches]
        self._branches[id(merged), keyword] = merged, branches
        return branches

    def constants(self, branch: object) -> dict[str, str] | None:
        """Return the properties of a branch with a single possible text; None without properties.

        Their number is limited: a few are enough to distinguish the branches of a union.
        """
        merged = self.merge(branch) if is_mapping(branch) else {}
        properties = merged.get("properties")
        if not is_mapping(properties):
            return None
        if id(merged) not in self._constants:
            found = sorted(constants(properties).items())
            self._constants[id(merged)] = dict(found[:_MOST_CONSTANTS])
        return self._constants[id(merged)]

    def _all_of(self, one: Any, other: Any) -> _Mapping:
        known = self._both.get((id(one), id(other)))
        if known is None:
            if not self._afford(1):
                return {}
            known = self._both[id(one), id(other)] = (one, other, {"allOf": [one, other]})
        return known[2]

    def _parts(self, schema: _Mapping, seen: set[str], depth: int) -> Iterator[_Mapping]:
        if depth > _DEEPEST:
            self._warnings["parts nested too deeply: the inner ones are omitted"] = None
            return
        if not self._afford(1):
            return
        ref = schema.get("$ref")
        alone = isinstance(ref, str) and self._document.ref_stands_alone
        own = {} if alone else _own_keywords(schema)
        if own and self._afford(sum(map(_pieces, own.values()))):
            yield own
        if isinstance(ref, str):
            pointer = self._document.pointer(ref, schema)
            target = None if pointer is None else self._document.at(pointer)
            if pointer is None:
                self._warnings["a reference that leaves the document was omitted"] = None
            elif is_mapping(target) and pointer not in seen:
                seen.add(pointer)  # what is said twice says no more
                yield from self._parts(target, seen, depth + 1)
        parts = schema.get("allOf")
        for part in parts if is_list(parts) and not alone else []:
            if is_mapping(part):
                yield from self._parts(part, seen, depth + 1)

    def _afford(self, work: int) -> bool:
        """Spend work; False when the limit of the document is reached."""
        if self._left >= 0:
            self._left -= work
            if self._left < 0:
                self._warnings["too many parts: the rest is treated as any value"] = None
        return self._left >= 0

    def _grow(self, mine: Any, other: Any) -> None:
        """Add further properties, or further required names."""
        if is_list(mine):
            mine += other
            return
        for name, value in other.items():
            mine[name] = self._all_of(mine[name], value) if name in mine else value

    def _join(self, key: str, one: Any, other: Any) -> Any:
        if key == "type":
            return one if other is None else other if one is None else self._kinds(one, other)
        if key == "enum":
            return _in_both(one, other) or one
        if key in {"items", "additionalProperties"} and is_mapping(other):
            return self._all_of(one, other) if is_mapping(one) else other
        return one

    def _kinds(self, one: list[str], other: list[str]) -> list[str] | None:
        kinds = _common(one, other)
        if not kinds:
            self._warnings["types that exclude each other were treated as any value"] = None
        return kinds or None


def _copy(value: Any) -> Any:
    return [*value] if is_list(value) else {**value}


def _pieces(value: object) -> int:
    return len(value) // _PIECE if isinstance(value, Sized) else 0


def _in_both(one: list[Any], other: list[Any]) -> list[Any]:
    known = {_comparable(value) for value in other}
    return [value for value in one if _comparable(value) in known]


def _comparable(value: object) -> object:
    """Return a hashable stand-in: of lists and objects only the type is used later."""
    if is_list(value) or is_mapping(value):
        return list if is_list(value) else dict
    return value


def _describes(branch: object) -> bool:
    """Tell whether a branch of a union describes a value, not only which fields are required."""
    return is_mapping(branch) and any(key in branch for key in _DESCRIBING)


def _own_keywords(schema: _Mapping) -> dict[str, Any]:
    """Return the meaningful keywords that are well formed, normalised."""
    own: dict[str, Any] = {}
    for key in MEANINGFUL:
        value = schema.get(key)
        if value is not None and isinstance(value, _WANTED.get(key, object)):
            own[key] = value
    if "const" in schema:
        own["enum"] = [schema["const"]]
    nullable = schema.get("nullable") is True
    kinds = own.pop("type", None)
    kinds = [kinds] if isinstance(kinds, str) else kinds
    # A type that is none, or a schema among them as in draft 03, allows anything.
    if is_list(kinds) and all(kind in _KINDS for kind in kinds):
        own["type"] = [*kinds, "null"] if nullable else kinds
    if nullable and "enum" in own and None not in own["enum"]:
        own["enum"] = [*own["enum"], None]
    if "prefixItems" in schema:
        own.pop("items", None)  # speaks of the items after those only
    patterns = schema.get("patternProperties")
    if is_mapping(patterns) and patterns:
        # Which pattern a key matches is not looked at: a value may fit any of them.
        rest = own.pop("additionalProperties", True)
        if rest is False or is_mapping(rest):
            rest = [rest] if is_mapping(rest) else []
            own["additionalProperties"] = {"anyOf": [*rest, *patterns.values()]}
    return own


def _common(one: list[str], other: list[str]) -> list[str]:
    common = [kind for kind in one if kind in other]
    for wide, narrow in ((one, other), (other, one)):
        if "number" in wide and "integer" in narrow and "number" not in narrow:
            common.append("integer")
    return common
