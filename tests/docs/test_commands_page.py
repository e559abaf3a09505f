"""The page of the commands is in step with the commands."""

import click
import pytest
from docs.commands_reference import PAGE, leaves, page
from tests.cli.help_options import forget_help_options

ALL = [pytest.param(*each, id=each[0].command_path) for each in leaves()]


@pytest.fixture(autouse=True)
def fresh_help() -> None:
    forget_help_options()


def test_writing_the_reference_again_changes_nothing() -> None:
    """docs/commands.md holds what docs/commands_reference.py writes; else run it."""
    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text


@pytest.mark.parametrize(("context", "command"), ALL)
def test_each_help_has_an_example_that_is_of_its_command(
    context: click.Context, command: click.Command
) -> None:
    """What other options there are, tests/docs/test_commands.py parses them all."""
    assert command.epilog is not None
    assert command.epilog.startswith(f"Example: {context.command_path}")
