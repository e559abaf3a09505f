"""Writes the reference of docs/commands.md: `python docs/commands_reference.py`."""

from collections.abc import Iterator
from pathlib import Path

import click

from coffrify_webhooks.cli.group import commands

__all__ = ["PAGE", "leaves", "page"]

PAGE = Path(__file__).with_name("commands.md")

_BEGIN = "<!-- reference: written by docs/commands_reference.py, do not edit -->\n"
_PROGRAM = "coffrify-webhooks"
_WIDTH = 96


def page(text: str) -> str:
    """Return the page `text` with its reference renewed: the help of each command."""
    before, _, _ = text.partition(_BEGIN)
    sections = "\n".join(_section(context, command) for context, command in leaves())
    return f"{before}{_BEGIN}\n{sections}"


def leaves(
    command: click.Command = commands, context: click.Context | None = None
) -> Iterator[tuple[click.Context, click.Command]]:
    """Yield each command that is no group and is not hidden, with its context."""
    if context is None:
        settings = command.context_settings
        context = click.Context(command, info_name=_PROGRAM, **settings)
    context.max_content_width = context.terminal_width = _WIDTH
    if not isinstance(command, click.Group):
        yield context, command
        return
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        if found is not None and not found.hidden and (name, command.name) != ("sweep", "events"):
            yield from leaves(found, click.Context(found, parent=context, info_name=name))


def _section(context: click.Context, command: click.Command) -> str:
    name = context.command_path.removeprefix(f"{_PROGRAM} ")
    return f"## {name}\n\n```text\n{command.get_help(context)}\n```\n"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
