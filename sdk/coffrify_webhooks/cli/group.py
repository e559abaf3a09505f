"""The group of all commands."""

import click

from coffrify_webhooks import __version__

from .catalog import catalog
from .codegen import codegen
from .demo import demo
from .embedded import COMMANDS
from .failure import Group
from .sandbox import sandbox
from .send import send
from .trigger import trigger

__all__ = ["commands"]


@click.group(cls=Group)
@click.version_option(__version__, message="%(prog)s %(version)s")
def commands() -> None:
    """Verify, deduplicate and handle Coffrify webhooks."""


for _each in (*COMMANDS, catalog, codegen, demo, sandbox, send, trigger):
    commands.add_command(_each)
