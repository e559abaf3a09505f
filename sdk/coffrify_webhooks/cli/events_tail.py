"""`coffrify-webhooks events tail`: shows events as their status changes."""

from __future__ import annotations

import json
import time
from itertools import takewhile
from typing import TYPE_CHECKING

import click

from coffrify_webhooks.stores.record import Filter, Status, plain

from .event_options import nearest_receivers, nearest_types, status_option, type_option
from .events_find import pages
from .events_json import fields
from .source import Source, takes_source

if TYPE_CHECKING:
    from coffrify_webhooks.stores import Record, Store

__all__ = ["Tail", "tail"]

_OVERLAP = 30.0
"""Seconds that a change may be seen later than another, as a transaction ends later."""


class Tail:
    """Yields the changes since it was asked last."""

    def __init__(self, store: Store, wanted: Filter) -> None:
        self._store = store
        self._wanted = wanted
        self._since = 0.0
        self._seen: dict[str, tuple[str, float]] = {}

    def first(self, most: int) -> list[Record]:
        """Return the last `most` events, the oldest first; none before is shown later."""
        found: list[Record] = []
        for each in pages(self._store, self._wanted):
            self._since = max(self._since, each.touched_at)
            if len(found) >= most and each.touched_at < self._since - _OVERLAP:
                break
            found.append(each)
        self._note(found)
        return found[:most][::-1]

    def changes(self) -> list[Record]:
        """Return what has changed, the oldest first."""
        since = self._since - _OVERLAP
        records = pages(self._store, self._wanted)
        found = list(takewhile(lambda each: each.touched_at >= since, records))
        new = [each for each in found if self._seen.get(each.key) != (each.status, each.touched_at)]
        self._note(found)
        return new[::-1]

    def _note(self, found: list[Record]) -> None:
        self._since = max((each.touched_at for each in found), default=self._since)
        since = self._since - _OVERLAP
        seen = self._seen | {each.key: (each.status, each.touched_at) for each in found}
        self._seen = {key: each for key, each in seen.items() if each[1] >= since}


@click.command(
    epilog="Example: coffrify-webhooks events tail --status failed --type 'transfer.*' --json"
)
@status_option
@type_option
@click.option("--receiver", metavar="NAME", help="Only events of this receiver.")
@click.option(
    "--lines",
    "-n",
    default=10,
    show_default=True,
    type=click.IntRange(0, 1000),
    help="How many events to show at first.",
)
@click.option(
    "--every",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0.1, 3600),
    metavar="SECONDS",
    help="How often to query the store.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@takes_source()
def tail(
    source: Source,
    status: tuple[Status, ...],
    type_: str | None,
    receiver: str | None,
    lines: int,
    every: float,
    *,
    as_json: bool,
) -> None:
    """Show the last events, and then each whose status changes, until Ctrl-C.

    An event that changes twice between two queries is shown once, in its latest state.
    """
    following = Tail(source.store, Filter(receiver, None, type_, status))
    try:
        found = following.first(lines)
        near = nearest_types(type_) or nearest_receivers(source.store, receiver)
        if lines and not found and near:
            click.echo(f"no events yet{near}", err=True)
        _show(found, as_json=as_json)
        while True:
            time.sleep(every)
            _show(following.changes(), as_json=as_json)
    except KeyboardInterrupt:
        return


def _show(records: list[Record], *, as_json: bool) -> None:
    for each in records:
        if as_json:
            click.echo(json.dumps(fields(each)))
            continue
        when = time.strftime("%H:%M:%S", time.localtime(each.touched_at))
        parts = (when, f"{each.status:8}", each.type, each.id or each.key[:12], each.error)
        click.echo("  ".join(plain(part) for part in parts if part))
