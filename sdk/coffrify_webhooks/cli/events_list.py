"""`coffrify-webhooks events list`: lists events, the newest first."""

import json
import re
import time
from itertools import islice

import click

from coffrify_webhooks.stores import Filter, Record, Status

from .duration import duration, some_time, span
from .event_options import nearest_receivers, nearest_types, status_option, type_option
from .events_find import pages
from .events_json import fields
from .failure import did_you_mean
from .source import Source, takes_source
from .table import print_table

__all__ = ["list_"]

_NAME = re.compile(r"[\w.]+:[A-Za-z_][\w.<>]*")
"""Of a handler, in an error: its module and its function."""


@click.command(
    "list",
    epilog="Example: coffrify-webhooks events list --status failed --newer-than 2h",
)
@status_option
@type_option
@click.option(
    "--older-than", metavar="AGE", type=duration, help="Status unchanged for 30s, 10m, 3h, 2d ..."
)
@click.option("--newer-than", metavar="AGE", type=some_time, help="Status changed within.")
@click.option("--receiver", metavar="NAME", help="Only events of this receiver.")
@click.option(
    "--handler",
    metavar="NAME",
    help="Only events that this handler has finished, or in which it failed.",
)
@click.option(
    "--error", metavar="TEXT", help="Only events with this text in the error, ignoring case."
)
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@takes_source()
def list_(  # click passes them by name
    source: Source,
    status: tuple[Status, ...],
    type_: str | None,
    older_than: float | None,
    newer_than: float | None,
    receiver: str | None,
    handler: str | None,
    error: str | None,
    limit: int,
    *,
    as_json: bool,
) -> None:
    """List the events, the most recently changed first."""
    wanted = Filter(receiver, None, type_, status, older_than, newer_than)
    seen: set[str] = set()
    matching = (each for each in pages(source.store, wanted) if _fits(each, handler, error, seen))
    found = list(islice(matching, limit + 1))
    more, found = len(found) > limit, found[:limit]
    if as_json:
        for record in found:
            click.echo(json.dumps(fields(record)))
    elif found:
        _print(found)
    else:
        near = nearest_types(type_) or nearest_receivers(source.store, receiver)
        near = near or _nearest_handlers(handler, seen, source)
        click.echo(f"no events{near}", err=True)
    if more:
        click.echo(f"there are more than {limit}: --limit", err=True)


def _fits(record: Record, handler: str | None, error: str | None, seen: set[str]) -> bool:
    """Tell whether a handler had a part in an event, and a text is in its error.

    seen: gets the names of the handlers that had one.
    """
    from coffrify_webhooks.dispatch.message import finished_in  # not for a help

    told = record.error.casefold()
    if handler is not None and handler not in (finished := finished_in(record)):
        name = handler.casefold()
        seen.update(finished, _NAME.findall(record.error))
        if not told.startswith(f"{name} ") and f" {name} " not in told:
            return False
    return error is None or error.casefold() in told


def _nearest_handlers(name: str | None, seen: set[str], source: Source) -> str:
    """Return "; did you mean ...?" for a handler that had a part in no event."""
    if name is None or name in seen:
        return ""
    router = source.receiver.router if source.receiver is not None else None
    own = [each.name for each in router.handlers] if router is not None else []
    return "" if name in own else did_you_mean(name, {*seen, *own}, cutoff=0.5)


def _print(found: list[Record]) -> None:
    now = time.time()
    head = ["STATUS", "CHANGED", "TRIES", "ID", "TYPE"]
    rows = [
        [each.status, f"{span(now - each.touched_at)} ago", str(each.attempts), each.id, each.type]
        for each in found
    ]
    # The columns that not everybody needs come last, where a narrow terminal cuts.
    if len({each.receiver for each in found}) > 1:
        head.append("RECEIVER")
        rows = [[*row, each.receiver] for row, each in zip(rows, found, strict=True)]
    if any(each.error for each in found):
        head.append("ERROR")
        rows = [[*row, each.error] for row, each in zip(rows, found, strict=True)]
    print_table(head, rows)
