"""`coffrify-webhooks catalog drift`: which types no longer match the classes in use."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import click

from .duration import span
from .events_json import moment
from .failure import Failed, Unusable
from .source import Source, takes_source
from .table import print_table

if TYPE_CHECKING:
    from coffrify_webhooks.stores.drift import Drift

__all__ = ["drift"]

_HEAD = ("TYPE", "WHAT", "FIRST SEEN", "LAST SEEN", "DELIVERIES", "FIELDS")


@click.command(
    short_help="List the types of events that no longer fit the classes in use.",
    epilog="Example: coffrify-webhooks catalog drift --app app --json",
)
@click.option(
    "--receiver",
    metavar="NAME",
    help='The receiver\'s name; by default, that of --app, or "default".',
)
@click.option("--clear", is_flag=True, help="Delete the list, for example after a new `codegen`.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
@takes_source()
def drift(source: Source, receiver: str | None, *, clear: bool, as_json: bool) -> None:
    """List the types of events that arrive and no longer fit the classes in use.

    Their type is unknown, or their payload does not fit; all processes of the
    receiver record this in its store. Exits 0 if there are none, else 1; with --clear 0.
    """
    from coffrify_webhooks.stores.drift import drift_in
    from coffrify_webhooks.stores.marks import has_marks

    if not has_marks(source.store):
        raise Unusable(
            "this store cannot keep it, since it lacks the methods of "
            "coffrify_webhooks.stores.OrderedStore"
        )
    name = receiver or (source.receiver.name if source.receiver else "default")
    found = drift_in(source.store, name, clear=clear)
    if as_json:
        click.echo(json.dumps([_as_json(each) for each in found], indent=2))
    elif found:
        now = time.time()
        rows = [
            [
                each.type,
                "does not fit" if each.is_known else "unknown type",
                f"{span(now - each.first_seen)} ago",
                f"{span(now - each.last_seen)} ago",
                str(each.deliveries),
                ", ".join(each.fields),
            ]
            for each in found
        ]
        print_table(_HEAD, rows)
    else:
        click.echo("no drift", err=True)
    if clear:
        click.echo(f"{len(found)} type(s) forgotten", err=True)
    elif found:
        raise Failed(
            f"{len(found)} type(s) no longer match the catalog: pull it again "
            "(`catalog pull`), and see `catalog diff`"
        )


def _as_json(drift: Drift) -> dict[str, Any]:
    return {
        **drift._asdict(),
        "first_seen": moment(drift.first_seen),
        "last_seen": moment(drift.last_seen),
    }
