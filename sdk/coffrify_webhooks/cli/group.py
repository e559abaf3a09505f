"""The group of all commands."""

from typing import Any

import click

from coffrify_webhooks import __version__
from coffrify_webhooks.errors import ConfigurationError

from .catalog import catalog
from .codegen import codegen
from .demo import demo

__all__ = ["commands"]


class _Group(click.Group):
    """Tells a mistake in the setup in one line, and exits 2 as for a mistake in the arguments."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ConfigurationError as error:
            raise Unusable(str(error)) from error


class Unusable(click.ClickException):
    """What was asked cannot be done here; the text says why."""

    exit_code = 2


@click.group(cls=_Group)
@click.version_option(__version__, message="%(prog)s %(version)s")
def commands() -> None:
    """Verify, deduplicate and handle Coffrify webhooks."""


commands.add_command(catalog)
commands.add_command(codegen)
commands.add_command(demo)
