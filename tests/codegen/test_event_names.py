"""Names: every event type gets a class and a module that Python can take."""

import ast
import importlib
import random
from pathlib import Path

import pytest

from coffrify_webhooks import events
from coffrify_webhooks.parsing.registry import Registry
from coffrify_webhooks_codegen import package
from coffrify_webhooks_codegen.catalog import CatalogError, load
from coffrify_webhooks_codegen.classes.event_names import EventName, camel, event_names, is_reserved


@pytest.mark.parametrize(
    ("event_type", "class_name", "module"),
    [
        ("transfer.e2e_created", "TransferE2eCreated", "transfer_e2e_created"),
        ("ping", "Ping", "ping"),
        ("api_key.created", "ApiKeyCreated", "api_key_created"),
        ("a-b c/d", "ABCD", "a_b_c_d"),
        ("any", "AnyEvent", "any"),
        ("literal", "LiteralEvent", "literal"),
        ("event", "EventEvent", "event"),
        ("none", "NoneEvent", "none"),
        ("class", "Class", "class_event"),
        ("import", "Import", "import_event"),
        ("con", "Con", "con_event"),
        ("2fa.enabled", "Event2faEnabled", "event_2fa_enabled"),
        ("événement.créé", "EvenementCree", "evenement_cree"),
        ("e1", "E1Event", "e1"),
    ],
)
def test_types_become_camel_case_classes_and_snake_case_modules(event_type, class_name, module):
    """Types become CamelCase classes and snake_case modules; taken words get a suffix."""
    name = event_names([event_type])[event_type]
    assert (name.class_name, name.module) == (class_name, module)


def test_all_types_have_names_of_their_own_in_any_order():
    """Types that spell nothing, or the same at first, have names of their own in any order."""
    types = ["a.b", "ab", "日本", "中国", "...", "x" * 200, "x" * 199 + "y"]
    names = event_names(types)
    assert len({name.class_name for name in names.values()}) == len(types)
    assert len({name.module for name in names.values()}) == len(types)
    for seed in range(5):
        shuffled = random.Random(seed).sample(types, len(types))
        assert event_names(shuffled) == names


@pytest.mark.parametrize("other", ["a_b", "a-b", "A.B", "a..b"])
def test_two_types_of_one_name_are_refused(other):
    """Two types that would share a name are refused, with the place and the remedy."""
    with pytest.raises(CatalogError, match=r"names\.json") as caught:
        event_names([other, "a.b"])
    assert "/data/" in str(caught.value)


def test_a_lock_settles_a_clash():
    """A name in the lock stays, and a type named there does not clash."""
    lock = {"a_b": EventName("a_b", "Another", "another")}
    names = event_names(["a.b", "a_b"], lock)
    assert names["a_b"].class_name == "Another"
    assert names["a.b"].class_name == "AB"


def test_a_shared_class_keeps_its_name():
    """A new event whose class would be called like a shared one is called otherwise."""
    assert event_names(["transfer"], {}, {"Transfer"})["transfer"].class_name == "TransferEvent"


@pytest.mark.parametrize("text", ["a'b", 'a"""b', "a\\b", "os.system('x')", "日本", "_", "a;b"])
def test_whatever_a_type_holds_its_names_are_identifiers(text):
    """Whatever the type holds, its names are plain identifiers."""
    name = event_names([text])[text]
    for found in (name.class_name, name.module, "X" + camel(text)):
        assert found.isascii()
        assert found.isidentifier()
    ast.parse(f"from .{name.module} import {name.class_name}")
    assert not is_reserved(name.class_name)


MACHINERY = ast.walk(ast.parse(Path(events.__file__).read_text(encoding="utf-8")))
SHADOWS = sorted(
    # Whatever the package calls by name, as a module and as a class.
    {node.id.strip("_") for node in MACHINERY if isinstance(node, ast.Name)}
    | {"import.module", "attribute.error", "globals", "getattr", "sorted", "value.error", "object"}
    | {"CATALOG_SHA256", "EVENTS", "on", "typing", "__getattr__", "dict", "tuple", "__all__"}
)


@pytest.fixture
def shadowed(tmp_path, monkeypatch):
    """Write a package with an event type for each name that its machinery could need."""
    owners: dict[str, str] = {}
    for event_type in SHADOWS:
        name = event_names([event_type])[event_type]
        if not {name.class_name, name.module} & owners.keys():
            owners |= {name.class_name: event_type, name.module: event_type}
    catalog = load({"data": [{"type": each} for each in sorted({*owners.values()})]})
    package.write(catalog, tmp_path / "shadowed_events")
    monkeypatch.syspath_prepend(tmp_path)
    return importlib.import_module("shadowed_events")


def test_no_event_type_shadows_the_package(shadowed):
    """Once every module and class has been imported, all of the package still works."""
    registry = Registry("shadowed_events")
    for _ in range(2):
        for event_type in registry:
            found = registry.get(event_type)
            assert found is not None
            assert found.model_validate({"type": event_type, "data": None}).type == event_type
        for name in shadowed.__all__:
            assert getattr(shadowed, name) is not None
        assert {*shadowed.__all__} <= {*dir(shadowed)}
        assert shadowed.on.__self__ is not None
        with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
            _ = shadowed.Nothing
        importlib.reload(shadowed)
