"""Colours: on terminals, unless NO_COLOR says otherwise; elsewhere only by FORCE_COLOR."""

import io
import re
import sys

import click
import pytest
from click.testing import CliRunner

from coffrify_webhooks.cli.demo import table
from coffrify_webhooks.cli.demo.board import Board
from coffrify_webhooks.cli.demo.cases import Case
from coffrify_webhooks.cli.failure import Group
from coffrify_webhooks.cli.group import commands

COLOUR = re.compile(r"\x1b\[(\d+;)*(3|4|9|10)\d")
CASE = Case("many", "200 handled", 2)
GREEN = "\x1b[32m"


@click.group(cls=Group)
def group() -> None:
    """Stand in for the group of all commands."""


@group.command()
def show() -> None:
    """Fill a board with one answer that was promised, and one that was not."""
    board = Board([CASE], ["kept", "broken"])
    with table.shown(board) as refresh:
        for _ in range(CASE.times):
            board.put(CASE, "kept", CASE.promise)
            board.put(CASE, "broken", "500")
        refresh()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def neither(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> str:
    terminal = Terminal()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", terminal)
        group(["show"], standalone_mode=False)
    return terminal.getvalue()


RICH = pytest.mark.parametrize("rich", [True, False], ids=["rich", "without rich"])


@RICH
def test_no_color_turns_colours_off_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, *, rich: bool
) -> None:
    if not rich:
        monkeypatch.setattr(table, "find_spec", lambda name: None)
    assert COLOUR.search(on_a_terminal(monkeypatch))
    monkeypatch.setenv("NO_COLOR", "1")
    plain = on_a_terminal(monkeypatch)
    assert CASE.name in plain
    assert not COLOUR.search(plain)


def test_a_pipe_gets_no_escape_sequence_unless_force_color_asks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = CliRunner().invoke(group, ["show"]).output
    assert "\x1b" not in plain
    monkeypatch.setenv("FORCE_COLOR", "1")
    coloured = CliRunner().invoke(group, ["show"]).output
    assert GREEN in coloured
    assert click.unstyle(coloured) == plain
    monkeypatch.setenv("NO_COLOR", "1")  # both are set: no colour is the safer reading
    assert CliRunner().invoke(group, ["show"]).output == plain


@pytest.mark.parametrize("words", [["--help"], ["catalog", "show"], ["send", "--nothing"]])
def test_commands_write_no_escape_sequence_to_a_pipe(words: list[str]) -> None:
    assert "\x1b" not in CliRunner().invoke(commands, words).output
