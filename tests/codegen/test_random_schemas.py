"""Random schemas: whatever JSON Schema allows becomes classes that take what the schema allows."""

import contextlib
import importlib
import json
import sys
import tempfile
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.budgets import budget

from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.parsing.parse import parse
from coffrify_webhooks.parsing.registry import Registry
from coffrify_webhooks.testing.strategies import events, instances
from coffrify_webhooks_codegen import package
from coffrify_webhooks_codegen.catalog import load
from coffrify_webhooks_codegen.schema.lower import lower

NUMBERS = count()
NAMES = st.sampled_from(
    [
        *("id", "type", "data", "raw", "issues", "a", "a.b", "a_b", "a-b", "A", "class", "None"),
        *("model_dump", "model_fields", "copy", "json", "schema", "dict", "construct", "validate"),
        *("date", "str", "list", "int", "float", "bool", "Any", "Literal", "UUID", "Timestamp"),
        *("_private", "__init__", "__class__", "", " ", "1st", "@id", "$ref", "é", "日本", "self"),
        *("x" * 90, "line\nbreak", 'q"uote', "Date", "Field", "Annotated", "EventModel", "cls"),
    ]
) | st.text(max_size=4)
TEXTS = st.sampled_from(["", "a", "b", "active", "None", '"', "\\", "a\nb"]) | st.text(max_size=5)
REFS = st.sampled_from(
    ["#", "#/$defs/A", "#/$defs/B", "#/definitions/A", "#/properties/a", "#a", "x"]
)
ANYTHING = st.one_of(
    st.none(), TEXTS, st.lists(st.integers()), st.dictionaries(NAMES, st.none() | TEXTS)
)
SCALARS = st.sampled_from(
    [
        *({"type": kind} for kind in ("string", "integer", "number", "boolean", "null")),
        *({"type": "string", "format": each} for each in ("date-time", "date", "uuid", "email")),
        {"type": ["string", "null"]},
        {"type": ["object", "array", "integer"]},
        {"type": "string", "nullable": True, "pattern": "(a+)+$", "minLength": 2},
        {"const": "tag"},
        {"const": 3},
        {},
        True,
        False,
    ]
)


def nested(inner):
    """Build schemas of schemas."""
    objects = st.fixed_dictionaries(
        {"properties": st.dictionaries(NAMES, inner, max_size=5)},
        optional={
            "type": st.sampled_from(["object", ["object", "null"]]),
            "required": st.lists(NAMES, max_size=3),
            "additionalProperties": inner,
            "patternProperties": st.dictionaries(st.just("^x"), inner, max_size=1),
            "description": st.text(max_size=9),
        },
    )
    several = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        objects,
        objects,
        st.builds(lambda item: {"type": "array", "items": item}, inner),
        st.builds(lambda each: {"type": "array", "prefixItems": each, "items": each[0]}, several),
        st.builds(lambda item: {"type": "object", "additionalProperties": item}, inner),
        st.builds(
            lambda word, each: {word: each}, st.sampled_from(["anyOf", "oneOf", "allOf"]), several
        ),
        st.builds(lambda item, each: {"anyOf": each, **item}, objects, several),
        st.builds(lambda item, ref: {**item, "$ref": ref}, objects, REFS),
        st.builds(lambda a, b: {"if": a, "then": b, "not": a}, inner, inner),
        st.builds(lambda values: {"enum": values}, st.lists(TEXTS | st.integers(0, 3) | st.none())),
    )


PARTS = st.recursive(SCALARS | REFS.map(lambda ref: {"$ref": ref}), nested, max_leaves=12)
ROOTS = st.builds(
    lambda root, one, other: {
        **(root if isinstance(root, dict) else {}),
        "$defs": {"A": one, "B": {"$anchor": "a", **(other if isinstance(other, dict) else {})}},
        "definitions": {"A": other},
    },
    nested(PARTS),
    PARTS,
    PARTS,
)


@contextlib.contextmanager
def imported(schema):
    """Write a package for the schema, and yield its registry."""
    name = f"random_events_{next(NUMBERS)}"
    with tempfile.TemporaryDirectory() as folder:
        package.write(load({"data": [{"type": "t", "schema": schema}]}), Path(folder) / name)
        sys.path.insert(0, folder)
        importlib.invalidate_caches()
        try:
            yield Registry(name)
        finally:
            sys.path.remove(folder)
            for module in [each for each in sys.modules if each.partition(".")[0] == name]:
                del sys.modules[module]


@settings(
    max_examples=budget(8, 60),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking would take minutes
)
@given(ROOTS, st.data())
def test_every_random_schema_becomes_a_class_of_its_instances(schema, data):
    """Every schema becomes a class, and every instance that it allows an event without issues."""
    with imported(schema) as registry:
        for instance in data.draw(st.lists(instances(lower(schema)), min_size=3, max_size=6)):
            body = json.dumps({"type": "t", "data": instance}).encode()
            event = parse(body, registry=registry)
            assert type(event) is registry.get("t")
            assert event.issues == ()
            assert event.raw == body
        other = data.draw(ANYTHING)
        found = parse(json.dumps({"type": "t", "data": other}).encode(), registry=registry)
        assert type(found) is registry.get("t")


@settings(max_examples=budget(8, 60), deadline=None)
@given(st.sampled_from([event.type for event in load().events]).flatmap(events))
def test_the_strategy_makes_bodies_of_bundled_events(body):
    """The strategy makes bodies of the bundled events."""
    event = parse(json.dumps(body).encode(), strict=True)
    assert (event.id, event.type) == (body["id"], body["type"])


def test_no_such_type():
    """A type that the catalog does not have is told."""
    with pytest.raises(ConfigurationError, match=r"no\.such"):
        events("no.such")


def test_without_hypothesis_what_to_install_is_told(monkeypatch):
    """Without hypothesis, what to install is told."""
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    with pytest.raises(ConfigurationError, match="pip install"):
        events("ping")
