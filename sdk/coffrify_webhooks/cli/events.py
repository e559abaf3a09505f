"""`coffrify-webhooks events`: inspects stored events, and replays failed ones."""

import click

from .embedded import HELP_OPTIONS
from .lazy import LazyCommand, LazyGroup

__all__ = ["events"]

_HERE = __name__.rpartition(".")[0]
_COMMANDS: dict[str, LazyCommand] = {
    "forget": LazyCommand(f"{_HERE}.events_forget:forget", "Delete the records of some events."),
    "list": LazyCommand(
        f"{_HERE}.events_list:list_", "List the events, the most recently changed first."
    ),
    "purge": LazyCommand(
        f"{_HERE}.events_forget:purge",
        "Delete the events whose status has not changed for that long.",
    ),
    "refused": LazyCommand(
        f"{_HERE}.events_refused:refused",
        "List the most recently refused requests, the newest first.",
    ),
    "replay": LazyCommand(
        f"{_HERE}.events_replay:replay",
        "Handle events again, oldest first, from the bodies that were kept.",
    ),
    "show": LazyCommand(f"{_HERE}.events_show:show", "Show the record of an event."),
    "stats": LazyCommand(
        f"{_HERE}.events_stats:stats",
        "Count the events of each status; for monitors, exit with 1 if something is wrong.",
    ),
    "tail": LazyCommand(
        f"{_HERE}.events_tail:tail",
        "Show the last events, and then each whose status changes, until Ctrl-C.",
    ),
    # Its name before it was one of its own.
    "sweep": LazyCommand(f"{_HERE}.sweep:sweep", "", hidden=True),
}


class _Events(LazyGroup):
    """Lists, unless a command is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        option = bool(args) and args[0].startswith("-") and args[0] not in ctx.help_option_names
        nothing = not args and not ctx.resilient_parsing  # a shell that completes may name one yet
        return super().parse_args(ctx, ["list", *args] if option or nothing else args)


@click.group(cls=_Events, lazy=_COMMANDS, context_settings=HELP_OPTIONS)
def events() -> None:
    """Inspect and replay stored events; without a command, list them."""
