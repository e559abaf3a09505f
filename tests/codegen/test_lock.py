"""The names lock: what programs import keeps its name whatever the catalog becomes."""

import json

import pytest

from coffrify_webhooks_codegen import package
from coffrify_webhooks_codegen.catalog import CatalogError, load
from coffrify_webhooks_codegen.classes.lock import FILE, read


def catalog(*types):
    return load({"data": [{"type": each} for each in types]})


def test_a_locked_name_stays(tmp_path):
    """An edited name is used, and survives the next generation."""
    package.write(catalog("a.b"), tmp_path)
    lock = json.loads((tmp_path / FILE).read_text())
    lock["events"]["a.b"] = {"class": "Renamed", "module": "renamed"}
    (tmp_path / FILE).write_text(json.dumps(lock))
    package.write(catalog("a.b", "c.d"), tmp_path)
    assert "class Renamed(" in (tmp_path / "renamed.py").read_text()
    assert not (tmp_path / "a_b.py").exists()
    assert read(tmp_path).events["a.b"].class_name == "Renamed"
    assert package.check(catalog("a.b", "c.d"), tmp_path) == []


def test_a_newcomer_does_not_take_a_name(tmp_path):
    """A type that sorts first and would take the name of a known one is refused, and told why."""
    package.write(catalog("a_b"), tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(CatalogError, match=r"a\.b"):
        package.write(catalog("a_b", "a.b"), tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_name_of_a_removed_event_is_kept(tmp_path):
    """An event that left the catalog keeps its line, so that nothing else takes its name."""
    package.write(catalog("a.b", "c.d"), tmp_path)
    package.write(catalog("c.d"), tmp_path)
    assert read(tmp_path).events["a.b"].class_name == "AB"
    assert not (tmp_path / "a_b.py").exists()


@pytest.mark.parametrize(
    "text",
    [
        "not json",
        "[]",
        '{"events": 5, "shared": []}',
        '{"events": {"a.b": 5}, "shared": []}',
        '{"events": {"a.b": {"class": "import os", "module": "a"}}, "shared": []}',
        '{"events": {"a.b": {"class": "Event", "module": "a"}}, "shared": []}',
        '{"events": {"a.b": {"class": "A", "module": "../a"}}, "shared": []}',
        '{"events": {"a.b": {"class": "A", "module": "class"}}, "shared": []}',
    ],
)
def test_a_broken_lock_is_told(tmp_path, text):
    """A lock that cannot be used is an error that names the file, and writes nothing."""
    (tmp_path / FILE).write_text(text)
    with pytest.raises(CatalogError, match=r"names\.json"):
        package.write(catalog("a.b"), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_one_new_lock_line_names_two_events_apart(tmp_path):
    """The remedy that the error names works."""
    (tmp_path / FILE).write_text(
        '{"events": {"a_b": {"class": "Other", "module": "other"}}, "shared": []}'
    )
    package.write(catalog("a_b", "a.b"), tmp_path)
    assert {"a_b.py", "other.py"} <= {path.name for path in tmp_path.iterdir()}
