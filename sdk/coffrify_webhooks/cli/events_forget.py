"""`coffrify-webhooks events forget` and `purge`: drop what is known of events."""

import json

import click

from .completion import complete_id
from .duration import duration
from .events_find import display_name, find_named
from .source import Source, takes_source

__all__ = ["forget", "purge"]

_PURGED_AT_ONCE = 1000
_SENT_AGAIN = 72 * 3600
"""Seconds for which the sender may deliver an event again."""
_SHOWN = 10


@click.command(epilog="Example: coffrify-webhooks events forget evt_9 --app myapp.webhooks")
@click.argument(
    "ids",
    metavar="ID...",
    shell_complete=complete_id,
    nargs=-1,
    required=True,
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@takes_source()
def forget(source: Source, ids: tuple[str, ...], *, yes: bool, as_json: bool) -> None:
    """Delete the records of some events. Each counts as new when it arrives again.

    An ID is an event's id (all of its records are deleted), a key, or the
    beginning of a key.
    """
    records = {each.key: each for id_ in ids for each in find_named(source.store, id_)}
    if not yes:
        for record in list(records.values())[:_SHOWN]:
            click.echo(f"{display_name(record)} ({record.type}, {record.status})", err=True)
        if len(records) > _SHOWN:
            click.echo(f"... and {len(records) - _SHOWN} more", err=True)
        click.confirm(f"Forget {len(records)}?", abort=True, err=True)
    gone = sum(source.store.forget(key) for key in records)
    click.echo(json.dumps({"forgotten": gone}) if as_json else f"{gone} forgotten")


@click.command(epilog="Example: coffrify-webhooks events purge --older-than 30d")
@click.option(
    "--older-than", metavar="AGE", type=duration, required=True, help="Such as 30d, 12h or 4w."
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@takes_source()
def purge(source: Source, older_than: float, *, yes: bool, as_json: bool) -> None:
    """Delete the events whose status has not changed for that long.

    Events that are being handled, or that an engine has, are kept. A receiver does this
    automatically, after 30 days by default.
    """
    if older_than < _SENT_AGAIN and not yes:
        click.echo("Coffrify sends an event again for up to 72 h.", err=True)
        click.confirm("Forget some that it may still send?", abort=True, err=True)
    gone = 0
    while some := source.store.purge(older_than, _PURGED_AT_ONCE):
        gone += some
    click.echo(json.dumps({"purged": gone}) if as_json else f"{gone} purged")
