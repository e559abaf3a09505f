"""All commands; and their help options, which click keeps as first made, by whichever test."""

from collections.abc import Iterator

import click

from coffrify_webhooks.cli.embedded import embedded
from coffrify_webhooks.cli.group import commands

__all__ = ["commands_of", "forget_help_options"]


def commands_of(group: click.Group, *path: str) -> Iterator[tuple[str, click.Command]]:
    """Yield each command that is no group, with the words that call it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands_of(command, *path, name)
        elif command is not None:
            yield " ".join((*path, name)), command


def forget_help_options() -> None:
    """Let each command make its help option anew, with the names that its program gives it."""
    for each in (commands, embedded):
        _forget(each)


def _forget(command: click.Command) -> None:
    command._help_option = None
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found is not None:
                _forget(found)
