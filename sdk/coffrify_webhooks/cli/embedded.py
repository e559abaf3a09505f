"""The commands that work on a program's own Receiver, for frameworks to offer among theirs.

They have the same names there: `flask coffrify-webhooks events list` and `manage.py
coffrify_webhooks events list` are `coffrify-webhooks events list`. Which Receiver is told by the
click context's `obj`: a Source, or a function that returns one.
"""

import click

from .check import check
from .doctor import doctor
from .events import events
from .failure import Group
from .store import store
from .sweep import sweep
from .worker import worker

__all__ = ["COMMANDS", "embedded"]

COMMANDS: tuple[click.Command, ...] = (check, doctor, events, store, sweep, worker)


@click.group(cls=Group)
def embedded() -> None:
    """Look after the webhook events, check the handlers and the set-up, run the worker."""


for _each in COMMANDS:
    embedded.add_command(_each)
