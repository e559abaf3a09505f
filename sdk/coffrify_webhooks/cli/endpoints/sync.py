"""`coffrify-webhooks endpoints sync`: subscribe to just what has handlers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from coffrify_webhooks.cli.failure import Failed, printable

from .options import (
    confirm,
    endpoint_option,
    handlers_of,
    takes_api,
    unsure_if_stopped,
    yes_option,
)

if TYPE_CHECKING:
    from coffrify_webhooks.management.endpoints import EndpointRecord, Endpoints
    from coffrify_webhooks.management.subscription import Difference

__all__ = ["sync"]


@click.command(
    short_help="Subscribe an endpoint to just the types that have handlers.",
    epilog="Example: coffrify-webhooks endpoints sync --app app --dry-run",
)
@click.option("--app", metavar="MODULE[:NAME]", help="Where your Receiver is; see `events --help`.")
@endpoint_option
@click.option("--dry-run", is_flag=True, help="Only show the difference; exit 1 if there is one.")
@yes_option
@click.option("--json", "as_json", is_flag=True, help="Print the difference as JSON; needs --yes.")
@takes_api()
@click.pass_obj
def sync(
    obj: object,
    endpoints: Endpoints,
    *,
    app: str | None,
    endpoint: str | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Subscribe an endpoint to just the types that have handlers.

    Shows the difference, and asks before it changes anything. A handler of "transfer.*" or "*"
    wants each such type that the workspace's catalog has now.
    """
    from coffrify_webhooks.management.subscription import compare

    if as_json and not (yes or dry_run):
        raise click.UsageError("--json asks for no confirmation: add --dry-run or --yes")
    receiver = handlers_of(obj, app)
    if receiver is None:
        raise click.UsageError("--app names a module without a Receiver")
    chosen = endpoints.choose(endpoint)
    found = compare(chosen.events, receiver.router, endpoints.api.event_types())
    if not as_json:
        click.echo(printable(_text(chosen, found)))
    is_changed = not (dry_run or found.is_empty)
    if is_changed:
        confirm("Change the subscription in this way?", yes=yes)
        with unsure_if_stopped("it is not known whether it was changed; `sync --dry-run` shows it"):
            endpoints.subscribe(chosen.id, found.wanted)
    if as_json:
        told = {"id": chosen.id, **found.as_json(), "changed": is_changed}
        click.echo(json.dumps(told, indent=2))
    elif is_changed:
        click.echo(f"subscribed to {len(found.wanted)} type(s)")
    if dry_run and not found.is_empty:
        raise Failed("the subscription differs (dry run: nothing was changed)")


def _text(endpoint: EndpointRecord, found: Difference) -> str:
    lines = [f"{endpoint.id}: {endpoint.url}"]
    lines += [f"  + {each}" for each in found.added]
    lines += [f"  - {each}" for each in found.removed]
    lines += [f"  ? {each} has a handler, and is not in the catalog" for each in found.unknown]
    if found.is_empty:
        lines.append(f"  subscribes to just the {len(found.wanted)} type(s) that have handlers")
    return "\n".join(lines)
