"""The command line: help, version, `codegen`, and what it says when something is missing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import coffrify_webhooks
from coffrify_webhooks.cli.group import commands

PING = {"data": [{"type": "ping", "description": "Sent by hand."}]}


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    path = tmp_path / "catalog.json"
    path.write_text(json.dumps(PING))
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(commands, [str(argument) for argument in arguments])


def script(code: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )


def test_the_command_is_installed_and_lists_what_it_can_do() -> None:
    """`main` is the command: its help names every command."""
    ran = script("from coffrify_webhooks.cli import main; main()", "--help")
    assert ran.returncode == 0
    assert "Usage: coffrify-webhooks" in ran.stdout
    assert {"codegen", "demo"} <= set(ran.stdout.split())


def test_the_version_is_the_package_version() -> None:
    """`--version` prints the version of the package."""
    version = coffrify_webhooks.__version__
    assert script("from coffrify_webhooks.cli import main; main()", "--version").stdout.split() == [
        "coffrify-webhooks",
        version,
    ]


def test_without_click_it_says_what_to_install() -> None:
    """Without click there is a pip command on stderr, exit code 2, and no traceback."""
    ran = script(
        "import sys; sys.modules['click'] = None\nfrom coffrify_webhooks.cli import main; main()"
    )
    assert ran.returncode == 2
    assert ran.stderr == (
        'Error: click is not installed; run: pip install "coffrify-webhooks[cli]"\n'
    )


def test_an_unknown_command_is_a_usage_error() -> None:
    """A command that does not exist exits 2."""
    assert run("sing").exit_code == 2


def test_the_bundled_events_are_those_of_the_bundled_catalog() -> None:
    """`codegen --check` without arguments finds the installed classes as the catalog has them."""
    ran = run("codegen", "--check")
    assert (ran.exit_code, ran.output) == (0, "")


def test_codegen_writes_what_check_then_accepts(catalog: Path, tmp_path: Path) -> None:
    """What `codegen` wrote is clean, and writing it again changes nothing."""
    events = tmp_path / "events"
    options = ("codegen", "--catalog", catalog, "--output", events)
    assert f"1 events in {events}; 7 files changed" in run(*options).stdout
    assert run(*options, "--check").exit_code == 0
    assert "0 files changed" in run(*options).stdout


def test_check_names_every_file_that_differs_and_touches_none(
    catalog: Path, tmp_path: Path
) -> None:
    """`--check` exits 1, naming a file that was edited, one that is gone and one too many."""
    events = tmp_path / "events"
    options = ("codegen", "--catalog", catalog, "--output", events)
    run(*options)
    edited, gone, extra = events / "ping.py", events / "_shared.py", events / "pong.py"
    edited.write_text(edited.read_text() + "# by hand\n")
    gone.unlink()
    extra.touch()
    ran = run(*options, "--check")
    assert ran.exit_code == 1
    assert ran.stdout.splitlines() == [f"{path} differs" for path in (gone, edited, extra)]
    assert not gone.exists()
    assert "by hand" in edited.read_text()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not valid JSON"),
        ('{"data": [{"type": 7}]}', "/data/0/type"),
        (None, "No such file"),
    ],
)
def test_a_catalog_that_cannot_be_read_is_told_in_one_line(
    catalog: Path, tmp_path: Path, text: str | None, said: str
) -> None:
    """A bad catalog exits 2 with what is wrong and where, and writes nothing."""
    if text is None:
        catalog.unlink()
    else:
        catalog.write_text(text)
    ran = run("codegen", "--catalog", catalog, "--output", tmp_path / "events")
    assert ran.exit_code == 2
    assert said in ran.stderr
    assert len(ran.stderr.splitlines()) == 1
    assert not (tmp_path / "events").exists()


def test_codegen_leaves_files_that_others_wrote(catalog: Path, tmp_path: Path) -> None:
    """A folder that holds somebody's own module is refused with exit code 2."""
    own = tmp_path / "own.py"
    own.write_text("mine = True\n")
    ran = run("codegen", "--catalog", catalog, "--output", tmp_path)
    assert ran.exit_code == 2
    assert str(own) in ran.stderr
    assert own.read_text() == "mine = True\n"


def test_without_the_generator_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without datamodel-code-generator, `codegen` exits 2 with the pip command."""
    for module in list(sys.modules):
        if module.startswith("coffrify_webhooks_codegen"):
            monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "datamodel_code_generator", None)
    ran = run("codegen", "--check")
    assert ran.exit_code == 2
    assert ran.stderr == (
        "Error: datamodel_code_generator is not installed; "
        'run: pip install "coffrify-webhooks[codegen]"\n'
    )
