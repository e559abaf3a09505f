"""Attributes: every property is read under one name, which keeps its meaning for ever."""

import builtins
import importlib.util
import json
import keyword
import random
import sys
import unicodedata
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from tests.budgets import budget

from coffrify_webhooks.event import EventModel, LooseModel
from coffrify_webhooks_codegen import package
from coffrify_webhooks_codegen.catalog import CatalogError, load
from coffrify_webhooks_codegen.classes.attribute_names import attribute_names, is_attribute
from coffrify_webhooks_codegen.classes.lock import FILE, read

NUMBERS = count()
TEXT = {"type": "string"}
LETTERS = [
    "é",
    "e\u0301",
    "日本",
    "duration_µs",
    "duration_μs",
    "ﬁle",
    "file",
    "\u017f",
    "ª",
    "K",
    "ß",
]
BLANKS = ["", " ", "  ", "\t", "\n", "\u00a0", "\u3000", "\u200b", "a b", "a\u00a0b", "\ufeff"]
OURS = [
    *(
        "Event",
        "EventModel",
        "LooseModel",
        "Timestamp",
        "Date",
        "Uuid",
        "Annotated",
        "Any",
        "Field",
    ),
    *("Literal", "Optional", "Union", "T", "TData", "TDataX", "f0", "f1", "raw", "issues", "type"),
    *("data", "id", "_keep", "_raw", "_attach", "self", "cls", "field", "field_", "_str", "_Any"),
]
SPELLINGS = [
    *("a-b", "a.b", "a b", "a_b", "a_b_1", "A_B", "a__b", "a_b_", "_a_b", "__a_b__", "-a-b"),
    *(
        "1st",
        "\u0661st",
        "field_1st",
        "@id",
        "field_id",
        "$ref",
        'q"uote',
        "it's",
        "back\\slash",
        "a\r",
    ),
    *("x" * 200, "{{ 7 * 7 }}", "\U0001f600", "\x00", "\x1b[31m", "#", '"""', "class_", "str_"),
    *("dict_", "dict__", "None_", "copy_", "1", "2", "__class__", "__slots__", "__init__"),
]
HOSTILE = sorted(
    {
        *(name for name in dir(builtins)),
        *keyword.kwlist,
        *keyword.softkwlist,
        *(name for kind in (BaseModel, type(BaseModel), EventModel) for name in dir(kind)),
        *(*LETTERS, *BLANKS, *OURS, *SPELLINGS),
    }
)


def record(**properties):
    return {"type": "object", "properties": properties}


def imported(folder, monkeypatch):
    """Import the package that the folder holds now, whatever it held before."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    name = f"attributes_{next(NUMBERS)}"
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


def made(folder, monkeypatch, *schemas):
    """Write a package of these schemas, and return the classes of its events."""
    data = [{"type": f"t{number}", "schema": schema} for number, schema in enumerate(schemas)]
    package.write(load({"data": data}), folder)
    module = imported(folder, monkeypatch)
    return [getattr(module, f"T{number}") for number in range(len(schemas))]


def inner(event):
    """Get the class of what an event carries."""
    return event.model_fields["data"].annotation


def keys(model):
    """Get the property that each attribute of a class reads."""
    return {name: field.alias or name for name, field in model.model_fields.items()}


@pytest.mark.parametrize(
    "names",
    [
        *(["a-b", "a_b"], ["dict", "dict_"], ["class", "class_"], ["a.b", "a b", "a_b"]),
        *(["str", "str_"], ["_a", "a", "field_a"], ["1st", "field_1st"], ["é", "e\u0301"]),
        *(["duration_µs", "duration_μs"], ["A", "a"], ["file", "ﬁle"], ["", "field_"]),
    ],
    ids=repr,
)
def test_a_usable_name_is_kept(names):
    """Only what Python cannot name gets another name, whatever else is there."""
    given = attribute_names(names, {})
    assert {*given} == {*names}
    assert len({*given.values()}) == len(names)
    for name in names:
        assert (given[name] == name) == is_attribute(name)


ANY_NAME = st.sampled_from(HOSTILE) | st.text(max_size=6) | st.text("aAbB_-. 1µμ\u017f", max_size=4)


@settings(deadline=None, max_examples=budget(15, 100))
@given(st.sets(ANY_NAME), st.sets(ANY_NAME))
def test_names_are_usable_and_distinct(first, then):
    """Each property gets an attribute of its own, and what comes later changes none."""
    before = attribute_names(first, {})
    after = attribute_names(then, before)
    assert before.items() <= after.items()
    assert {*after} == first | then
    assert len({*after.values()}) == len(after)
    for name in after.values():
        assert is_attribute(name)
        assert unicodedata.normalize("NFKC", name) == name
        assert not hasattr(EventModel, name)
    for name in first | then:
        if is_attribute(name) and name not in before.values():
            assert after[name] == name


def test_no_attribute_hides_one_of_pydantic():
    """Whatever release is installed, what a class has by itself is not taken by a field."""
    for kind in (EventModel, LooseModel):
        taken = {name for name in (*dir(kind), *dir(type(kind))) if not name.startswith("_")}
        assert not {name for name in taken if is_attribute(name)}


VALUES = [
    (TEXT, "text"),
    ({"type": "integer"}, 5),
    ({"type": "boolean"}, True),
    ({"type": "number"}, 0.5),
    ({"type": "array", "items": TEXT}, ["text"]),
    ({"type": "object", "additionalProperties": {"type": "integer"}}, {"a": 1}),
    ({"enum": ["one", "two"]}, "two"),
    ({}, [None]),
    ({"anyOf": [TEXT, {"type": "array", "items": {"type": "integer"}}]}, [1, 2]),
]


@pytest.mark.filterwarnings("error")
def test_every_hostile_name_is_read_back(tmp_path, monkeypatch):
    """A class with every hostile name, of every type, has each value under one attribute."""
    kinds = {name: VALUES[number % len(VALUES)] for number, name in enumerate(HOSTILE)}
    called = ("str", "int", "bool", "float", "list", "dict", "Literal", "Any")
    kinds |= dict(zip(called, VALUES, strict=False))  # of the type that they are called like
    schema = record(**{name: kind for name, (kind, _) in kinds.items()})
    schema["required"] = HOSTILE[::2]
    (event,) = made(tmp_path / "events", monkeypatch, schema)
    data = {name: value for name, (_, value) in kinds.items()}
    found = event.model_validate({"type": "t0", "data": data}).data
    assert not found.model_extra
    attributes = read(tmp_path / "events").fields
    assert {*attributes} == {*HOSTILE}
    for name in HOSTILE:
        assert getattr(found, attributes[name]) == data[name]
    assert found.model_dump(by_alias=True) == data
    with pytest.raises(ValueError, match="validation error"):
        event.model_validate({"type": "t0", "data": data | {"str": 5}})


@pytest.mark.filterwarnings("error")
def test_a_field_called_like_a_class_is_read_back(tmp_path, monkeypatch):
    """A field may be called like the class it holds, shared or not, also within that class."""
    part = record(Part=TEXT, Whole={"$ref": "#/$defs/Whole"})
    whole = record(Part={"$ref": "#/$defs/Part"}, Whole={"$ref": "#/$defs/Whole"}, T0Data=TEXT)
    defs = {"$defs": {"Part": part, "Whole": whole}}
    private = {**defs, **record(T1DataX=record(v=TEXT), T1Data=record(v=TEXT), Whole=whole)}
    events = made(tmp_path / "events", monkeypatch, {**defs, **whole}, private, {**defs, **whole})
    data = {"Part": {"Part": "x", "Whole": {"Whole": {"T0Data": "y"}}}, "T0Data": "z"}
    found = events[0].model_validate({"type": "t0", "data": data}).data
    assert found.model_dump(exclude_unset=True) == data
    assert found.Part.Whole.Whole.T0Data == "y"
    data = {"T1DataX": {"v": "x"}, "T1Data": {"v": "y"}, "Whole": data}
    found = events[1].model_validate({"type": "t1", "data": data}).data
    assert found.model_dump(exclude_unset=True) == data
    assert (found.T1DataX.v, found.T1Data.v) == ("x", "y")


def test_an_attribute_outlives_a_newcomer(tmp_path, monkeypatch):
    """What a folder once promised stays, also where the newcomer has the better claim."""
    folder = tmp_path / "events"
    made(folder, monkeypatch, record(**{"a-b": TEXT}))
    (event,) = made(folder, monkeypatch, record(**{"a-b": TEXT, "a_b": TEXT}))
    assert keys(inner(event)) == {"a_b": "a-b", "a_b_1": "a_b"}
    found = event.model_validate({"type": "t0", "data": {"a_b": "x"}}).data
    assert (found.a_b, found.a_b_1) == (None, "x")


def test_an_attribute_never_reads_a_property_of_its_own_name(tmp_path, monkeypatch):
    """A key that no catalog has yet is kept beside the fields, and fills none of them."""
    (event,) = made(tmp_path / "events", monkeypatch, record(**{"a-b": TEXT}))
    found = event.model_validate({"type": "t0", "data": {"a_b": "x"}}).data
    assert (found.a_b, found.model_extra) == (None, {"a_b": "x"})
    both = event.model_validate({"type": "t0", "data": {"a_b": 5, "a-b": "y"}}).data
    assert (both.a_b, both.model_extra) == ("y", {"a_b": 5})


def test_the_attribute_of_a_property_that_is_gone_is_not_given_away(tmp_path, monkeypatch):
    """A program that still reads it finds nothing, rather than something else."""
    folder = tmp_path / "events"
    made(folder, monkeypatch, record(a_b=TEXT))
    (event,) = made(folder, monkeypatch, record(**{"a-b": TEXT}))
    assert keys(inner(event)) == {"a_b_1": "a-b"}


KEYS = ["a-b", "a_b", "a.b", "a b", "a_b_1", "A_B", "class", "class_", "str", "str_", "µ", "μ"]


def promises(model, path=()):
    """List what each chain of attributes reads, through all classes."""
    found = {}
    for name, key in keys(model).items():
        found[*path, name] = key
        annotation = model.model_fields[name].annotation
        for kind in (annotation, *getattr(annotation, "__args__", ())):
            if isinstance(kind, type) and issubclass(kind, BaseModel) and len(path) < 3:
                found |= promises(kind, (*path, name))
    return found


@pytest.mark.parametrize("seed", range(20))
def test_no_attribute_changes_its_key_in_an_evolution(tmp_path, monkeypatch, seed):
    """Fields come, go and move between classes that are shared or not; each keeps its meaning."""
    rng = random.Random(seed)
    promised: dict[tuple[int, tuple[str, ...]], str] = {}
    for _ in range(3):
        parts = [record(**dict.fromkeys(rng.sample(KEYS, rng.randint(1, 6)), TEXT))
                 for _ in range(2)]  # fmt: skip
        schemas = [
            {"$defs": {"Part": rng.choice(parts)}, **record(part={"$ref": "#/$defs/Part"}),
             "required": ["part"]}
            for _ in range(2)
        ]  # fmt: skip
        for schema in schemas:
            schema["properties"] |= dict.fromkeys(rng.sample(KEYS, rng.randint(0, 4)), TEXT)
        for number, event in enumerate(made(tmp_path / "events", monkeypatch, *schemas)):
            for path, key in promises(inner(event)).items():
                assert promised.setdefault((number, path), key) == key


def test_an_attribute_can_be_named_by_hand(tmp_path, monkeypatch):
    """An edited line of the lock is used in every class, and survives."""
    folder = tmp_path / "events"
    made(folder, monkeypatch, record(**{"@id": TEXT}))
    lock = json.loads((folder / FILE).read_text())
    assert lock["fields"] == {"@id": "field_id"}
    lock["fields"]["@id"] = "ident"
    (folder / FILE).write_text(json.dumps(lock))
    (event,) = made(folder, monkeypatch, record(**{"@id": TEXT, "v": TEXT}))
    assert keys(inner(event)) == {"ident": "@id", "v": "v"}
    assert read(folder).fields["@id"] == "ident"


def test_a_lock_without_fields_is_read(tmp_path, monkeypatch):
    """A lock that an earlier version wrote names events alone."""
    (tmp_path / FILE).write_text(
        '{"events": {"t0": {"class": "T0", "module": "other"}}, "shared": []}'
    )
    (event,) = made(tmp_path, monkeypatch, record(**{"a-b": TEXT}))
    assert keys(inner(event)) == {"a_b": "a-b"}
    assert (tmp_path / "other.py").exists()


@pytest.mark.parametrize(
    "fields",
    [
        *(5, [], {"a": 5}, {"a": "class"}, {"a": "_a"}, {"a": "µ"}, {"a": "copy"}, {"a": "a b"}),
        *({"a": "b", "c": "b"}, {"\x1b[31m": ""}, {"a": "x = print()"}),
    ],
)
def test_unusable_attributes_in_the_lock_are_refused(tmp_path, fields):
    """The error names the file, and nothing in it reaches the terminal unescaped."""
    (tmp_path / FILE).write_text(json.dumps({"events": {}, "shared": [], "fields": fields}))
    with pytest.raises(CatalogError, match=r"names\.json") as caught:
        package.write(load({"data": [{"type": "t"}]}), tmp_path)
    assert str(caught.value).isprintable()
