"""`coffrify-webhooks events`: looks after what came, and runs again what failed."""

import click

from .events_forget import forget, purge
from .events_list import list_
from .events_replay import replay
from .events_show import show
from .events_stats import stats
from .events_sweep import sweep
from .failure import Group

__all__ = ["events"]


class _Events(Group):
    """Lists, unless a command is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        option = bool(args) and args[0].startswith("-") and args[0] not in ctx.help_option_names
        return super().parse_args(ctx, ["list", *args] if option or not args else args)


@click.group(cls=_Events)
def events() -> None:
    """Look after the events that came; without a command, list them."""


for _each in (list_, show, replay, forget, purge, stats, sweep):
    events.add_command(_each)
