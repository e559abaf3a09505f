"""Hoisting: every object gets a class name, whatever the shape of what refers to what."""

import pytest

from coffrify_webhooks_codegen import package
from coffrify_webhooks_codegen.catalog import CatalogError, load
from coffrify_webhooks_codegen.hoist import hoist
from coffrify_webhooks_codegen.lower import lower
from coffrify_webhooks_codegen.names import event_names


def hoisted(**schemas):
    return hoist({name: lower(schema) for name, schema in schemas.items()}, event_names(schemas))


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
    assert len(hoisted(a=chain(1500, "x")).own["a"]) == 1501


def test_a_dense_graph():
    """A graph whose every object refers to a dozen others costs no more than its size."""
    definitions = {
        f"D{i}": {
            "type": "object",
            "properties": {
                f"p{j}": {"$ref": f"#/$defs/D{(i * 7 + j * 13) % 500}"} for j in range(12)
            },
        }
        for i in range(500)
    }
    found = hoisted(a={"$defs": definitions, "$ref": "#/$defs/D0"})
    assert len(found.own["a"]) == 500


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
