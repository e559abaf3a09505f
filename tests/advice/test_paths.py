"""Which parts of an event a handler uses, read off its source."""

import ast

import pytest

from coffrify_webhooks_codegen.advice.paths import fits, steps_of, uses_of


def used(source: str) -> set[str]:
    """The paths that a function's body uses, as the diff would write them."""
    [function] = ast.parse(f"def f(event):\n {source}").body
    assert isinstance(function, ast.FunctionDef)
    return {
        "".join("[]" if each is None else f".{each}" for each in use.path).lstrip(".")
        for use in uses_of(function, "event")
    }


USES = {
    "a chain of attributes": ("print(event.data.size)", {"data", "data.size"}),
    "a name for a part": ("data = event.data; data.size", {"data", "data.size"}),
    "a name that is bound anew": ("data = event.data; data = 5; data.size", {"data"}),
    "a loop": (
        "for f in event.data.files: f.size",
        {"data", "data.files", "data.files[].size"},
    ),
    "a loop with numbers": (
        "for n, f in enumerate(event.data.files): f.size",
        {"data", "data.files", "data.files[].size"},
    ),
    "a loop over a map": (
        "for k, v in event.data.labels.items(): v.x",
        {"data", "data.labels", "data.labels.items", "data.labels[].x"},
    ),
    "a comprehension": (
        "[f.size for f in event.data.files if f.name]",
        {"data", "data.files", "data.files[].size", "data.files[].name"},
    ),
    "an index": (
        "event.data.files[0].size",
        {"data", "data.files", "data.files[]", "data.files[].size"},
    ),
    "a slice": ("event.data.files[1:][0]", {"data", "data.files", "data.files[]"}),
    "a key": ('event.data["size"]', {"data", "data.size"}),
    "a key with a default": ('event.data.get("size", 0)', {"data", "data.get", "data.size"}),
    "a condition": ("if (d := event.data).size: d.name", {"data", "data.size", "data.name"}),
    "a function inside": ("g = lambda: event.data.size", {"data", "data.size"}),
    "another name": ("other.data.size", set[str]()),
}


@pytest.mark.parametrize("name", USES)
def test_what_is_used_is_found_by_its_path(name: str) -> None:
    source, paths = USES[name]
    assert used(source) == paths


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("data.files[].size", ("data", "files", None, "size")),
        ("data.labels.*", ("data", "labels", None)),
        ('data["a.b"][].x', ("data", "a.b", None, "x")),
        ("", ()),
    ],
)
def test_a_path_of_the_diff_is_read_in_steps(path: str, steps: tuple[str | None, ...]) -> None:
    assert steps_of(path) == steps


def test_a_renamed_attribute_is_the_property_that_it_stands_for() -> None:
    assert fits(("data", "class_"), ("data", "class"), {"class_": "class"})
    assert not fits(("data", "class_"), ("data", "class"), {})
    assert not fits(("data",), ("data", "class"), {})
