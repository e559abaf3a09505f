"""Lists the fields of a schema, for people to read."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from .lower import Schema, lower

__all__ = ["ListedField", "list_fields"]

_FEW = 8


class ListedField(NamedTuple):
    """One field in the `data` of an event."""

    path: str
    """From the top of the body: `data.files[].size`."""
    type: str
    required: bool
    description: str


def list_fields(schema: object) -> list[ListedField]:
    """List the fields of an event's `data`, as the generated classes have them.

    An object that occurs again, or within itself, is listed at its first occurrence.
    """
    lowered = lower(schema)
    walk = _Walk(lowered.definitions)
    return list(walk.fields(_Place("data", lowered.schema, required=True)))


class _Place(NamedTuple):
    path: str
    schema: Schema
    required: bool


class _Walk:
    def __init__(self, definitions: Mapping[str, Schema]) -> None:
        self._definitions = definitions
        self._seen: dict[str, str] = {}

    def fields(self, place: _Place) -> Iterator[ListedField]:
        # Not one inside the other: a chain of objects may be longer than Python's stack is deep.
        left = [iter([place])]
        while left:
            found = next(left[-1], None)
            if found is None:
                left.pop()
                continue
            path, schema, required = found
            said = schema.get("description") or self._target(schema).get("description", "")
            yield ListedField(path, self._type(schema), required, said)
            left.append(self._fields_of(path, schema))

    def _fields_of(self, path: str, schema: Schema) -> Iterator[_Place]:
        for branch in schema.get("anyOf", ()):
            yield from self._fields_of(path, branch)
        key = schema.get("$ref")
        if key is not None:
            if key in self._seen:
                return
            self._seen[key] = path
        target = self._target(schema)
        if "items" in target:
            yield from self._fields_of(f"{path}[]", target["items"])
        if "additionalProperties" in target:
            yield from self._fields_of(f"{path}.*", target["additionalProperties"])
        needed = target.get("required", ())
        for name, inner in target.get("properties", {}).items():
            yield _Place(f"{path}.{name}", inner, required=name in needed)

    def _target(self, schema: Schema) -> Schema:
        return self._definitions[schema["$ref"]] if "$ref" in schema else schema

    def _type(self, schema: Schema) -> str:
        if "anyOf" in schema:
            return " | ".join(dict.fromkeys(self._type(branch) for branch in schema["anyOf"]))
        if (key := schema.get("$ref")) in self._seen:
            return f"object, as {self._seen[key]}"
        return self._kind(self._target(schema))

    def _kind(self, schema: Schema) -> str:
        kind = str(schema.get("type", "anything"))
        if "const" in schema:
            return repr(schema["const"])
        if "enum" in schema:
            values: list[Any] = schema["enum"]
            more = [] if len(values) <= _FEW else ["..."]
            return " | ".join([*map(repr, values[:_FEW]), *more])
        if "format" in schema:
            return f"{kind} ({schema['format']})"
        if kind == "array":
            return f"list of {self._type(schema.get('items', {}))}"
        if "additionalProperties" in schema:
            return f"map of {self._type(schema['additionalProperties'])}"
        return kind
