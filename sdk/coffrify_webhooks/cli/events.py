"""`coffrify-webhooks events`: inspects stored events, and replays failed ones."""

from copy import copy

import click

from .events_forget import forget, purge
from .events_list import list_
from .events_replay import replay
from .events_show import show
from .events_stats import stats
from .failure import Group
from .sweep import sweep

__all__ = ["events"]


class _Events(Group):
    """Lists, unless a command is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        option = bool(args) and args[0].startswith("-") and args[0] not in ctx.help_option_names
        return super().parse_args(ctx, ["list", *args] if option or not args else args)


@click.group(cls=_Events)
def events() -> None:
    """Inspect and replay stored events; without a command, list them."""


_sweep = copy(sweep)  # its name before it was one of its own
_sweep.hidden = True
for _each in (list_, show, replay, forget, purge, stats, _sweep):
    events.add_command(_each)
