"""Hypothesis strategies: bodies that an event type's schema allows, for property tests.

@given(events("transfer.created"))
def test_handler(body): handle(parse(json.dumps(body).encode()))
"""

from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.extras import needs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from hypothesis.strategies import SearchStrategy

    from coffrify_webhooks_codegen.catalog import Catalog
    from coffrify_webhooks_codegen.schema.lower import Lowered

    _Schema = Mapping[str, Any]
    _Draw = Callable[[SearchStrategy[Any]], Any]

__all__ = ["events", "instances"]

_SHALLOW = 4
"""Levels of optional fields and of items; below them only what is required is made."""
_DEEPEST = 40


def events(
    event_type: str, catalog: "Path | str | Mapping[str, Any] | None" = None
) -> "SearchStrategy[dict[str, Any]]":
    """Make whole bodies of an event type: an `id`, the `type`, and random `data`.

    catalog: a file or a parsed document; without it, the bundled one.
    Raises ConfigurationError for a type that the catalog does not have.
    """
    with needs("testing"):
        from hypothesis import strategies as st
    from coffrify_webhooks_codegen.catalog import load
    from coffrify_webhooks_codegen.schema.lower import lower

    found = _bundled() if catalog is None else load(catalog)
    schemas = {event.type: event.schema for event in found.events}
    if event_type not in schemas:
        raise ConfigurationError(f"the catalog has no event type {event_type!r}")
    return st.fixed_dictionaries(
        {
            "id": st.uuids().map("evt_{}".format),
            "type": st.just(event_type),
            "data": instances(lower(schemas[event_type])),
        }
    )


@cache
def _bundled() -> "Catalog":
    from coffrify_webhooks_codegen.catalog import load

    return load()


def instances(lowered: "Lowered") -> "SearchStrategy[Any]":
    """Make JSON values that fit a lowered schema (see `coffrify_webhooks_codegen.schema.lower`)."""
    with needs("testing"):
        from hypothesis import strategies as st

    return st.composite(_Maker(lowered))()


class _Maker:
    """Makes one value, from the outside in."""

    def __init__(self, lowered: "Lowered") -> None:
        from hypothesis import strategies as st

        self.__name__ = "instance"
        self._lowered = lowered
        short = st.text(max_size=8)
        number = st.integers(-(2**63), 2**63 - 1)
        real = st.floats(allow_nan=False, allow_infinity=False)
        scalar = st.none() | st.booleans() | number | real | short
        self._size = st.integers(0, 3)
        self._yes = st.booleans()
        self._seldom = st.integers(0, 15).map(lambda drawn: drawn == 1)
        self._key = short
        self._other = scalar | st.lists(scalar, max_size=2)
        self._anything = self._other | st.dictionaries(short, scalar, max_size=2)
        self._by_type: dict[str, SearchStrategy[Any]] = {
            "string": short,
            "integer": number,
            "number": real | number,
            "boolean": st.booleans(),
            "null": st.none(),
        }
        zones = st.sampled_from(["", "Z", "+02:00", "-1130"])
        self._by_format: dict[str, SearchStrategy[Any]] = {
            "date-time": st.tuples(
                st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1)).map(datetime.isoformat),  # noqa: DTZ001
                zones,
            ).map("".join),
            "date": st.dates().map(lambda day: day.isoformat()),
            "uuid": st.uuids().map(str),
        }
        self._one_of = st.sampled_from

    def __call__(self, draw: "_Draw") -> Any:
        return self._value(draw, self._lowered.schema, 0)

    def _value(self, draw: "_Draw", schema: "_Schema", depth: int) -> Any:
        if "$ref" in schema:
            return self._value(draw, self._lowered.definitions[schema["$ref"]], depth)
        if "anyOf" in schema:
            return self._value(draw, draw(self._one_of(self._branches(schema, depth))), depth)
        kind = schema.get("type")
        if kind == "object":
            return self._object(draw, schema, depth)
        if kind == "array":
            size = draw(self._size) if depth < _SHALLOW else 0
            return [self._value(draw, schema["items"], depth + 1) for _ in range(size)]
        return draw(self._scalar(schema))

    def _scalar(self, schema: "_Schema") -> "SearchStrategy[Any]":
        if "const" in schema:
            return self._one_of([schema["const"]])
        if "enum" in schema:
            return self._one_of(schema["enum"]) | self._key
        if "format" in schema:
            return self._by_format[schema["format"]]
        return self._by_type[schema["type"]] if "type" in schema else self._anything

    def _branches(self, schema: "_Schema", depth: int) -> "list[_Schema]":
        branches = cast("list[_Schema]", schema["anyOf"])
        ends = [item for item in branches if "$ref" not in item and "properties" not in item]
        return ends if depth >= _SHALLOW and ends else branches

    def _object(self, draw: "_Draw", schema: "_Schema", depth: int) -> Any:
        properties: Mapping[str, _Schema] | None = schema.get("properties")
        if properties is None:
            values: _Schema = schema.get("additionalProperties", {})
            size = draw(self._size) if depth < _SHALLOW else 0
            return {draw(self._key): self._value(draw, values, depth + 1) for _ in range(size)}
        if schema.get("untyped") and draw(self._seldom):
            return draw(self._other)
        if depth > _DEEPEST:
            from hypothesis import reject

            reject()  # it has no end
        return {
            name: self._value(draw, item, depth + 1)
            for name, item in properties.items()
            if name in schema["required"] or (depth < _SHALLOW and draw(self._yes))
        }
