"""The ways in which an event may come to differ from its schema, each as a body of its own."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from .sample import resolve

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from coffrify_webhooks.event import Event

__all__ = ["Bend", "bends_of"]

_OTHERS: tuple[tuple[str, Any], ...] = (
    ("integer", 7),
    ("string", "of another type"),
    ("boolean", True),
    ("array", []),
    ("object", {}),
)
_ADDED = "added_later"
_Path = tuple[str | int, ...]


class Bend(NamedTuple):
    """A body that differs from its schema in one place, or makes use of what the schema allows."""

    kind: str
    """unknown_field, missing_field, wrong_type, unknown_value, null; or optional: still valid."""
    path: str
    """Where, from the top of the body: `data.files.0.size`."""
    document: dict[str, Any]


def bends_of(event_class: type[Event], document: dict[str, Any]) -> Iterator[Bend]:
    """Yield every bend of a body, by the fields of its class."""
    schema = event_class.model_json_schema()
    data = schema.get("properties", {}).get("data", {})
    made = _Bends(document, schema.get("$defs", {}))
    value, of_data = document.get("data"), [*made.of_value(document.get("data"), data, ("data",))]
    yield from made.inside(value, data, ("data",))
    yield from of_data
    yield made.with_value("unknown_field", (_ADDED,), "a field of the envelope")
    yield made.without("missing_field", ("data",))
    if not any(each.kind == "wrong_type" for each in of_data):
        yield made.with_value("wrong_type", ("id",), 7)  # nothing is said of the data


class _Bends:
    def __init__(self, document: dict[str, Any], definitions: Mapping[str, Any]) -> None:
        self._document = document
        self._definitions = definitions

    def inside(self, value: Any, schema: Mapping[str, Any], path: _Path) -> Iterator[Bend]:
        """Yield the bends of what a value holds."""
        branches = self._branches(schema)
        if isinstance(value, dict):
            fitting = [each for each in branches if "properties" in each]
            if fitting or not branches:
                yield self.with_value("unknown_field", (*path, _ADDED), {"by": "the sender"})
            for each in fitting[:1]:
                yield from self._fields(cast("dict[str, Any]", value), each, path)
        elif isinstance(value, list) and value:
            yield self.with_value("optional", path, [])
            for each in branches:
                if "items" in each:
                    yield from self.of_value(value[0], each["items"], (*path, 0))
                    yield from self.inside(value[0], each["items"], (*path, 0))

    def _fields(
        self, value: dict[str, Any], schema: Mapping[str, Any], path: _Path
    ) -> Iterator[Bend]:
        required = schema.get("required", ())
        for name, each in schema["properties"].items():
            if name in value:
                where = (*path, name)
                yield self.without("missing_field" if name in required else "optional", where)
                yield from self.of_value(value[name], each, where)
                yield from self.inside(value[name], each, where)

    def of_value(self, value: Any, schema: Mapping[str, Any], path: _Path) -> Iterator[Bend]:
        """Yield the bends of a value itself."""
        branches = self._branches(schema)
        kinds = {str(each.get("type")) for each in branches}
        if any("const" in each or "enum" in each for each in branches):
            yield self.with_value("unknown_value", path, "invented_later")
            kinds.add("string")
        if branches and None not in [each.get("type", each.get("const")) for each in branches]:
            allowed: set[str] = kinds | ({"integer"} if "number" in kinds else set())
            other = next((each for kind, each in _OTHERS if kind not in allowed), None)
            if other is not None:
                yield self.with_value("wrong_type", path, other)
            if value is not None:
                yield self.with_value("optional" if "null" in kinds else "null", path, None)

    def _branches(self, schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        schema = resolve(schema, self._definitions)
        found = schema.get("anyOf") or schema.get("oneOf") or ([schema] if schema else [])
        return [resolve(each, self._definitions) for each in found]

    def with_value(self, kind: str, path: _Path, value: Any) -> Bend:
        """Return the body with another value at a place."""
        document, owner = self._copy(path)
        owner[path[-1]] = value
        return Bend(kind, ".".join(map(str, path)), document)

    def without(self, kind: str, path: _Path) -> Bend:
        """Return the body without what is at a place."""
        document, owner = self._copy(path)
        del owner[path[-1]]
        return Bend(kind, ".".join(map(str, path)), document)

    def _copy(self, path: _Path) -> tuple[dict[str, Any], Any]:
        document = deepcopy(self._document)
        owner: Any = document
        for step in path[:-1]:
            owner = owner[step]
        return document, owner
