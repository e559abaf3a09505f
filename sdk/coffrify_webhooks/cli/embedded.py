"""The commands that work on a program's own Receiver, for frameworks to offer among theirs.

They have the same names there: `flask coffrify-webhooks events list` and `manage.py
coffrify_webhooks events list` are `coffrify-webhooks events list`. Which Receiver is told by the
click context's `obj`: a Source, or a function that returns one.
"""

import click

from .lazy import LazyCommand, LazyGroup

__all__ = ["COMMANDS", "HELP_OPTIONS", "embedded"]

_HERE = __name__.rpartition(".")[0]
HELP_OPTIONS = {"help_option_names": ["-h", "--help"]}
"""Settings of a click context, for whoever makes a group of these commands."""
COMMANDS: dict[str, LazyCommand] = {
    "catalog": LazyCommand(
        f"{_HERE}.catalog:catalog", "Pull the catalog of event types, show it, compare two."
    ),
    "check": LazyCommand(f"{_HERE}.check:check", "Run each handler with variations of its events."),
    "doctor": LazyCommand(
        f"{_HERE}.doctor:doctor", "Explain why a request is refused, or check the set-up."
    ),
    "endpoints": LazyCommand(
        f"{_HERE}.endpoints:endpoints",
        "List, create, sync, rotate, test and delete the sender's endpoints.",
    ),
    "events": LazyCommand(
        f"{_HERE}.events:events", "Inspect and replay stored events; without a command, list them."
    ),
    "inbox": LazyCommand(
        f"{_HERE}.inbox:inbox", "Look at stored events in a browser, on this machine."
    ),
    "keys": LazyCommand(
        f"{_HERE}.keys:keys",
        "Show when each secret last signed a delivery, so that you can retire an old one.",
    ),
    "reconcile": LazyCommand(
        f"{_HERE}.reconcile:reconcile", "Request redeliveries of events that were not handled here."
    ),
    "store": LazyCommand(f"{_HERE}.store:store", "Set up the store that remembers events."),
    "sweep": LazyCommand(
        f"{_HERE}.sweep:sweep",
        "Dispatch again what an engine received long ago and has not handled; workers do this too.",
    ),
    "worker": LazyCommand(
        f"{_HERE}.worker:worker", "Handle the events that the web process has handed to the engine."
    ),
}


@click.group(cls=LazyGroup, lazy=COMMANDS, context_settings=HELP_OPTIONS)
def embedded() -> None:
    """Manage webhook events, check the handlers and the set-up, run the worker."""
