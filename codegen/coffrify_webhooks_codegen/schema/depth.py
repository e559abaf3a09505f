"""Limits the depth of schemas: what is too deep for pydantic stays plain JSON.

Pydantic builds nested classes recursively, and each level takes a part of the thousand calls that
Python allows. A chain of ninety definitions once produced classes that every delivery failed with.
So the levels are counted in the order in which pydantic builds them.
"""

from collections.abc import Mapping

from .inline_refs import inline_refs
from .lower import TOO_DEEP, Lowered, Schema

__all__ = ["limit_depth"]

# Calls that pydantic 2.14 takes, as measured, and those that are left to it: a server
# and its middleware have taken some of the thousand before.
_CLASS, _UNION, _CONTAINER = 7, 4, 6
_MOST = 400


def limit_depth(lowered: Lowered) -> Lowered:
    """Cut off the parts of a lowered schema that are too deep to build, with a warning."""
    limiter = _DepthLimiter(lowered.definitions)
    root = limiter.copy(lowered.schema, _MOST - _CLASS)
    if not limiter.cut:
        return lowered
    warnings = dict.fromkeys((*lowered.warnings, TOO_DEEP))
    return Lowered(*inline_refs(root, limiter.kept), tuple(warnings))


class _DepthLimiter:
    """Copies what can be built; an object counts where it is first met, as in pydantic."""

    def __init__(self, definitions: Mapping[str, Schema]) -> None:
        self.kept: dict[str, Schema] = {}
        self.cut = False
        self._definitions = definitions

    def copy(self, schema: Schema, left: int) -> Schema:
        if "$ref" in schema:
            return self._reference(schema, left)
        if "properties" in schema:
            return self._object(schema, left)
        if "anyOf" in schema:
            branches = [self.copy(branch, left - _UNION) for branch in schema["anyOf"]]
            return {**schema, "anyOf": branches}
        for keyword in ("items", "additionalProperties"):
            if keyword in schema:
                return {**schema, keyword: self.copy(schema[keyword], left - _CONTAINER)}
        return schema

    def _reference(self, schema: Schema, left: int) -> Schema:
        key: str = schema["$ref"]
        if key in self.kept:
            return schema
        if left < _CLASS:
            return self._plain(self._definitions[key], schema)
        self.kept[key] = {}  # it may refer to itself
        self.kept[key] = self._object(self._definitions[key], left)
        return schema

    def _object(self, schema: Schema, left: int) -> Schema:
        left -= _CLASS
        if left < 0:
            return self._plain(schema, schema)
        properties: Mapping[str, Schema] = schema["properties"]
        required: list[str] = schema["required"]
        copied = {
            key: self.copy(value, left if key in required else left - _UNION)
            for key, value in properties.items()
        }
        return {**schema, "properties": copied}

    def _plain(self, target: Schema, place: Schema) -> Schema:
        self.cut = True
        words = {key: place[key] for key in ("description",) if key in place}
        return words if "untyped" in target else {"type": "object", **words}
