"""The group of all commands."""

import click

from coffrify_webhooks import __version__

from .catalog import catalog
from .codegen import codegen
from .demo import demo
from .events import events
from .failure import Group
from .sandbox import sandbox
from .send import send
from .store import store
from .trigger import trigger
from .worker import worker

__all__ = ["commands"]


@click.group(cls=Group)
@click.version_option(__version__, message="%(prog)s %(version)s")
def commands() -> None:
    """Verify, deduplicate and handle Coffrify webhooks."""


commands.add_command(catalog)
commands.add_command(codegen)
commands.add_command(demo)
commands.add_command(events)
commands.add_command(sandbox)
commands.add_command(send)
commands.add_command(store)
commands.add_command(trigger)
commands.add_command(worker)
