"""A group of commands that are imported when they run: the help of ten takes what one needs."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

import click

from .failure import Group

__all__ = ["LazyCommand", "LazyGroup"]


class LazyCommand(NamedTuple):
    """Where a command is, and what the group's help says of it."""

    place: str
    """`module:attribute`."""
    short_help: str
    hidden: bool = False


class LazyGroup(Group):
    """Knows its commands by name, and what its help says of each."""

    def __init__(self, *args: Any, lazy: Mapping[str, LazyCommand], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lazy: Mapping[str, LazyCommand] = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self.lazy})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        found = self.lazy.get(cmd_name)
        if found is None:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = found.place.partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)  # noqa: S101 - a table of ours, tested
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx  # that of click's own would import each command with it
        own = {
            name: command.get_short_help_str(limit=formatter.width)
            for name, command in self.commands.items()
            if not command.hidden
        }
        ours = {name: each.short_help for name, each in self.lazy.items() if not each.hidden}
        with formatter.section("Commands"):
            formatter.write_dl(sorted({**own, **ours}.items()))
