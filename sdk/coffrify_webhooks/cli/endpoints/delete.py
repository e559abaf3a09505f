"""`coffrify-webhooks endpoints delete`: the end of an endpoint."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from coffrify_webhooks.cli.failure import printable

from .options import confirm, takes_api, unsure_if_stopped, yes_option

if TYPE_CHECKING:
    from coffrify_webhooks.management.endpoints import Endpoints

__all__ = ["delete"]

_UNSURE = (
    "it is not known whether {} was deleted; `coffrify-webhooks endpoints list` shows it if it was "
    "not"
)


@click.command(
    short_help="Delete an endpoint, after asking for confirmation.",
    epilog="Example: coffrify-webhooks endpoints delete 0190c1d2-7b1e-7c55-9d0a-2f6f3b8f4e10",
)
@click.argument("endpoint", metavar="ID")
@yes_option
@click.option("--json", "as_json", is_flag=True, help="Print what was deleted as JSON.")
@takes_api()
def delete(endpoints: Endpoints, endpoint: str, *, yes: bool, as_json: bool) -> None:
    """Delete the endpoint with that id, URL or name, with what the sender still had for it.

    Asks first. Its secret is of no use any more, and another endpoint gets another one.
    """
    chosen = endpoints.choose(endpoint)
    confirm(printable(f"Delete {chosen.id} ({chosen.url}) and its pending deliveries?"), yes=yes)
    with unsure_if_stopped(_UNSURE.format(chosen.id)):
        endpoints.delete(chosen.id)
    click.echo(
        json.dumps({"id": chosen.id, "deleted": True})
        if as_json
        else printable(f"deleted {chosen.id}: {chosen.url}")
    )
