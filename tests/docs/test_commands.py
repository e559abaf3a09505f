"""The commands that the pages show are commands, with options that they have."""

import re
import shlex
from pathlib import Path

import click
import pytest

from coffrify_webhooks.cli.group import commands

ROOT = Path(__file__).parents[2]
SHOWN = re.compile(r"(?:^|`)coffrify-webhooks ([^`\n]+)", re.MULTILINE)


def shown() -> list[str]:
    """Return the words after the program's name for each command that a page shows."""
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    found = {words for page in pages for words in SHOWN.findall(page.read_text("utf-8"))}
    return sorted(found)


@pytest.mark.parametrize("words", shown())
def test_every_command_shown_exists_with_its_options(words: str) -> None:
    """Each is parsed as the program would, and not run."""
    command: click.Command = commands
    context = click.Context(commands, **commands.context_settings)
    left = shlex.split(words, comments=True)
    while isinstance(command, click.Group) and left and not left[0].startswith("-"):
        found = command.get_command(context, left[0])
        if found is None:
            assert command.invoke_without_command, left[0]
            break
        command, left = found, left[1:]
        context = click.Context(command, parent=context)
    command.make_parser(context).parse_args(args=left)
