"""`coffrify-webhooks events stats`: how many events have which status, and alarms for monitors."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, get_args

import click

from coffrify_webhooks.stores.record import Filter, Status
from coffrify_webhooks.text import plain

from .duration import some_time, span
from .source import Source, takes_source
from .table import print_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["stats"]

_UNSETTLED: tuple[Status, ...] = ("claimed", "queued", "running", "failed")


@click.command(epilog="Example: coffrify-webhooks events stats --json")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option(
    "--fail-if-older",
    type=some_time,
    metavar="TIME",
    help="Exit with 1 if an event has been waiting for this long, such as 6h.",
)
@click.option("--fail-if-dead", is_flag=True, help="Exit with 1 if there is a dead letter.")
@click.option(
    "--fail-if-silent",
    type=some_time,
    metavar="TIME",
    help="Exit with 1 if no event has arrived for this long.",
)
@takes_source()
def stats(
    source: Source,
    *,
    as_json: bool,
    fail_if_older: float | None,
    fail_if_dead: bool,
    fail_if_silent: float | None,
) -> None:
    """Count the events of each status; for monitors, exit with 1 if something is wrong."""
    from coffrify_webhooks.stores.refused import without_refused  # not for a help

    found = without_refused(source.store, source.store.stats(None))
    counts = {status: found.get(status, 0) for status in get_args(Status)}
    if as_json:
        click.echo(json.dumps(counts))
    else:
        rows = [(status, f"{count:>6}") for status, count in counts.items()]
        print_table(("STATUS", "EVENTS"), [*rows, ("total", f"{sum(counts.values()):>6}")])
    alarms = [
        *_too_old(source, fail_if_older),
        *_dead(counts if fail_if_dead else {}),
        *_silent(source, fail_if_silent),
    ]
    for alarm in alarms:
        click.echo(alarm, err=True)
    if alarms:
        raise click.exceptions.Exit(1)


def _too_old(source: Source, seconds: float | None) -> Iterator[str]:
    if seconds is None:
        return
    wanted = Filter(receiver=_name(source), statuses=_UNSETTLED, idle=seconds)
    if source.store.find(wanted, limit=1):
        yield f"an event has been waiting for more than {span(seconds)} to be handled"


def _dead(counts: Mapping[Status, int]) -> Iterator[str]:
    if counts.get("dead", 0):
        yield f"there are dead letters: {counts['dead']}"


def _silent(source: Source, seconds: float | None) -> Iterator[str]:
    if seconds is None:
        return
    from coffrify_webhooks.monitoring.health import (
        last_delivery,
    )  # imports what a help does without

    now = time.time() if source.receiver is None else source.receiver.clock()
    last = last_delivery(source.store, _name(source))
    if last is None:
        yield "no event is known to have arrived"
    elif now - last > seconds:
        yield f"no event has arrived for {span(now - last)}"


def _name(source: Source) -> str | None:
    return None if source.receiver is None else plain(source.receiver.name)
