"""The folder of a generated package: importable at any moment, and sparing what is not ours."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from tests.codegen.test_attribute_names import imported, record

from coffrify_webhooks_codegen import package
from coffrify_webhooks_codegen.catalog import CatalogError, load
from coffrify_webhooks_codegen.classes.folder import replace
from coffrify_webhooks_codegen.classes.lock import FILE, read

TEXT = {"type": "string"}
SHM = Path("/dev/shm")


class Killed(BaseException):
    """Stands for the end of the process: nothing handles it."""


def catalog(**schemas):
    return load({"data": [{"type": name, "schema": schema} for name, schema in schemas.items()]})


def using(name, **properties):
    """Use a definition of this name, so that two events of it share a class."""
    return {
        "$defs": {name: record(**properties)},
        **record(part={"$ref": f"#/$defs/{name}"}, own=record(v=TEXT)),
    }


OLD = catalog(a=using("Old", x=TEXT), b=using("Old", x=TEXT), c=using("Both", y=TEXT),
              d=using("Both", y=TEXT), gone={})  # fmt: skip
NEW = catalog(a=using("New", x=TEXT), b=using("New", x=TEXT), c=using("Both", z=TEXT),
              d=using("Both", z=TEXT), e=using("Both", z=TEXT), came={})  # fmt: skip


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def lock_of(made, folder):
    (folder / FILE).write_text(made[FILE])
    return read(folder)


def use_all(folder, monkeypatch):
    """Import every class that the registry lists, and build it."""
    module = imported(folder, monkeypatch)
    assert len(module.__all__) > 5
    for name in module.__all__:
        found = getattr(module, name)
        if isinstance(found, type):
            getattr(found, "model_rebuild")()  # noqa: B009 - which a checker does not know of


@pytest.mark.parametrize(("before", "after"), [(OLD, NEW), (NEW, OLD)], ids=["there", "back"])
def test_a_killed_run_leaves_what_can_be_imported(tmp_path, monkeypatch, before, after):
    """Wherever it is cut off, each name of the registry works, and the next run finishes it."""
    folder = tmp_path / "events"
    original = package.files(before)
    made = package.files(after, lock_of(original, tmp_path))
    replaced = os.replace
    for survives in range(40):
        shutil.rmtree(folder, ignore_errors=True)
        replace(original, folder)
        left = [survives]

        def cut_off(*places, left=left):
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            replaced(*places)

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", cut_off)
            try:
                replace(made, folder)
            except Killed:
                use_all(folder, monkeypatch)
                continue
        break
    assert survives >= len(made)  # it was cut off at each file
    assert {name: text.decode() for name, text in contents(folder).items()} == made
    use_all(folder, monkeypatch)


def test_a_run_after_a_killed_one_finishes_it(tmp_path):
    """Whatever the killed one left, also beside the files, is gone or replaced."""
    folder = tmp_path / "events"
    package.write(OLD, folder)
    (folder / ".codegen-new").mkdir()
    (folder / ".codegen-new" / "0-a.py").write_text("half of")
    package.write(NEW, folder)
    assert not list(folder.glob(".*"))
    assert package.check(NEW, folder) == []


@pytest.mark.skipif(not SHM.is_dir(), reason="there is no second file system")
def test_a_folder_on_another_file_system(tmp_path):
    """Nothing is written beside the folder, which may be a mount of its own."""
    with tempfile.TemporaryDirectory(dir=SHM) as elsewhere:
        (tmp_path / "events").symlink_to(elsewhere)
        package.write(OLD, tmp_path / "events")
        package.write(NEW, tmp_path / "events")
        assert package.check(NEW, tmp_path / "events") == []
    assert [path.name for path in tmp_path.iterdir()] == ["events"]


def test_nothing_is_written_beside_the_folder(tmp_path, monkeypatch):
    """The parent may be read-only: every path that is written to is inside."""
    folder = tmp_path / "events"
    folder.mkdir()
    before = tmp_path.stat().st_mtime_ns
    package.write(OLD, folder)
    package.write(NEW, folder)
    assert tmp_path.stat().st_mtime_ns == before


def test_an_empty_file_of_the_user_is_not_deleted(tmp_path):
    """It is refused as any other file that was not generated."""
    package.write(OLD, tmp_path)
    (tmp_path / "mine.py").touch()
    before = contents(tmp_path)
    with pytest.raises(FileExistsError, match=r"mine\.py"):
        package.write(NEW, tmp_path)
    assert contents(tmp_path) == before


def test_an_empty_init_is_taken_over(tmp_path):
    """Who made the folder a package beforehand loses nothing."""
    (tmp_path / "__init__.py").touch()
    package.write(OLD, tmp_path)
    assert package.check(OLD, tmp_path) == []


def test_a_marker_of_the_user_is_left_alone(tmp_path):
    """A `py.typed` may say that the types are partial; it stays, and nothing differs."""
    (tmp_path / "py.typed").write_text("partial\n")
    package.write(OLD, tmp_path)
    assert (tmp_path / "py.typed").read_text() == "partial\n"
    assert package.check(OLD, tmp_path) == []
    package.write(NEW, tmp_path)
    assert (tmp_path / "py.typed").read_text() == "partial\n"


@pytest.mark.parametrize("name", ["a.py", "names.json", "__init__.py", "py.typed", "a/__init__.py"])
def test_a_folder_in_the_way_is_refused_before_anything_is_written(tmp_path, name):
    """What is called like a module stops the run while the package is still whole."""
    blocker = tmp_path / name
    blocker.parent.mkdir(exist_ok=True)
    if blocker.parent == tmp_path:
        blocker.mkdir()
    else:
        blocker.touch()
    with pytest.raises((OSError, CatalogError), match=blocker.parts[len(tmp_path.parts)]):
        package.write(OLD, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [blocker.parts[len(tmp_path.parts)]]


def test_a_folder_without_modules_hides_none(tmp_path):
    """A plain folder beside a module of its name is no package that Python prefers."""
    (tmp_path / "a").mkdir()
    package.write(OLD, tmp_path)
    assert (tmp_path / "a.py").is_file()
