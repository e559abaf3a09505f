"""Hostile and odd schemas: bounded in time and depth, and never narrower than what they say."""

import json
import sys
from typing import Any

import pytest
from tests.codegen.families import HOSTILE, STRING, record, ref, rooted, tree

from coffrify_webhooks.event import Event
from coffrify_webhooks.parsing.parse import parse
from coffrify_webhooks.parsing.registry import Registry
from coffrify_webhooks_codegen import package
from coffrify_webhooks_codegen.catalog import CatalogError, load
from coffrify_webhooks_codegen.classes.class_names import name_classes
from coffrify_webhooks_codegen.classes.event_names import event_names
from coffrify_webhooks_codegen.schema.depth import limit_depth
from coffrify_webhooks_codegen.schema.lower import lower


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """Write a package for one schema, and read it."""

    def made(schema):
        name = f"hostile_{tmp_path.name}".replace("-", "_")
        package.write(load({"data": [{"type": "t", "schema": schema}]}), tmp_path / name)
        monkeypatch.syspath_prepend(tmp_path)
        return Registry(name)

    return made


def issues(registry, data):
    event = parse(json.dumps({"type": "t", "data": data}).encode(), registry=registry)
    assert type(event) is registry.get("t")
    return event.issues


def nested(depth):
    schema: dict[str, Any] = {}
    for _ in range(depth):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


@pytest.mark.parametrize(
    "schema",
    [
        nested(100_000),
        {"type": "object", "properties": {"x" * 10**6: STRING, "a": {"enum": ["y" * 10**6]}}},
        {"description": "z" * 10**6, "$ref": "#/" + "a/" * 10**5},
        {"type": "string", "pattern": "(a+)+(b|a*)*$" * 1000},
        {"allOf": [{"anyOf": [{"properties": {f"p{n}": STRING}} for n in range(12)]}] * 12},
        {"anyOf": [{"oneOf": [{"allOf": [{"$ref": "#"}] * 20}] * 20}] * 20},
        {"type": "object", "properties": {f"p{n}": {"$ref": "#"} for n in range(30_000)}},
    ],
    ids=["deep", "long", "long-ref", "pattern", "all-of", "endless", "wide"],
)
def test_no_schema_keeps_the_lowering_busy(schema):
    """No schema keeps the lowering busy."""
    assert lower(schema).schema is not None


LARGE = ("inline objects", "union of 20,000", "10,000 fields", "anyOf of allOf", "everyone")
"""Of each there is a smaller one, or one much like it, among the others."""


def in_long(family):
    return pytest.param(family, marks=pytest.mark.long) if family in LARGE else family


def nodes(value):
    """Count the schemas in what is rendered."""
    if isinstance(value, list):
        return sum(map(nodes, value))
    return 1 + sum(map(nodes, value.values())) if isinstance(value, dict) else 0


@pytest.mark.parametrize("family", [*map(in_long, HOSTILE)])
def test_whatever_a_schema_stands_for_is_bounded(family):
    """Whatever a schema stands for, what is made of it is bounded: classes, schemas, text."""
    found = name_classes({"t": lower(HOSTILE[family]())}, event_names(["t"]))
    assert len(found.own["t"]) <= 1250
    assert nodes(found.own) + nodes(found.data) <= 10_000
    assert len(json.dumps(found.own)) <= 5_000_000


def test_a_family_is_rendered():
    """What the bound leaves becomes classes, the outermost ones, and the loss is told."""
    told: list[str] = []
    catalog = load({"data": [{"type": "t", "schema": HOSTILE["dense"]()}, {"type": "u"}]})
    made = package.files(catalog, warn=told.append)
    assert "class TDataA1(EventModel" in made["t.py"]
    assert "u.py" in made
    assert told == ["t: /data/0/schema: too large: the rest is treated as any value"]


def test_the_outermost_is_kept():
    """Of two fields that are too much together neither goes under: the depth does."""
    inner = tree(60)["$defs"]
    schema = {"$defs": inner, **record(x=ref("a0"), y=ref("a0"), z=record(last=STRING))}
    lowered = lower(schema)
    assert "too large: the rest is treated as any value" in lowered.warnings
    assert lowered.schema["properties"]["z"]["properties"] == {"last": STRING}


def test_what_is_too_large_is_a_plain_object():
    """An object that does not fit is still said to be one, if its schema said so."""
    wide = dict.fromkeys(map(str, range(6000)), STRING)
    assert lower(record(**wide)).schema == {"type": "object"}
    assert lower({"properties": wide}).schema == {}


def test_a_union_of_too_many():
    """A union that nobody tells apart is anything, and the fields beside it stay."""
    branches = [record(**{f"p{n}": STRING}) for n in range(300)]
    lowered = lower(record(u={"anyOf": branches}, v=STRING))
    assert lowered.schema["properties"] == {"u": {}, "v": STRING}


def test_a_union_of_many(registry):
    """Two hundred alternatives are fine, whether they refer to classes or not."""
    lists = [{"type": "array", "items": {"type": "array", "items": {"enum": [f"v{n}"]}}}
             for n in range(200)]  # fmt: skip
    schema = record(a={"anyOf": [*lists, {"$ref": "#"}]}, b={"anyOf": lists})
    assert issues(registry(schema), {"a": [["v1"]], "b": [["v7"]]}) == ()


def test_constants_are_one_enumeration():
    """Alternatives that are one value each, as some write an enumeration, are one again."""
    schema = {"oneOf": [{"const": each, "title": each} for each in "ba"]}
    assert lower(schema).schema == {"type": "string", "enum": ["a", "b"]}
    many = {"oneOf": [{"const": str(n)} for n in range(600)]}
    assert lower(many).schema == {"type": "string"}


def test_what_is_said_twice():
    """An object that is a part twice over is merged once, and keeps its words."""
    schema = rooted("B", {"A": record(x={**STRING, "description": "Words."}),
                          "B": {"allOf": [ref("A"), ref("A"), record(y=STRING)]}})  # fmt: skip
    (found,) = lower(schema).definitions.values()
    assert found["properties"]["x"] == {**STRING, "description": "Words."}


def test_values_in_both():
    """Of two enumerations what both have is left; numbers are compared as JSON does."""
    schema = {"allOf": [{"enum": ["a", "b", 1, [1]]}, {"enum": ["b", "c", 1.0, [2]]}]}
    assert lower(schema).schema == {}
    schema = {"allOf": [{"enum": ["a", "b", 1]}, {"enum": ["b", "c", 1.0]}]}
    known = {"type": "string", "enum": ["b"]}
    assert lower(schema).schema == {"anyOf": [known, {"type": "integer"}]}


def test_a_long_description_is_cut():
    """A description ends somewhere."""
    found = lower({"description": "word " * 10_000}).schema["description"]
    assert len(found) == 4003
    assert found.endswith("...")


WAYS: dict[str, Any] = {
    "objects": lambda following: record(n=following),
    "lists": lambda following: record(n={"type": "array", "items": following}),
    "maps of lists": lambda following: record(
        n={"type": "object", "additionalProperties": {"type": "array", "items": following}}
    ),
    "unions": lambda following: record(n={"anyOf": [following, STRING, record(v=STRING)]}),
    "two ways": lambda following: record(a={"type": "array", "items": following}, n=following),
    "required": lambda following: {**record(n=following), "required": ["n"]},
}


def from_deep_inside(levels, work):
    """Do it where a server and its middleware have taken so many calls already."""
    return work() if levels == 0 else from_deep_inside(levels - 1, work)


@pytest.mark.parametrize(
    ("way", "length"),
    [
        *((way, 90) for way in WAYS),
        ("objects", 2000),
        *(pytest.param(way, 2000, marks=pytest.mark.long) for way in WAYS if way != "objects"),
    ],
)
def test_a_chain_of_definitions_can_be_built(registry, way, length):
    """However long a chain is, its event arrives typed: what is too deep of it is plain JSON."""
    chain = {f"a{n}": WAYS[way](ref(f"a{n + 1}")) for n in range(length)}
    made = registry(rooted("a0", {**chain, f"a{length}": record(last=STRING)}))
    body = json.dumps({"type": "t", "data": {"n": {}}}).encode()
    event = from_deep_inside(250, lambda: parse(body, registry=made))
    assert type(event) is made.get("t")
    assert type(event.data).__name__ == "TData"


def test_a_chain_that_is_cut_is_told():
    """The warning names the event and the place; what is left is said to be an object."""
    told: list[str] = []
    chain = {f"a{n}": record(n=ref(f"a{n + 1}")) for n in range(90)}
    schema = rooted("a0", {**chain, "a90": record(last=STRING)})
    catalog = load({"data": [{"type": "u"}, {"type": "t", "schema": schema}]})
    made = package.files(catalog, warn=told.append)
    assert told == ["t: /data/1/schema: too deep: the rest is treated as any value"]
    assert "dict[str, Any]" in made["t.py"]
    short = {name: chain[name] for name in list(chain)[:25]}
    built = lower(rooted("a0", {**short, "a25": record(last=STRING)}))
    assert limit_depth(built) is built


def test_too_deep_for_json(tmp_path):
    """Nesting that JSON itself cannot hold is an error of the catalog."""
    path = tmp_path / "catalog.json"
    path.write_text('{"data": [{"type": "t", "schema": ' + '{"a":' * 100_000 + "1" + "}" * 100_002)
    with pytest.raises(CatalogError):
        load(path)


ODD = [
    ({"prefixItems": [STRING], "items": {"type": "integer"}, "type": "array"}, ["a", 1]),
    ({"type": "array", "items": [STRING, {"type": "integer"}]}, ["a", 1]),
    ({"type": "object", "patternProperties": {"^x": {}}, "additionalProperties": STRING}, {"x": 1}),
    ({"properties": {"a": STRING}}, 5),
    ({"type": "object", "properties": {"a": {"type": "integer"}}, "anyOf": [
        {"properties": {"a": {"const": 1}}}, {"required": ["b"]}]}, {"a": 5, "b": 1}),
    ({"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"a": STRING},
      "properties": {"x": {"$ref": "#/definitions/a", "type": "integer"}}}, {"x": "text"}),
    ({"type": ["object", "boolean"], "properties": {"not": {"$ref": "#"}}}, {"not": {"not": True}}),
    ({"type": [{"type": "string"}, "integer"]}, "draft 03"),
    ({"type": "object", "properties": {"n": {"type": "null"}}, "required": ["n"]}, {"n": None}),
    ({"type": "integer"}, 1.0),
    ({"type": "number"}, 10**18),
    ({"$defs": {"E": {"oneOf": [{"type": "number"}, {"type": "object", "properties": {
        "left": {"$ref": "#/$defs/E"}, "right": {"$ref": "#/$defs/E"}}}]}}, "$ref": "#/$defs/E"},
     {"left": {"left": 1, "right": {"right": 2}}, "right": 3}),
    ({"$defs": {"a/b~%": STRING}, "properties": {"x": {"$ref": "#/$defs/a~1b~0%25"}}}, {"x": "y"}),
    ({"$id": "https://example.com/root", "$defs": {"i": {"$id": "item", **STRING}},
      "properties": {"x": {"$ref": "item"}}}, {"x": "y"}),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "instance"), ODD)
def test_what_is_valid_by_an_odd_schema_has_no_issues(registry, schema, instance):
    """What is valid by an odd schema has no issues."""
    assert issues(registry(schema), instance) == ()


@pytest.mark.parametrize(
    "text",
    [
        *("2024-02-29T10:11:12Z", "2024-02-29t10:11:12z", "2024-02-29 10:11:12+02:00"),
        *("2024-02-29T10:11:12.123456789Z", "2024-02-29T10:11:12-1130", "2024-02-29T10:11"),
        *("2016-12-31T23:59:60Z", "2024-02-29T24:00:00Z", "2024-02-29", "2024-02-29T10:11:12,5Z"),
    ],
)
def test_each_real_way_to_write_a_moment_is_read(registry, text):
    """Each way that real payloads write a moment is read."""
    schema = {"type": "object", "properties": {"at": {"type": "string", "format": "date-time"}}}
    assert issues(registry(schema), {"at": text}) == ()


@pytest.mark.parametrize("text", ["4242", "soon", "2024-13-01T00:00:00Z", "9999-12-31T24:00:00Z"])
def test_what_is_no_moment_stays_and_is_told(registry, text):
    """What is none stays as it is, and is told."""
    schema = {
        "properties": {
            "at": {"type": "string", "format": "date-time"},
            "on": {"type": "string", "format": "date"},
        }
    }
    found = issues(registry(schema), {"at": text, "on": text})
    assert found[0].path == "data.at"


@pytest.mark.parametrize(
    "text",
    [
        "0b7e5a4e-0f6b-4f52-9b8e-6f1c0a3d5e7f",
        "{0B7E5A4E-0F6B-4F52-9B8E-6F1C0A3D5E7F}",
        "urn:uuid:0b7e5a4e-0f6b-4f52-9b8e-6f1c0a3d5e7f",
    ],
)
def test_each_way_to_write_a_uuid_is_read(registry, text):
    """Each way to write a UUID is read."""
    assert issues(registry({"type": "string", "format": "uuid"}), text) == ()


@pytest.mark.parametrize("text", ["1e400", "NaN", "1" + "0" * 400])
def test_numbers_without_a_float(registry, text):
    """A number that no float can hold is kept as it came, and listed."""
    event = parse(
        f'{{"type": "t", "data": {{"a": {text}}}}}'.encode(),
        registry=registry({"type": "object", "properties": {"a": {"type": "number"}}}),
    )
    assert [issue.path for issue in event.issues] == ["data.a"]


def test_text_that_cannot_be_encoded_costs_nothing(registry):
    """Text that cannot be encoded costs nothing."""
    made = registry({"type": "object", "properties": {"a": STRING}})
    event = parse(b'{"type": "t", "data": {"a": "\\ud800"}}', registry=made)
    assert isinstance(event, Event)


def test_modules_stay_away(tmp_path, monkeypatch):
    """Of a hundred types, only that one is imported whose event arrives."""
    data = [{"type": f"t{n}"} for n in range(100)]
    package.write(load({"data": data}), tmp_path / "hundred")
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry("hundred")
    assert [name for name in sys.modules if name.startswith("hundred.")] == []
    assert registry.get("t7") is not None
    assert [name for name in sys.modules if name.startswith("hundred.")] == ["hundred.t7"]
