"""Random payloads: valid by the schema, varied, and like the catalog's example."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from tests.budgets import budget

from coffrify_webhooks import parse
from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks_codegen.catalog import load
from coffrify_webhooks_sandbox.dashboard.payload_form import PayloadForm, flatten
from coffrify_webhooks_sandbox.errors import SandboxError
from coffrify_webhooks_sandbox.event_types import EventTypes
from coffrify_webhooks_sandbox.payload import random_data

TYPES = EventTypes()
NOW = 1_800_000_000.0


@pytest.mark.parametrize("name", TYPES.names)
def test_made_up_data_fits_every_type_of_the_catalog(name: str) -> None:
    """What is made up for a type of the catalog fits its schema, and its class without an issue."""
    for seed in range(20):
        data = TYPES.make(name, NOW, Random(seed))
        TYPES.check(name, data)
        event = parse(json.dumps({"id": "evt_1", "type": name, "data": data}).encode())
        assert event.issues == ()


def test_the_same_seed_makes_the_same_payload() -> None:
    """Two payloads are not the same, and the same seed makes the same one."""
    made = [TYPES.make("transfer.created", NOW, Random(seed)) for seed in (1, 2, 1)]
    assert made[0] == made[2]
    assert made[0]["id"] != made[1]["id"]


def test_made_up_ids_and_times_keep_their_relations() -> None:
    """Ids that were the same stay the same, times keep their distances, names stay names."""
    data = TYPES.make("transfer.created", NOW, Random(5))
    assert data["files"][0]["transfer_id"] == data["id"]
    assert data["share_url"].endswith(data["short_code"])
    assert (data["created_at"], data["expires_at"]) == (
        "2027-01-15T08:00:00.000Z",
        "2027-01-22T08:00:00.000Z",
    )
    assert data["files"][0]["name"] == "quarterly-report.pdf"


SCHEMAS = st.recursive(
    st.sampled_from(
        [
            {"type": "string"},
            {"type": "string", "minLength": 3, "maxLength": 9},
            {"type": "string", "format": "date-time"},
            {"type": "integer", "minimum": 5, "maximum": 9},
            {"type": "number", "minimum": -1, "maximum": 1},
            {"type": ["boolean", "null"]},
            {"enum": ["a", 1, None]},
            {"const": {"a": 1}},
            {"type": "integer", "multipleOf": 7, "minimum": 0},
            {},
        ]
    ),
    lambda inner: st.one_of(
        st.builds(
            lambda fields, extra: {
                "type": "object",
                "properties": fields,
                "required": list(fields),
                "additionalProperties": extra,
            },
            st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
            st.booleans(),
        ),
        st.builds(
            lambda items, least: {"type": "array", "items": items, "minItems": least},
            inner,
            st.integers(0, 3),
        ),
        st.builds(lambda one, two: {"anyOf": [one, two]}, inner, inner),
        st.builds(lambda one: {"allOf": [one, {"title": "both"}]}, inner),
    ),
    max_leaves=8,
)


@settings(deadline=None, max_examples=budget(30, 200))
@given(schema=SCHEMAS, seed=st.integers(0, 2**32))
def test_without_an_example(schema: dict[str, object], seed: int) -> None:
    """Of a schema of the common kinds, data is made up that fits it."""
    Draft202012Validator(schema).validate(random_data(schema, None, NOW, Random(seed)))


def test_a_recursive_schema_comes_to_an_end() -> None:
    """A schema that refers to itself comes to an end."""
    schema = {
        "$ref": "#/$defs/node",
        "$defs": {
            "node": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": {"type": "string"},
                    "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
                    "self": {"$ref": "#/$defs/self"},
                },
            },
            "self": {"$ref": "#/$defs/self"},
        },
    }
    example = {"name": "a", "children": [{"name": "b", "children": []}], "self": 1}
    data = random_data(schema, example, NOW, Random(1))
    assert (data["name"], data["children"][0]["name"]) == ("a", "b")


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({}, "data"),
        ({"id": 5}, "data.id"),
        ({"id": "x", "files": [{"id": "f"}, {"id": "f", "size": "big"}]}, "data.files[1].size"),
        ([], "data"),
        (None, "data"),
    ],
)
def test_data_that_breaks_the_schema_names_the_field(data: object, field: str) -> None:
    """Data that breaks the schema is refused, and the field is named."""
    with pytest.raises(SandboxError) as raised:
        TYPES.check("transfer.created", data)
    assert (raised.value.code, raised.value.param) == ("invalid_data", field)


@pytest.mark.parametrize(
    ("name", "near"),
    [("transfer.creatd", "transfer.created"), ("saml.logn_failed", "saml.login_failed")],
)
def test_an_unknown_type_is_refused_with_similar_names(name: str, near: str) -> None:
    """An unknown type is refused with the names that are like it."""
    with pytest.raises(SandboxError, match=near):
        TYPES.get(name)


def _catalog(schema: object, example: object = None) -> EventTypes:
    types = EventTypes()
    entry = {"type": "a.b", "schema": schema, "example": example}
    types.catalog = load({"data": [entry]})
    types._by_name = {event.type: event for event in types.catalog.events}
    return types


def test_reference_to_the_network() -> None:
    """A schema that refers to an address is not fetched, and said to be unusable."""
    types = _catalog({"$ref": "http://127.0.0.1:9/schema.json"})
    with pytest.raises(SandboxError, match="cannot be resolved"):
        types.check("a.b", {})


def test_schema_that_nothing_fits() -> None:
    """Where nothing could be made up, the error says to give the data."""
    with pytest.raises(SandboxError, match="provide the data"):
        _catalog({"not": {}}).make("a.b", NOW, Random(1))


def test_the_example_as_the_last_resort() -> None:
    """Where what is made up does not fit, the catalog's example is sent."""
    example = {"id": "evt_1", "type": "a.b", "data": {"kind": "x", "sum": 3}}
    schema = {"type": "object", "properties": {"sum": {"type": "integer", "not": {"minimum": 4}}}}
    types = _catalog({**schema, "allOf": [{"properties": {"sum": {"maximum": 3}}}]}, example)
    types.check("a.b", types.make("a.b", NOW, Random(1)))


def _loaded(schema: object, folder: Path) -> EventTypes:
    file = folder / "catalog.json"
    file.write_text(json.dumps({"data": [{"type": "a.b", "schema": schema}]}))
    return EventTypes(file)


@pytest.mark.parametrize(
    "schema",
    [
        {"pattern": "("},
        {"required": 5},
        {"$ref": 5},
        {"allOf": 5},
        {"type": "unknown"},
        {"type": []},
        {"properties": []},
        {"anyOf": {}},
        {"minimum": "x"},
        {"multipleOf": 0},
        {"items": 5},
        {"$schema": []},
        {"$schema": 5},
        {"properties": {"x": {"minItems": 1.5}}},
    ],
)
def test_schema_that_is_none(schema: object, tmp_path: Path) -> None:
    """A catalog with what is no schema is refused when it is read, and the type is named."""
    with pytest.raises(ConfigurationError, match=r"a\.b: its schema is invalid"):
        _loaded(schema, tmp_path)


TREE = {
    "type": "object",
    "required": ["left", "right"],
    "properties": {"left": {"$ref": "#/$defs/tree"}, "right": {"$ref": "#/$defs/tree"}},
}
DOUBLING = {
    f"of{depth}": {
        "type": "array",
        "minItems": 2,
        "items": {"$ref": f"#/$defs/of{depth + 1}"} if depth < 40 else True,
    }
    for depth in range(41)
}
LIST_OF_TWO = {"type": "array", "items": [{"type": "integer"}, {"const": "x"}], "minItems": 2}


def _refusal(act: Callable[[], object]) -> str:
    try:
        act()
    except SandboxError as error:
        return error.code
    return ""


@pytest.mark.parametrize(
    ("schema", "fits"),
    [
        (LIST_OF_TWO, True),
        ({**LIST_OF_TWO, "$schema": "http://json-schema.org/draft-07/schema#"}, True),
        ({**LIST_OF_TWO, "additionalItems": False}, True),
        ({"type": "array", "prefixItems": [{"const": 1}], "items": False, "minItems": 1}, True),
        ({"enum": []}, False),
        ({"$ref": "#/$defs/tree", "$defs": {"tree": TREE}}, False),
        ({"$ref": "#/$defs/of0", "$defs": DOUBLING}, False),
        ({"type": "array", "minItems": 3_000_000}, False),
        ({"type": "string", "minLength": 3_000_000}, False),
        ({"type": "number", "minimum": 10**400}, False),
        ({"$ref": "#/x", "x": {"type": "object", "required": 5, "properties": 5}}, False),
        ({"$ref": "#/x", "x": {"allOf": 5, "anyOf": 5, "enum": 5}}, False),
        ({"$ref": "#/x", "x": {"type": {"a": 1}}}, False),
        ({"$ref": "#/x", "x": {"type": "string", "pattern": "("}}, False),
        ({"$ref": "http://["}, False),
    ],
)
def test_data_of_an_unusual_schema_fits_or_must_be_given(
    schema: object, *, fits: bool, tmp_path: Path
) -> None:
    """Of an unusual schema data is made that fits, or it is said to give it; forms stay usable."""
    types = _loaded(schema, tmp_path)
    said = _refusal(lambda: types.check("a.b", types.make("a.b", NOW, Random(1))))
    assert said == ("" if fits else "no_data")
    for data in ({}, [], [1, "x"], {"left": {"left": 1}}, "text", None):
        assert _refusal(partial(types.check, "a.b", data)) in ("", "invalid_data")
        sheet, texts = PayloadForm(types.get("a.b").schema), flatten(data)
        sheet.field(texts).value()
        for action in ("add:data", "add:data/left", "drop:data/0", "null:data"):
            said = _refusal(partial(sheet.edit, texts, action, NOW, Random(1)))
            assert said in ("", "no_data")


def test_data_nested_too_deeply_is_refused() -> None:
    """Data that is nested too deeply for pages and schemas is refused, and it is said why."""
    data: object = {}
    for _ in range(900):
        data = {"more": data}
    with pytest.raises(SandboxError, match="more than 50 levels deep"):
        TYPES.check("ping", data)
