"""Limits the size of a schema: the outermost part is kept, and the rest allows anything.

Each field of each class takes a millisecond to generate, and memory in every program that imports
it. Objects are kept level by level until the limit; those further inside stay plain JSON.
"""

from collections import deque
from collections.abc import Mapping

from .inline_refs import inline_refs
from .lowered import Schema

__all__ = ["apply_limits"]

# Of 78 real schemas the largest weighs 4,300, and the largest that an event carries 750.
_MOST = 5_000
_CLASS = 4
_MOST_BRANCHES = 256
_WORDS, _VALUES = 1_000, 500
"""This many characters of a description, or of known values, count as much as a field."""


def apply_limits(
    schema: Schema, definitions: Mapping[str, Schema]
) -> tuple[Schema, dict[str, Schema]] | None:
    """Return the part of a schema within the limits; None if all of it is."""
    copying = _LimitedCopy(definitions)
    root = copying.run(schema)
    if not copying.cut:
        return None
    return inline_refs(root, copying.kept)


class _TooMuchError(Exception):
    """The part being copied does not fit."""


class _LimitedCopy:
    """Copies objects, each into the place reserved for it, up to the limit."""

    def __init__(self, definitions: Mapping[str, Schema]) -> None:
        self.kept: dict[str, Schema] = {}
        self.cut = False
        self._definitions = definitions
        self._left = _MOST
        self._waiting: deque[tuple[Schema, Schema]] = deque()

    def run(self, schema: Schema) -> Schema:
        root = Schema()
        self._waiting.append((root, schema))
        while self._waiting:
            place, item = self._waiting.popleft()
            try:
                place.update(self._object(item) if "properties" in item else self._type(item))
            except _TooMuchError:
                self.cut = True
                self._left = 0  # what comes later lies no further outside
                free = "properties" not in item or "untyped" in item
                place.update({} if free else {"type": "object"})
        return root

    def _object(self, schema: Schema) -> Schema:
        self._spend(schema, _CLASS)
        properties: Mapping[str, Schema] = schema["properties"]
        return {**schema, "properties": {key: self._type(properties[key]) for key in properties}}

    def _type(self, schema: Schema) -> Schema:
        if "properties" in schema:
            return self._later(Schema(), schema)
        self._spend(schema)
        if "$ref" in schema:
            key = schema["$ref"]
            if key not in self.kept:
                self.kept[key] = self._later(Schema(), self._definitions[key])
        elif "anyOf" in schema:
            branches: list[Schema] = schema["anyOf"]
            if len(branches) > _MOST_BRANCHES:  # Python's parser fails on so long a union
                self.cut = True
                return {}
            return {**schema, "anyOf": [self._type(branch) for branch in branches]}
        for keyword in ("items", "additionalProperties"):
            if keyword in schema:
                return {**schema, keyword: self._type(schema[keyword])}
        return schema

    def _later(self, place: Schema, schema: Schema) -> Schema:
        self._waiting.append((place, schema))
        return place

    def _spend(self, schema: Schema, base: int = 1) -> None:
        words = len(schema.get("description", ""))
        values = sum(len(value) + 16 for value in schema.get("enum", ()))
        self._left -= base + words // _WORDS + values // _VALUES
        if self._left < 0:
            raise _TooMuchError
