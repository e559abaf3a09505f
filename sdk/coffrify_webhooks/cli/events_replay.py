"""`coffrify-webhooks events replay`: handles again what failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.stores import Filter, Record, Status, Store
from coffrify_webhooks.stores.record import plain

from .completion import complete_id
from .duration import duration
from .event_options import nearest_types, type_option
from .events_find import find_named, pages
from .failure import Failed
from .replaying import replay_all
from .source import Source, takes_source

if TYPE_CHECKING:
    from coffrify_webhooks.receiver import Receiver

__all__ = ["replay"]


@click.command(
    epilog="Example: coffrify-webhooks events replay --dead --older-than 1h --app myapp.webhooks"
)
@click.argument("ids", metavar="[ID]...", shell_complete=complete_id, nargs=-1)
@click.option("--failed", is_flag=True, help="Events that failed.")
@click.option("--dead", is_flag=True, help="Dead letters: events that an engine has given up on.")
@type_option
@click.option(
    "--older-than", metavar="AGE", type=duration, help="Only if they failed 10m, 3h, 2d ... ago."
)
@click.option(
    "--receiver", metavar="NAME", help="Events of this receiver, instead of that of --app."
)
@click.option("--all-receivers", is_flag=True, help="Events of all receivers.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object per event: what it is, and the result."
)
@takes_source(handles=True)
def replay(
    source: Source,
    ids: tuple[str, ...],
    type_: str | None,
    older_than: float | None,
    receiver: str | None,
    *,
    failed: bool,
    dead: bool,
    all_receivers: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Handle events again, oldest first, from the bodies that were kept.

    Name them by their ids or keys, or select them: without --failed or --dead, a filter means both.
    Only the handlers that have not finished run; with a dispatcher, the engine gets the event.
    Exits 1 if any failed again.
    """
    filtered = failed or dead or type_ is not None or older_than is not None
    if filtered == bool(ids):
        raise click.UsageError("name events, or say which: --failed, --dead, --type, --older-than")
    if receiver is not None and all_receivers:
        raise click.UsageError("--receiver and --all-receivers exclude each other")
    handling = _able(source.receiver)
    whose = None if all_receivers else receiver or plain(handling.name)
    statuses: tuple[Status, ...] = ()
    if ids:
        found = {each.key: each for id_ in ids for each in _find_named(source.store, id_, whose)}
    else:
        statuses = _statuses(failed=failed, dead=dead)
        wanted = Filter(whose, None, type_, statuses, older_than)
        # All of them first: their order changes while they are handled.
        found = {each.key: each for each in pages(source.store, wanted)}
        if not found:
            _report_none(source.store, wanted)
        elif len(found) > 1 and not yes:
            click.confirm(f"Handle {len(found)} events again?", abort=True, err=True)
    in_order = sorted(found.values(), key=lambda each: each.received_at)
    replay_all(handling, in_order, statuses, as_json=as_json)


def _able(receiver: Receiver | None) -> Receiver:
    if receiver is None:
        raise ConfigurationError(
            "which handlers? Name the module that holds them: --app myapp.webhooks"
        )
    if receiver.dispatcher is None and not len(receiver.router):
        raise ConfigurationError(f"no handler is registered; {receiver.handlers_hint}")
    return receiver


def _statuses(*, failed: bool, dead: bool) -> tuple[Status, ...]:
    chosen: dict[Status, bool] = {"failed": failed, "dead": dead}
    return tuple(each for each in chosen if chosen[each] or not (failed or dead))


def _find_named(store: Store, name: str, whose: str | None) -> list[Record]:
    """Return the records to replay; by its id an event's own body is meant, not another one."""
    found = find_named(store, name)
    if found[0].id != plain(name):
        return found  # by its key
    meant = [
        each
        for each in found
        if each.status != "conflict" and (whose is None or each.receiver == whose)
    ]
    if not meant:
        there = ", ".join(f"{r.key[:12]} ({r.status}, receiver {r.receiver})" for r in found)
        raise Failed(
            f"{plain(name)} is not an event of the receiver {whose or 'named'}; replay one of "
            f"these by its key: {there}"
        )
    return meant


def _report_none(store: Store, wanted: Filter) -> None:
    others = wanted.receiver and store.find(wanted._replace(receiver=None), 1)
    whose = f" of the receiver {wanted.receiver}" if wanted.receiver else ""
    hint = f"; there are of {others[0].receiver}: --receiver, --all-receivers" if others else ""
    hint = hint or nearest_types(wanted.type)
    click.echo(f"no such events{whose}{hint}", err=True)
