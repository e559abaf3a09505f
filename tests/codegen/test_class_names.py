"""Hoisting: every object gets a class name, whatever the shape of what refers to what."""

import pytest

from coffrify_webhooks_codegen import package
from coffrify_webhooks_codegen.catalog import CatalogError, load
from coffrify_webhooks_codegen.classes.class_names import name_classes
from coffrify_webhooks_codegen.classes.event_names import event_names
from coffrify_webhooks_codegen.schema.field_list import list_fields
from coffrify_webhooks_codegen.schema.lower import lower


def hoisted(**schemas):
    return name_classes(
        {name: lower(schema) for name, schema in schemas.items()}, event_names(schemas)
    )


def chain(length, last):
    definitions = {
        f"D{number}": {
            "type": "object",
            "properties": {"next": {"$ref": f"#/$defs/D{number + 1}"}},
        }
        for number in range(length)
    }
    definitions[f"D{length}"] = {"type": "object", "properties": {last: {"type": "string"}}}
    return {"$defs": definitions, "$ref": "#/$defs/D0"}


def test_a_long_chain():
    """A chain of objects may be longer than Python's stack is deep."""
    assert len(hoisted(a=chain(990, "x")).own["a"]) == 991


def test_a_long_chain_can_be_shown():
    """The fields of such a chain can be listed too."""
    found = list_fields(chain(990, "x"))
    assert len(found) == 992
    assert found[-1].path.endswith(".next.next.x")


def test_a_dense_graph():
    """A graph whose every object refers to a dozen others costs no more than its size."""
    definitions = {
        f"D{i}": {
            "type": "object",
            "properties": {
                f"p{j}": {"$ref": f"#/$defs/D{(i * 7 + j * 13) % 300}"} for j in range(12)
            },
        }
        for i in range(300)
    }
    found = hoisted(a={"$defs": definitions, "$ref": "#/$defs/D0"})
    assert len(found.own["a"]) == 300


def test_many_of_one_name():
    """Classes that would all have one name are numbered, each once."""
    kinds = [{"type": "object", "properties": {f"p{n}": {}}} for n in range(200)]
    own = hoisted(a={"properties": {"x": {"anyOf": kinds}}}).own["a"]
    assert {"ADataX", "ADataX2", "ADataX200"} <= own.keys()


def test_names_deep_inside_are_short():
    """The name of a class does not grow without end; and it is always the same."""
    schema: dict[str, object] = {"properties": {"x": {}}}
    for number in range(40):
        schema = {"properties": {f"a_long_name_of_a_field_{number}": schema}}
    names = hoisted(a=schema).own["a"]
    assert max(map(len, names)) == 200
    assert len(names) == 41
    assert names == hoisted(a=schema).own["a"]


def test_circles_without_names_are_told_apart():
    """Definitions that have no name of their own still make those that lead to them differ."""

    def ring(length):
        unnamed = {
            f"k{n}": {"properties": {"n": {"$ref": f"#/x/k{(n + 1) % length}"}}}
            for n in range(length)
        }
        unnamed["k0"]["properties"]["z"] = {"type": "string"}
        named = {"N": {"properties": {"n": {"$ref": "#/x/k1"}}}}
        return {"x": unnamed, "$defs": named, "$ref": "#/$defs/N"}

    assert hoisted(a=ring(50), b=ring(50)).public == ("N",)
    assert hoisted(a=ring(50), b=ring(51)).public == ()


def test_a_difference_far_away_is_a_difference():
    """Definitions of one name are shared if all they refer to is equal, however far away."""
    assert "D0" in hoisted(a=chain(30, "x"), b=chain(30, "x")).public
    assert "D0" not in hoisted(a=chain(30, "x"), b=chain(30, "y")).public


def test_equal_circles_are_shared():
    """Definitions that refer to themselves are compared too."""
    schema = {
        "$defs": {"Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}},
        "$ref": "#/$defs/Node",
    }
    assert hoisted(a=schema, b=schema).public == ("Node",)


def test_what_cannot_be_rendered_names_its_event(monkeypatch):
    """A schema on which the renderer fails is one clear error with the event and the place."""

    def fails(*arguments):
        raise RuntimeError("hunter2")

    monkeypatch.setattr(package, "event_module", fails)
    with pytest.raises(CatalogError, match=r"a\.b: /data/0/schema") as caught:
        package.files(load({"data": [{"type": "a.b"}]}))
    assert "hunter2" not in str(caught.value)
