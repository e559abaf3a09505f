"""`coffrify-webhooks events stats`: how many events have which status."""

import json
from typing import get_args

import click

from coffrify_webhooks.stores import Filter, Status
from coffrify_webhooks.stores.refused import MOST_CAPTURED, REFUSED

from .source import Source, takes_source
from .table import print_table

__all__ = ["stats"]


@click.command(epilog="Example: coffrify-webhooks events stats --json")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@takes_source()
def stats(source: Source, *, as_json: bool) -> None:
    """Count the events of each status."""
    found = source.store.stats(None)
    refused = len(source.store.find(Filter(type=REFUSED), MOST_CAPTURED))  # no events
    found["conflict"] = max(0, found.get("conflict", 0) - refused)
    counts = {status: found.get(status, 0) for status in get_args(Status)}
    if as_json:
        click.echo(json.dumps(counts))
        return
    rows = [(status, f"{count:>6}") for status, count in counts.items()]
    print_table(("STATUS", "EVENTS"), [*rows, ("total", f"{sum(counts.values()):>6}")])
