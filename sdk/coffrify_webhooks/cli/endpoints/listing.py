"""`coffrify-webhooks endpoints list`: the endpoints of the workspace."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from coffrify_webhooks.cli.failure import Failed
from coffrify_webhooks.cli.table import print_table

from .options import takes_api

if TYPE_CHECKING:
    from coffrify_webhooks.management.endpoints import EndpointRecord, Endpoints

__all__ = ["list_"]

_FEW = 3


@click.command("list", epilog="Example: coffrify-webhooks endpoints list --json")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
@takes_api()
def list_(endpoints: Endpoints, *, as_json: bool) -> None:
    """List the endpoints of the workspace.

    Exits 1 if there is none. No secret is shown: the sender tells each only once.
    """
    found = endpoints.list()
    if as_json:
        click.echo(json.dumps([each.as_json() for each in found], indent=2))
    elif found:
        rows = [
            [
                each.id,
                "yes" if each.is_active else "no",
                f"{_shown(each.successes)}/{_shown(each.failures)}",
                each.url,
                _subscription(each),
            ]
            for each in found
        ]
        print_table(["ID", "ACTIVE", "OK/FAILED", "URL", "TYPES"], rows)
    if not found:
        raise Failed("there is no endpoint yet: `coffrify-webhooks endpoints create` creates one")


def _shown(count: int | None) -> str:
    return "?" if count is None else str(count)


def _subscription(endpoint: EndpointRecord) -> str:
    if "*" in endpoint.events:
        return "all"
    few = " ".join(endpoint.events[:_FEW])
    more = len(endpoint.events) - _FEW
    return f"{few} and {more} more" if more > 0 else few
