"""`catalog diff`: its text, its JSON, and its exit codes."""

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from coffrify_webhooks.cli.catalog_diff import diff
from coffrify_webhooks.cli.failure import Group
from coffrify_webhooks.cli.group import commands


def entry(name: str, /, **fields: str) -> dict[str, object]:
    properties = {field: {"type": kind} for field, kind in fields.items()}
    return {"type": name, "schema": {"type": "object", "properties": properties}}


OLD = [entry("a.b", size="integer", name="string"), entry("a.c")]
ADDED = [entry("a.b", size="integer", name="string", colour="string"), entry("a.c")]
BROKEN = [entry("a.b", size="string", colour="string"), entry("a.c"), entry("a.d")]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    made = {"old": OLD, "added": ADDED, "broken": BROKEN}
    for name, events in made.items():
        (tmp_path / name).write_text(json.dumps({"data": events}))
    (tmp_path / "bad").write_text("[]")
    return {name: tmp_path / name for name in (*made, "bad", "missing")}


def run(*arguments: object) -> Result:
    group = Group(name="group", commands={"diff": diff})
    return CliRunner().invoke(group, ["diff", *map(str, arguments)])


def test_the_text_groups_by_severity_and_event(files: dict[str, Path]) -> None:
    """The text groups by severity, then by event, and ends in a summary."""
    ran = run(files["old"], files["broken"])
    assert ran.exit_code == 0
    assert ran.output == (
        "breaking:\n"
        "  a.b\n"
        "    data.name: removed: the field of ABData is gone\n"
        "    data.size: changed: int | None became str | None\n"
        "\n"
        "additive:\n"
        "  a.b\n"
        "    data.colour: added: ABData has a new field, sometimes sent: str | None\n"
        "  a.d\n"
        "    added: the event is new\n"
        "\n"
        "2 breaking, 0 warning, 2 additive, 0 no-op\n"
    )


def test_a_catalog_and_itself_have_no_change(files: dict[str, Path]) -> None:
    """A catalog and itself: `no change`, and exit code 0."""
    ran = run(files["old"], files["old"], "--exit-code")
    assert (ran.exit_code, ran.output) == (0, "no change\n")


@pytest.mark.parametrize(
    ("new", "options", "code"),
    [
        ("broken", [], 0),
        ("broken", ["--exit-code"], 1),
        ("broken", ["--exit-code", "--json"], 1),
        ("added", ["--exit-code"], 0),
        ("bad", ["--exit-code"], 2),
        ("missing", [], 2),
    ],
)
def test_the_exit_code_tells_a_breaking_change(
    files: dict[str, Path], new: str, options: list[str], code: int
) -> None:
    """With `--exit-code`, 1 means breaking; 2 is bad input, named in one line."""
    ran = run(files["old"], files[new], *options)
    assert ran.exit_code == code
    if code == 2:
        assert ran.output.startswith("Error: ")
        assert ran.output.count("\n") == 1


def test_the_json_holds_counts_and_changes(files: dict[str, Path]) -> None:
    """The JSON holds the counts and each change."""
    document = json.loads(run(files["old"], files["added"], "--json").output)
    assert document == {
        "summary": {"breaking": 0, "warning": 0, "additive": 1, "no-op": 0},
        "changes": [
            {
                "severity": "additive",
                "event": "a.b",
                "path": "data.colour",
                "kind": "added",
                "text": "ABData has a new field, sometimes sent: str | None",
            }
        ],
    }
    nothing = json.loads(run(files["old"], files["old"], "--json").output)
    assert nothing["changes"] == []


def test_it_is_a_command_of_the_catalog() -> None:
    """`coffrify-webhooks catalog diff` is this command."""
    group = commands.get_command(click.Context(commands), "catalog")
    assert isinstance(group, click.Group)
    assert group.get_command(click.Context(group), "diff") is diff
