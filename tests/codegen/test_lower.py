"""Lowering: only what a receiver may rely on gets through, in one canonical form."""

import json
from typing import Any

import pytest

from coffrify_webhooks_codegen.schema.lower import lower


def low(schema):
    return lower(schema).schema


@pytest.mark.parametrize(
    ("schema", "lowered"),
    [
        (True, {}),
        (False, {}),
        ("nonsense", {}),
        ({}, {}),
        ({"type": "string", "minLength": 3, "pattern": "x", "default": "y"}, {"type": "string"}),
        ({"type": "string", "format": "uri"}, {"type": "string"}),
        ({"type": "string", "format": "date-time"}, {"type": "string", "format": "date-time"}),
        ({"type": "integer", "minimum": 3, "multipleOf": 2}, {"type": "integer"}),
        ({"type": "file"}, {}),
        ({"type": "string", "enum": ["b", "a", "a"]}, {"type": "string", "enum": ["a", "b"]}),
        ({"enum": [str(n) for n in range(65)]}, {"type": "string"}),
        ({"const": "x"}, {"type": "string", "enum": ["x"]}),
        ({"const": 3}, {"type": "integer"}),
        ({"enum": [1, None]}, {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        ({"type": ["null", "string"]}, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        (
            {"type": "string", "nullable": True},
            {"anyOf": [{"type": "string"}, {"type": "null"}]},
        ),
        ({"oneOf": [{"type": "string"}, {}]}, {}),
        ({"type": "array", "uniqueItems": True}, {"type": "array", "items": {}}),
        ({"type": "object", "additionalProperties": False}, {"type": "object"}),
        (
            {"type": "object", "additionalProperties": {"type": "integer"}},
            {"type": "object", "additionalProperties": {"type": "integer"}},
        ),
        ({"allOf": [{"type": ["string", "null"]}, {"type": "null"}]}, {"type": "null"}),
        ({"allOf": [{"type": "string"}, {"type": "integer"}]}, {}),
    ],
)
def test_each_kind_of_schema_has_one_reduced_form(schema, lowered):
    """Each kind of schema has one reduced form."""
    assert low(schema) == lowered


def test_required_properties_come_first():
    """Required properties come first, then the rest by name; unknown required ones are dropped."""
    string = {"type": "string"}
    schema = {"properties": dict.fromkeys("dbca", string), "required": ["d", "c", "zz"]}
    found = low(schema)
    assert list(found["properties"]) == ["c", "d", "a", "b"]
    assert found["required"] == ["c", "d"]


def test_parts_of_an_all_of_are_joined():
    """Parts of an `allOf`, and what stands beside a `$ref`, are joined."""
    schema = {
        "$defs": {"Base": {"properties": {"id": {"type": "string"}}, "required": ["id"]}},
        "type": "object",
        "$ref": "#/$defs/Base",
        "allOf": [{"properties": {"id": {"type": ["string", "null"]}, "n": {"type": "integer"}}}],
    }
    assert low(schema) == {
        "type": "object",
        "properties": {"id": {"type": "string"}, "n": {"type": "integer"}},
        "required": ["id"],
    }


def test_union_of_objects():
    """A union of objects is told apart by its tag, and takes an object of a new kind."""

    def kind(tag, field):
        return {"properties": {"kind": {"const": tag}, field: {"type": "string"}}}

    found = low({"oneOf": [kind("a", "x"), kind("b", "y")]})
    assert found["anyOf"][-1] == {"type": "object"}
    tags = [branch["properties"]["kind"] for branch in found["anyOf"][:2]]
    assert tags == [{"type": "string", "const": "a"}, {"type": "string", "const": "b"}]


def test_union_of_requirements():
    """Branches that only name required fields are no union."""
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "anyOf": [{"required": ["a"]}, {"required": ["b"]}],
    }
    assert low(schema)["properties"] == {"a": {"type": "string"}}


@pytest.mark.parametrize("ref", ["#", "#/$defs/N", "#anchor", "https://example.com/n"])
def test_an_object_may_contain_itself(ref):
    """An object may contain itself, however it is referred to."""
    node = {
        "$anchor": "anchor",
        "$id": "https://example.com/n",
        "properties": {"next": {"$ref": ref}},
    }
    schema = node if ref == "#" else {"$defs": {"N": node}, "$ref": "#/$defs/N"}
    found = lower(schema)
    key = found.schema["$ref"]
    assert found.definitions[key]["properties"]["next"] == {"$ref": key}


def test_what_has_no_end_is_cut_off():
    """What has no end and is no object is cut off."""
    schema = {"$defs": {"L": {"type": "array", "items": {"$ref": "#/$defs/L"}}}}
    assert low({**schema, "$ref": "#/$defs/L"}) == {"type": "array", "items": {}}
    assert low({"$defs": {"A": {"$ref": "#/$defs/A"}}, "$ref": "#/$defs/A"}) == {}
    looped = {"$defs": {"A": {"allOf": [{"$ref": "#/$defs/A"}, {"type": "string"}]}}}
    assert low({**looped, "$ref": "#/$defs/A"}) == {"type": "string"}


@pytest.mark.parametrize(
    "ref",
    ["file:///etc/passwd", "/etc/passwd", "other.json", "https://example.com/x", "#/no", "#no", ""],
)
def test_a_reference_out_of_the_schema_is_anything(ref):
    """A reference that leads out of the schema is anything, and is reported."""
    found = lower({"properties": {"a": {"$ref": ref}, "b": {"$ref": ref, "type": "string"}}})
    assert found.schema["properties"] == {"a": {}, "b": {"type": "string"}}
    assert found.warnings


def test_no_hook_of_a_generator_gets_through():
    """Nothing that a code generator would act on gets through."""
    schema = {
        "type": "string",
        "customTypePath": "os.system",
        "customBasePath": "os.system",
        "x-python-type": "os.system",
        "x-python-import": {"module": "os", "name": "system"},
        "title": "Evil",
        "$comment": "x",
        "default": "x",
    }
    nested = {"properties": {"a": schema, "b": {"items": schema}}, **schema, "type": "object"}
    text = json.dumps(low(nested))
    assert not any(word in text for word in ("system", "Evil", "default", "comment"))


def test_a_description_is_one_line_of_plain_text():
    """A description is one line of plain text."""
    schema = {"type": "string", "description": 'a """\n\n"\\x\u202e\ud800 b'}
    assert low(schema)["description"] == "a ''' '/x b"


def test_a_schema_that_grows_without_end_costs_little():
    """A schema that grows without end costs little."""
    names = [f"d{n}" for n in range(40)]
    defs = {
        name: {"type": "array", "items": {"anyOf": [{"$ref": f"#/$defs/{following}"}] * 9}}
        for name, following in zip(names, [*names[1:], "end"], strict=True)
    }
    found = lower({"$defs": {**defs, "end": {}}, "$ref": "#/$defs/d0"})
    assert found.warnings
    deep: dict[str, Any] = {}
    for _ in range(300):
        deep = {"type": "array", "items": deep}
    assert lower(deep).warnings
    chain = {
        name: {"allOf": [{"$ref": f"#/$defs/{names[i + 1]}"}] * 9}
        for i, name in enumerate(names[:-1])
    }
    assert lower({"$defs": chain, "$ref": "#/$defs/d0"}).warnings


def test_the_order_of_keys_makes_no_difference():
    """The order of keys makes no difference."""
    one = {"properties": {"a": {"type": "string"}, "b": {"enum": ["x"]}}, "type": "object"}
    other = {"type": "object", "properties": {"b": {"enum": ["x"]}, "a": {"type": "string"}}}
    assert json.dumps(low(one)) == json.dumps(low(other))
