"""click keeps a command's help option as first made: another test may have run it alone."""

import click

from coffrify_webhooks.cli.embedded import embedded
from coffrify_webhooks.cli.group import commands

__all__ = ["forget_help_options"]


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
