"""`catalog advise`: the lines that a change breaks, found by a real type checker or the source."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from coffrify_webhooks import router
from coffrify_webhooks.cli.group import commands
from coffrify_webhooks.router import default_router
from coffrify_webhooks_codegen.advice import checkers
from coffrify_webhooks_codegen.catalog import load
from coffrify_webhooks_codegen.package import write

FILE: dict[str, Any] = {
    "type": "object",
    "required": ["size"],
    "properties": {"size": {"type": "integer"}, "name": {"type": "string"}},
}
LIST = {"type": "array", "items": FILE}


def catalog(size: str = "integer", *, note: bool = True, gone: bool = False) -> dict[str, Any]:
    """A catalog of two types; what is told is how it differs."""
    file: dict[str, Any] = {**FILE, "properties": {**FILE["properties"], "size": {"type": size}}}
    data: dict[str, Any] = {
        "type": "object",
        "required": ["files", "note"] if note else ["files"],
        "properties": {"files": {**LIST, "items": file}, "note": {"type": "string"}},
    }
    other = {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}}
    types = [("file.scanned", data), *([] if gone else [("file.gone", other)])]
    return {"data": [{"type": name, "schema": schema} for name, schema in types]}


HANDLERS = '''\
"""Handlers, typed and untyped."""

from coffrify_webhooks import Receiver

from advised.events import FileScanned

from .sums import total

receiver = Receiver("whsec_of_a_test_0123456789abcdef", events="advised.events", store="memory:")


@receiver.on("file.scanned", name="typed")
def typed(event: FileScanned) -> None:
    print(event.data.note.upper())
    print(total(event))


@receiver.on("file.scanned", name="untyped")
def untyped(event):
    for file in event.data.files:
        print(file.size)


@receiver.on("file.gone", name="gone")
def gone(event):
    print(event.data.id)
'''
SUMS = """\
from advised.events import FileScanned


def total(event: FileScanned) -> int:
    return sum(file.size for file in event.data.files)
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project with classes of its own, whose checkers are strict only with what is typed."""
    package = tmp_path / "advised"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "handlers.py").write_text(HANDLERS)
    (package / "sums.py").write_text(SUMS)
    write(load(catalog()), package / "events")
    changed = {"size": catalog("string"), "note": catalog(note=False), "gone": catalog(gone=True)}
    for name, document in {"old": catalog(), **changed}.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(default_router, "_handlers", {})  # other tests' of this process
    yield tmp_path
    router._routers.pop("advised.events", None)
    for name in [each for each in sys.modules if each.partition(".")[0] == "advised"]:
        del sys.modules[name]


def run(new: str, *words: str) -> Result:
    return CliRunner().invoke(
        commands,
        ["catalog", "advise", "old.json", f"{new}.json", "--app", "advised.handlers", *words],
    )


def found(new: str) -> set[tuple[str, int, str]]:
    told = json.loads(run(new, "--json").stdout)
    return {(Path(each["file"]).name, each["line"], each["found_by"]) for each in told["findings"]}


def line(text: str, source: str = HANDLERS) -> int:
    return source.splitlines().index(text) + 1


def without_checkers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkers, "find_spec", lambda _: None)


def only(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(checkers, "find_spec", lambda each: each == name or None)


UNTYPED = ("handlers.py", line("        print(file.size)"), "syntax")


def test_mypy_finds_what_breaks_beside_the_reason(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In helpers too; an untyped handler is read, and nothing of the user's is changed."""
    only(monkeypatch, "mypy")
    before = {each: each.read_bytes() for each in place.rglob("*.py")}
    ran = run("size")
    assert ran.exit_code == 1, ran.output
    at = line("    return sum(file.size for file in event.data.files)", SUMS)
    assert f"advised/sums.py:{at}: " in ran.stdout
    assert f"advised/handlers.py:{UNTYPED[1]}: uses event.data.files[].size" in ran.stdout
    assert ran.stdout.count("file.scanned: data.files[].size: changed: ") == 2
    assert "2 places would break in 3 handlers" in ran.stdout
    assert {each: each.read_bytes() for each in place.rglob("*.py")} == before
    assert not (place / ".mypy_cache").exists()


@pytest.mark.long
def test_pyright_finds_what_may_be_missing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, "pyright")
    assert found("note") == {
        ("handlers.py", line("    print(event.data.note.upper())"), "pyright"),
    }


def test_without_a_checker_every_handler_is_read(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And it is said that none is installed."""
    without_checkers(monkeypatch)
    assert found("size") == {UNTYPED}
    assert found("note") == {
        ("handlers.py", line("    print(event.data.note.upper())"), "syntax"),
    }
    assert "no type checker is installed" in run("size").stderr


def test_a_handler_of_a_type_that_is_gone_is_told_of(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_checkers(monkeypatch)
    ran = run("gone")
    assert ran.exit_code == 1
    at = line('@receiver.on("file.gone", name="gone")')
    assert f"advised/handlers.py:{at}: file.gone is no longer sent" in ran.stdout


def test_a_catalog_without_changes_breaks_nothing(place: Path) -> None:
    """No checker is run for it."""
    ran = run("old")
    assert (ran.exit_code, ran.stdout) == (0, "nothing breaks in 3 handlers\n"), ran.output
    assert json.loads(run("old", "--json").stdout)["checker"] is None


def test_a_file_that_is_no_catalog_is_told(place: Path) -> None:
    (place / "odd.json").write_text("[]")
    ran = run("odd")
    assert (ran.exit_code, "should be an object" in ran.stderr) == (2, True), ran.output


def test_a_checker_that_fails_is_told_in_its_words(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch, "mypy")
    (place / "mypy.ini").write_text("[mypy]\npython_version = 2.7\nplugins = not.there\n")
    ran = run("size")
    assert (ran.exit_code, "mypy could not check the program" in ran.stderr) == (2, True)


def test_the_checker_that_is_configured_here_is_chosen(place: Path) -> None:
    chosen = checkers.checker_here()
    assert chosen is not None
    assert chosen.name == "mypy"
    (place / "pyproject.toml").write_text("[tool.pyright]\n")
    chosen = checkers.checker_here()
    assert chosen is not None
    assert chosen.name == "pyright"
    (place / "setup.cfg").write_text("[mypy]\n")
    chosen = checkers.checker_here()
    assert chosen is not None
    assert chosen.name == "mypy"
