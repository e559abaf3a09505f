"""The group of the commands about endpoints."""

import click

from coffrify_webhooks.cli.embedded import HELP_OPTIONS
from coffrify_webhooks.cli.lazy import LazyCommand, LazyGroup

__all__ = ["endpoints"]

_HERE = __name__.rpartition(".")[0]
_COMMANDS: dict[str, LazyCommand] = {
    "create": LazyCommand(
        f"{_HERE}.create:create",
        "Create an endpoint and receive its secret, which is shown only once.",
    ),
    "delete": LazyCommand(
        f"{_HERE}.delete:delete", "Delete an endpoint, after asking for confirmation."
    ),
    "list": LazyCommand(f"{_HERE}.listing:list_", "List the endpoints of the workspace."),
    "rotate": LazyCommand(
        f"{_HERE}.rotate:rotate",
        "Give an endpoint a new secret; the old one stays valid for a while.",
    ),
    "sync": LazyCommand(
        f"{_HERE}.sync:sync", "Subscribe an endpoint to just the types that have handlers."
    ),
    "test": LazyCommand(
        f"{_HERE}.test_delivery:test", "Have the sender send a test delivery, and show the answer."
    ),
}


@click.group(cls=LazyGroup, lazy=_COMMANDS, context_settings=HELP_OPTIONS)
def endpoints() -> None:
    """List, create, sync, rotate, test and delete the sender's endpoints."""
