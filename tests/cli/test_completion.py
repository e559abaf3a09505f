"""What the shell completes: event types, and the ids in the store that the line names."""

from importlib.metadata import version
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete
from tests.cli.stored_events import StoredEvents

from coffrify_webhooks.cli.group import commands

NESTED = tuple(map(int, version("click").split("."))) >= (8, 2, 1)
"""click 8.2.0 completes nothing below two groups."""


def completed(*words: str) -> list[str]:
    *before, incomplete = words
    found = ShellComplete(commands, {}, "coffrify-webhooks", "_X")
    return [each.value for each in found.get_completions(before, incomplete)]


@pytest.mark.parametrize(
    "words",
    [
        ["send"],
        ["trigger"],
        *(
            [["catalog", "show"], ["events", "list", "--type"], ["endpoints", "create", "--type"]]
            if NESTED
            else []
        ),
    ],
)
def test_event_types_are_completed(words: list[str]) -> None:
    assert completed(*words, "transfer.c") == ["transfer.cloned", "transfer.created"]


@pytest.mark.parametrize("group", ["events", "catalog", "endpoints", "store"])
def test_the_commands_of_each_group_are_completed(group: str) -> None:
    """Those of `events` too, which lists where none is named."""
    found = commands.get_command(click.Context(commands), group)
    assert isinstance(found, click.Group)
    shown = {name for name in found.list_commands(click.Context(found)) if name != "sweep"}
    assert {each for each in completed(group, "") if each != "sweep"} == shown


def test_misbehaviors_of_the_sandbox_are_completed() -> None:
    assert completed("trigger", "ping", "--misbehave", "f") == ["forged", "future"]


@pytest.mark.parametrize("command", ["show", "replay", "forget"] if NESTED else ["-"])
def test_ids_of_stored_events_are_completed(command: str, tmp_path: Path) -> None:
    stored_events = StoredEvents(tmp_path / "store.db")
    for name in ("evt_1", "evt_2", "other"):
        stored_events.put(name)
    stored_events.store.close()
    store = f"sqlite:///{tmp_path / 'store.db'}"
    found = completed("events", command, "--store", store, "evt")
    assert sorted(found) == (["evt_1", "evt_2"] if NESTED else [])


def test_without_a_store_nothing_is_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And nothing is said in the middle of the line, nor is a file made."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COFFRIFY_WEBHOOKS_STORE", raising=False)
    assert completed("events", "show", "evt") == []
    assert completed("events", "show", "--store", "nonsense:", "evt") == []
    assert capsys.readouterr() == ("", "")
    assert not list(tmp_path.iterdir())
    assert click.get_current_context(silent=True) is None
