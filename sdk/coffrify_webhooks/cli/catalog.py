"""`coffrify-webhooks catalog`: pulls the catalog of event types, shows it, compares two."""

import click

from .embedded import HELP_OPTIONS
from .lazy import LazyCommand, LazyGroup

__all__ = ["catalog"]

_HERE = __name__.rpartition(".")[0]
_COMMANDS: dict[str, LazyCommand] = {
    "advise": LazyCommand(
        f"{_HERE}.catalog_advise:advise",
        "Show what a change of the catalog breaks in your handlers.",
    ),
    "diff": LazyCommand(
        f"{_HERE}.catalog_diff:diff",
        "Compare the catalogs OLD and NEW: what NEW changes for a receiver built against OLD.",
    ),
    "drift": LazyCommand(
        f"{_HERE}.catalog_drift:drift",
        "List the types of events that no longer fit the classes in use.",
    ),
    "pull": LazyCommand(
        f"{_HERE}.catalog_pull:pull", "Get the catalog of your workspace from the API."
    ),
    "show": LazyCommand(
        f"{_HERE}.catalog_show:show",
        "List the event types of a catalog; with TYPE, the fields and the example of one.",
    ),
}


@click.group(cls=LazyGroup, lazy=_COMMANDS, context_settings=HELP_OPTIONS)
def catalog() -> None:
    """Pull the catalog of event types, show it, compare two."""
