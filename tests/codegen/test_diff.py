"""The diff: each single step has its class, and equal catalogs have no difference."""

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.budgets import budget
from tests.in_time import in_time

from coffrify_webhooks_codegen import package
from coffrify_webhooks_codegen.catalog import load
from coffrify_webhooks_codegen.diff import Change, diff
from coffrify_webhooks_codegen.diff import compare_types as compare
from coffrify_webhooks_codegen.diff.change import KINDS, severity_of

TEXT, WHOLE, NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}
TIME = {"type": "string", "format": "date-time"}
NULL = {"type": "null"}
FREE = {"type": "object"}


def one_of(*branches):
    return {"anyOf": list(branches)}


def maybe(schema):
    return one_of(schema, NULL)


def record(required=(), **properties):
    return {"type": "object", "properties": properties, "required": list(required)}


def many(items):
    return {"type": "array", "items": items}


def mapping(values):
    return {"type": "object", "additionalProperties": values}


def enum(*values):
    return {"type": "string", "enum": list(values)}


def tagged(tag, **fields):
    return record(["kind"], kind={"const": tag}, **fields)


def entry(schema, name="t.x", **keys):
    return {"type": name, "schema": schema, **keys}


def catalog(*entries):
    return load({"data": list(entries)})


def changes(old, new):
    return diff(catalog(*old), catalog(*new))


def classes(old, new):
    return {(each.event, each.path, each.kind, each.severity) for each in changes(old, new)}


def needed(schema):
    """A field that is always sent."""
    return record(["f"], f=schema)


def optional(schema):
    return record(f=schema)


# OLD, NEW, and what is between them: (path, kind).
STEPS: dict[str, tuple[Any, ...]] = {
    # fields
    "field removed": (record(f=TEXT, g=TEXT), record(f=TEXT), ("data.g", "removed")),
    "optional field added": (record(f=TEXT), record(f=TEXT, g=TEXT), ("data.g", "added")),
    "required field added": (record(f=TEXT), record(["g"], f=TEXT, g=TEXT), ("data.g", "added")),
    "required to optional": (needed(TEXT), optional(TEXT), ("data.f", "optional")),
    "optional to required": (optional(TEXT), needed(TEXT), ("data.f", "required")),
    "nullable required to optional": (needed(maybe(TEXT)), optional(TEXT), ("data.f", "optional")),
    "optional to nullable required": (optional(TEXT), needed(maybe(TEXT)), ("data.f", "required")),
    # null
    "becomes nullable": (needed(TEXT), needed(maybe(TEXT)), ("data.f", "nullable")),
    "OpenAPI's nullable": (
        needed(TEXT),
        needed({**TEXT, "nullable": True}),
        ("data.f", "nullable"),
    ),
    "never null any more": (needed(maybe(TEXT)), needed(TEXT), ("data.f", "nonnull")),
    "an optional one may be null": (optional(TEXT), optional(maybe(TEXT)), ("data", "rewritten")),
    "items become nullable": (
        optional(many(TEXT)),
        optional(many(maybe(TEXT))),
        ("data.f[]", "nullable"),
    ),
    "data becomes nullable": (record(f=TEXT), maybe(record(f=TEXT)), ("data", "nullable")),
    # types
    "another type": (needed(TEXT), needed(WHOLE), ("data.f", "changed")),
    "whole numbers to numbers": (needed(WHOLE), needed(NUMBER), ("data.f", "widened")),
    "numbers to whole numbers": (needed(NUMBER), needed(WHOLE), ("data.f", "narrowed")),
    "a further type": (needed(TEXT), needed(one_of(TEXT, WHOLE)), ("data.f", "widened")),
    "a type less": (needed(one_of(TEXT, WHOLE)), needed(TEXT), ("data.f", "narrowed")),
    "one type for another": (
        needed(one_of(TEXT, WHOLE)),
        needed(one_of(TEXT, {"type": "boolean"})),
        ("data.f", "changed"),
    ),
    "null only, then text": (needed(NULL), needed(maybe(TEXT)), ("data.f", "widened")),
    "to anything": (needed(TEXT), needed({}), ("data.f", "widened")),
    "anything to text": (needed({}), needed(TEXT), ("data.f", "narrowed")),
    "anything to a time": (needed({}), needed(TIME), ("data.f", "changed")),
    "anything to a class": (needed({}), needed(record(g=TEXT)), ("data.f", "changed")),
    "anything to a list of text": (needed({}), needed(many(TEXT)), ("data.f", "narrowed")),
    "anything to a list of times": (needed({}), needed(many(TIME)), ("data.f", "changed")),
    "text to list": (needed(TEXT), needed(many(TEXT)), ("data.f", "changed")),
    "another type of items": (optional(many(TEXT)), optional(many(WHOLE)), ("data.f[]", "changed")),
    "data gets its fields": (FREE, record(f=TEXT), ("data", "changed")),
    "data loses its schema": (record(f=TEXT), {}, ("data", "widened")),
    # formats
    "format gained": (needed(TEXT), needed(TIME), ("data.f", "format")),
    "format lost": (needed(TIME), needed(TEXT), ("data.f", "format")),
    "format changed": (needed(TIME), needed({**TIME, "format": "date"}), ("data.f", "format")),
    "enumeration to uuid": (
        needed(enum("a")),
        needed({**TEXT, "format": "uuid"}),
        ("data.f", "format"),
    ),
    "format that is not kept": (
        needed(TEXT),
        needed({**TEXT, "format": "uri"}),
        ("data", "rewritten"),
    ),
    # values
    "value added": (needed(enum("a")), needed(enum("a", "b")), ("data.f", "values")),
    "value removed": (needed(enum("a", "b")), needed(enum("a")), ("data.f", "values")),
    "values to text": (needed(enum("a", "b")), needed(TEXT), ("data.f", "values")),
    "text to values": (needed(TEXT), needed(enum("a", "b")), ("data.f", "values")),
    "values in another order": (needed(enum("a", "b")), needed(enum("b", "a")), None),
    # objects and maps
    "map to object": (needed(mapping(TEXT)), needed(record(g=TEXT)), ("data.f", "changed")),
    "object to map": (needed(record(g=TEXT)), needed(mapping(TEXT)), ("data.f", "changed")),
    "values of a map": (
        needed(mapping(WHOLE)),
        needed(mapping(NUMBER)),
        ("data.f.*", "widened"),
    ),
    "free object to map": (needed(FREE), needed(mapping(TEXT)), ("data.f.*", "narrowed")),
    "deep inside": (
        record(a=many(record(b=mapping(record(c=TEXT, d=TEXT))))),
        record(a=many(record(b=mapping(record(c=TEXT))))),
        ("data.a[].b.*.d", "removed"),
    ),
    "odd name": (record(**{"a b\n": TEXT}), record(), ("data", "changed")),
    "odd name beside another": (
        record(f=TEXT, **{"a b\n": TEXT}),
        record(f=TEXT),
        ('data["a b\\n"]', "removed"),
    ),
    # unions
    "a further class": (
        needed(one_of(tagged("a"), tagged("b"))),
        needed(one_of(tagged("a"), tagged("b"), tagged("c"))),
        ("data.f", "widened"),
    ),
    "a class less": (
        needed(one_of(tagged("a"), tagged("b"), tagged("c"))),
        needed(one_of(tagged("a"), tagged("b"))),
        ("data.f", "removed"),
    ),
    "a tag changes": (
        needed(one_of(tagged("a"), tagged("b"))),
        needed(one_of(tagged("a"), tagged("c"))),
        ("data.f", "changed"),
    ),
    "a field in one alternative": (
        needed(one_of(tagged("a"), tagged("b", g=TEXT))),
        needed(one_of(tagged("a"), tagged("b", g=WHOLE))),
        ("data.f.g", "changed"),
    ),
    "tag no longer fixed": (
        needed(one_of(tagged("a", g=TEXT), tagged("b"))),
        needed(one_of(tagged("a", g=TEXT), record(["kind"], kind=TEXT))),
        ("data.f", "changed"),
    ),
    # attributes
    "a lookalike takes no attribute": (
        record(a_b=TEXT),
        record(**{"a.b": TEXT, "a_b": TEXT}),
        ('data["a.b"]', "added"),
    ),
    "a lookalike that takes nothing": (
        record(**{"a.b": TEXT}),
        record(**{"a.b": TEXT, "a_b": TEXT}),
        ("data.a_b", "added"),
    ),
    # nothing that a receiver could meet
    "pattern": (needed(TEXT), needed({**TEXT, "pattern": "^a"}), ("data", "rewritten")),
    "closed object": (
        record(f=TEXT),
        {**record(f=TEXT), "additionalProperties": False},
        ("data", "rewritten"),
    ),
    "moved to a definition": (
        record(f=TEXT),
        {"$ref": "#/$defs/Own", "$defs": {"Own": record(f=TEXT)}},
        ("data", "rewritten"),
    ),
    "another draft's keyword": (
        {"$ref": "#/definitions/Own", "definitions": {"Own": record(f=TEXT)}},
        {"$ref": "#/$defs/Own", "$defs": {"Own": record(f=TEXT)}},
        ("data", "rewritten"),
    ),
    "order of required": (
        record(["a", "b"], a=TEXT, b=TEXT),
        record(["b", "a"], a=TEXT, b=TEXT),
        None,
    ),
    "need not be an object": (
        {**record(f=TEXT), "type": "object"},
        {"properties": {"f": TEXT}},
        ("data", "widened"),
    ),
    "is always an object": (
        {"properties": {"f": TEXT}},
        {**record(f=TEXT), "type": "object"},
        ("data", "narrowed"),
    ),
    "an inner one need not be an object": (
        needed(record(f=TEXT)),
        needed({"properties": {"f": TEXT}}),
        ("data.f", "widened"),
    ),
    # words
    "description of a field": (
        needed(TEXT),
        needed({**TEXT, "description": "Words."}),
        ("data.f", "described"),
    ),
    "description of a class": (
        record(f=TEXT),
        {**record(f=TEXT), "description": "Words."},
        ("data", "described"),
    ),
    "white space in a description": (
        needed({**TEXT, "description": "Some words."}),
        needed({**TEXT, "description": "Some\n words."}),
        ("data", "rewritten"),
    ),
}


@pytest.mark.parametrize(("old", "new", "expected"), [(s[0], s[1], s[2:]) for s in STEPS.values()],
                         ids=STEPS)  # fmt: skip
def test_each_step_has_its_place_and_its_kind(old, new, expected):
    """Each step in a schema has its place and its kind, and no other change beside it."""
    wanted = {("t.x", *each, severity_of(each[1])) for each in expected if each}
    assert classes([entry(old)], [entry(new)]) == wanted


BREAKING = {"removed", "renamed", "optional", "nullable", "widened", "changed", "format"}


def test_seven_kinds_are_breaking_and_two_warn():
    """Seven kinds are breaking, two warn, one is nothing, and all the others add."""
    by_severity: dict[str, set[str]] = {}
    for kind in KINDS:
        by_severity.setdefault(severity_of(kind), set()).add(kind)
    assert by_severity.pop("breaking") == BREAKING
    assert by_severity.pop("warning") == {"clash", "beta"}
    assert by_severity.pop("no-op") == {"rewritten"}
    assert set(by_severity) == {"additive"}


def test_the_page_lists_every_kind_with_its_severity():
    """The page lists every kind with its severity, in the order of the code."""
    page = (Path(__file__).parents[2] / "docs" / "catalog-changes.md").read_text("utf-8")
    rows = re.findall(r"^\| `([a-z]+)` \| ([a-z-]+) \|", page, flags=re.MULTILINE)
    assert rows == [(kind, severity_of(kind)) for kind in KINDS]


@pytest.mark.parametrize(
    ("old", "new", "kind", "severity"),
    [
        ({}, {"description": "Words."}, "described", "additive"),
        ({}, {"badges": ["new"]}, "badges", "additive"),
        ({}, {"required_plan": "pro"}, "plan", "additive"),
        ({"required_plan": "pro"}, {}, "plan", "additive"),
        ({}, {"family": "other"}, "family", "additive"),
        ({}, {"example": {"type": "t.x", "data": {}}}, "example", "additive"),
        ({"stability": "beta"}, {}, "stable", "additive"),
        ({}, {"stability": "beta"}, "beta", "warning"),
    ],
)
def test_what_stands_beside_the_schema_breaks_nothing(old, new, kind, severity):
    """What the catalog says beside the schema is for people, but beta is a warning."""
    found = classes([entry({}, **old)], [entry({}, **new)])
    assert found == {("t.x", "", kind, severity)}


def test_a_removed_event_is_breaking_a_new_one_additive():
    """An event that is gone is breaking, and a new one is additive."""
    one, two = entry({}), entry({}, "t.y")
    assert classes([one, two], [one]) == {("t.y", "", "removed", "breaking")}
    assert classes([one], [one, two]) == {("t.y", "", "added", "additive")}


@pytest.mark.parametrize("step", [s for s in STEPS.values() if s[2] and s[2][1] in BREAKING])
def test_breaking_a_beta_event_is_a_warning(step):
    """What would be breaking is a warning while OLD calls the event beta, whatever NEW says."""
    old, new = entry(step[0], stability="beta"), entry(step[1])
    found = {each.severity for each in changes([old], [new]) if each.kind in BREAKING}
    assert found == {"warning"}
    assert "breaking" in {each.severity for each in changes([entry(step[0])], [entry(step[1])])}


def test_a_removed_beta_event_is_a_warning():
    """A beta event that is gone is a warning."""
    assert classes([entry({}, stability="beta")], []) == {("t.x", "", "removed", "warning")}


# Renames: a class that a program imports has another name now.

USER = record(["id"], id=TEXT)


def with_user(name, user=USER):
    return entry({**record(["u"], u={"$ref": "#/$defs/User"}), "$defs": {"User": user}}, name)


def test_a_shared_class_that_loses_its_company_is_renamed():
    """A shared class that loses its company is renamed, for the event that stays too."""
    old = [with_user("t.x"), with_user("t.y")]
    assert classes(old, old[:1]) == {
        ("t.x", "data.u", "renamed", "breaking"),
        ("t.y", "", "removed", "breaking"),
    }
    texts = [each.text for each in changes(old, old[:1])]
    assert "the class _shared.User became t_x.TXDataUser" in texts


def test_a_new_event_takes_a_shared_class_out_of_its_module():
    """A new event that shares a definition takes the class out of the module of another."""
    old = [with_user("t.x")]
    assert classes(old, [*old, with_user("t.y")]) == {
        ("t.x", "data.u", "renamed", "breaking"),
        ("t.y", "", "added", "additive"),
    }


def test_definitions_that_grow_apart_rename_both_classes():
    """A field added to one of two definitions that were shared renames the classes of both."""
    grown = record(["id"], id=TEXT, name=TEXT)
    old = [with_user("t.x"), with_user("t.y")]
    assert classes(old, [old[0], with_user("t.y", grown)]) == {
        ("t.x", "data.u", "renamed", "breaking"),
        ("t.y", "data.u", "renamed", "breaking"),
        ("t.y", "data.u.name", "added", "additive"),
    }


def test_a_field_added_everywhere_is_additive_for_each_event():
    """A field added to a shared definition everywhere is additive for each event."""
    grown = record(["id"], id=TEXT, name=TEXT)
    old, new = ([with_user(name, user) for name in ("t.x", "t.y")] for user in (USER, grown))
    assert classes(old, new) == {
        (event, "data.u.name", "added", "additive") for event in ("t.x", "t.y")
    }


def test_nested_classes_clash():
    """An object whose class takes the name of another's is breaking for the other."""
    old = record(a_b=record(f=TEXT))
    new = record(**{"a.b": record(g=TEXT), "a_b": record(f=TEXT)})
    found = changes([entry(old)], [entry(new)])
    assert "the class t_x.TXDataAB became t_x.TXDataAB2" in [each.text for each in found]


def test_an_alternative_that_sorts_first_renumbers_the_others():
    """A new alternative that sorts first renumbers the classes of the others."""
    old = needed(one_of(tagged("b"), tagged("c")))
    new = needed(one_of(tagged("a"), tagged("b"), tagged("c")))
    found = [each.text for each in changes([entry(old)], [entry(new)]) if each.kind == "renamed"]
    assert found == [
        "the class t_x.TXDataF became t_x.TXDataF2",
        "the class t_x.TXDataF2 became t_x.TXDataF3",
    ]


def test_an_added_event_that_clashes_renames_nothing():
    """An added event that would be called like another renames nothing; it wants a name."""
    old = [entry(record(f=TEXT), "t_x")]
    assert classes(old, [*old, entry({}, "t.x")]) == {
        ("t.x", "", "added", "additive"),
        ("t.x", "", "clash", "warning"),
    }


def test_clash_in_old():
    """A catalog that the generator would refuse can still be compared."""
    both = [entry(record(f=TEXT), "t.x"), entry(record(f=TEXT), "t_x")]
    assert changes(both, both) == ()
    assert classes(both, [both[0], entry(record(f=WHOLE), "t_x")]) == {
        ("t_x", "data.f", "changed", "breaking")
    }


def test_an_event_named_like_a_shared_class():
    """An added event of that name leaves the shared class its users import, or says otherwise."""
    old = [with_user("t.x"), with_user("t.y")]
    found = classes(old, [*old, entry({}, "user")])
    assert found == {("user", "", "added", "additive")}


def test_field_called_like_its_type():
    """A field that begins to be of the type it is called like keeps its attribute."""
    assert classes([entry(record(int=TEXT))], [entry(record(int=WHOLE))]) == {
        ("t.x", "data.int", "changed", "breaking"),
    }


def test_of_many_values_the_first_few_are_told():
    """Of many values that came the first few are told, and how many more there are."""
    (change,) = changes([entry(needed(TEXT))], [entry(needed(enum(*"abcdefghijk")))])
    assert change.text == "known values: +a +b +c +d +e +f +g +h and 3 more"


# Nothing


def shuffled(value, rng):
    if isinstance(value, dict):
        items = rng.sample(list(value.items()), len(value))
        return {key: shuffled(item, rng) for key, item in items}
    return [shuffled(item, rng) for item in value] if isinstance(value, list) else value


def test_the_bundled_catalog_does_not_differ_from_itself():
    """The bundled catalog does not differ from itself, in whatever order it is written."""
    document = json.loads(json.dumps(load().document))
    rng = random.Random(5)
    document["data"] = rng.sample(document["data"], len(document["data"]))
    assert diff(load(), load(shuffled(document, rng))) == ()


def schemas():
    names = st.sampled_from(["a", "b", "a_b", "a.b", "int", "class", "@id", "Ab"])
    leaves = st.sampled_from([{}, TEXT, WHOLE, NUMBER, TIME, NULL, FREE, enum("x", "y")]) | (
        st.sampled_from(["#", "#/$defs/One", "#/$defs/Two"]).map(lambda ref: {"$ref": ref})
    )
    return st.recursive(
        leaves,
        lambda inner: (
            st.builds(many, inner)
            | st.builds(mapping, inner)
            | st.lists(inner, min_size=1, max_size=3).map(lambda some: one_of(*some))
            | st.builds(
                lambda fields, required: record(sorted(required), **fields),
                st.dictionaries(names, inner, max_size=4),
                st.sets(names, max_size=3),
            )
        ),
        max_leaves=8,
    )


def records():
    names = st.sampled_from(["a", "b", "c"])
    return st.dictionaries(names, schemas(), min_size=1, max_size=3).map(
        lambda fields: record(**fields)
    )


def documents():
    full = st.builds(
        lambda root, one, two: {**root, "$defs": {"One": one, "Two": two}},
        records(),
        records(),
        records(),
    )
    return st.dictionaries(st.sampled_from(["t.x", "t_x", "one", "t.y"]), full, max_size=3).map(
        lambda found: [entry(schema, name) for name, schema in found.items()]
    )


QUIET = settings(
    deadline=None,
    max_examples=budget(10, 25),
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)


@QUIET
@given(documents(), st.randoms(use_true_random=False))
def test_no_random_catalog_differs_from_itself(entries, rng):
    """No random catalog differs from itself, shuffled or not."""
    again = rng.sample([shuffled(each, rng) for each in entries], len(entries))
    assert changes(entries, again) == ()


MIRRORS = {"added": "removed", "removed": "added", "optional": "required", "required": "optional"}


@QUIET
@given(documents(), documents())
def test_what_one_direction_adds_the_other_removes(old, new):
    """What one direction adds the other removes, and the order is the same each time."""
    there, back = changes(old, new), changes(new, old)
    assert there == changes(old, new)
    assert list(there) == sorted(there, key=Change.rank)

    def seen(found, *kinds):
        return {(each.event, each.path, each.kind) for each in found if each.kind in kinds}

    for kind in ("added", "optional", "required"):
        mirrored = {(event, path, MIRRORS[kind]) for event, path, _ in seen(there, kind)}
        assert mirrored <= seen(back, MIRRORS[kind])


SINGLE = [step for step in STEPS.values() if step[2]]


@pytest.mark.parametrize("step", SINGLE)
def test_a_step_is_a_change_the_other_way_round_too(step):
    """A step that is breaking or additive is something the other way round too."""
    there = {each.severity for each in changes([entry(step[0])], [entry(step[1])])}
    back = {each.severity for each in changes([entry(step[1])], [entry(step[0])])}
    assert ("no-op" in there) == ("no-op" in back)


# Size and recursion

TREE = {
    "$ref": "#/$defs/Node",
    "$defs": {"Node": record(["id"], id=TEXT, parent={"$ref": "#/$defs/Node"},
                             children=many({"$ref": "#/$defs/Node"}))},
}  # fmt: skip


def test_a_recursive_class_is_compared_once():
    """A class that contains itself is compared once, where it is first met."""
    new = json.loads(json.dumps(TREE))
    new["$defs"]["Node"]["properties"]["id"] = WHOLE
    assert classes([entry(TREE)], [entry(TREE)]) == set()
    assert classes([entry(TREE)], [entry(new)]) == {("t.x", "data.id", "changed", "breaking")}


def test_recursion_that_begins():
    """A class that begins to contain itself has a new field, and the walk ends."""
    new = json.loads(json.dumps(TREE))
    new["$defs"]["Node"]["properties"]["owner"] = {"$ref": "#"}
    assert classes([entry(TREE)], [entry(new)]) == {("t.x", "data.owner", "added", "additive")}


def rings(length):
    """A ring of classes, each of which leads to the next."""
    names = [f"C{n}" for n in range(length)]
    return {
        "$ref": "#/$defs/C0",
        "$defs": {
            name: record(next={"$ref": f"#/$defs/C{(n + 1) % length}"})
            for n, name in enumerate(names)
        },
    }


def test_rings_of_two_lengths(monkeypatch):
    """Two recursions out of step have many pairs of classes; a bound ends the walk."""
    monkeypatch.setattr(compare, "_MOST_PAIRS", 50)
    found = changes([entry(rings(11))], [entry(rings(13))])
    assert "too many classes to compare; taken as changed" in [each.text for each in found]
    assert len(found) < 200


def test_the_bound_of_the_comparison_counts_fields_too(monkeypatch):
    """The bound counts fields too: a pair of wide classes costs more than one of narrow ones."""
    monkeypatch.setattr(compare, "_MOST_FIELDS", 50)
    found = changes([entry(rings(11))], [entry(rings(13))])
    assert "too many classes to compare; taken as changed" in [each.text for each in found]
    assert len(found) < 60


def test_a_schema_as_deep_as_allowed_is_compared():
    """A schema may be nested as deep as the catalog allows."""
    old: dict[str, Any] = {}
    new: dict[str, Any] = {"title": "x"}
    for _ in range(240):
        old, new = {"properties": {"a": old}}, {"properties": {"a": new}}
    assert classes([entry(old)], [entry(new)]) == {("t.x", "data", "rewritten", "no-op")}


def test_numbered_fields_rename_nothing():
    """Fields that differ in a number do not clash."""
    old, new = record(line_1=TEXT, line_2=TEXT), record(line_1=TEXT, line_2=TEXT, line_3=TEXT)
    assert classes([entry(old)], [entry(new)]) == {("t.x", "data.line_3", "added", "additive")}


def test_large_schemas_are_compared_in_bounded_time():
    """Large schemas are compared in bounded time."""
    wide = record(**{f"f{n}": record(a=TEXT, b=many(WHOLE)) for n in range(500)})
    old = record(**{f"f{n}": record(a=TEXT, b=many(NUMBER)) for n in range(500)})
    with in_time(5):
        assert len(changes([entry(old)], [entry(wide)])) == 500


def test_what_is_no_change_makes_the_same_classes():
    """A no-op makes the same module, and a change of the classes is never a no-op."""
    for old, new, *expected in STEPS.values():
        before, after = (package.files(catalog(entry(each)))["t_x.py"] for each in (old, new))
        told = [each for each in expected if each and each[1] != "rewritten"]
        assert (before != after) == bool(told), (old, new)
