"""`coffrify-webhooks events refused`: the requests that were refused last."""

import json
import time

import click

from .duration import span
from .failure import Failed
from .source import Source, takes_source
from .table import print_table

__all__ = ["refused"]


@click.command(
    epilog="Example: coffrify-webhooks events refused --app myapp.webhooks --json",
)
@click.option("--receiver", metavar="NAME", help="Only requests to this receiver.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@click.option("--show-body", is_flag=True, help="With --json: the bodies too, in base64.")
@takes_source()
def refused(source: Source, receiver: str | None, *, as_json: bool, show_body: bool) -> None:
    """List the most recently refused requests, the newest first.

    They are kept for a day, and only with Receiver(capture=20). A line of --json
    with --show-body is what `coffrify-webhooks doctor --request -` reads.
    """
    from coffrify_webhooks.stores.refused import refused_in  # not for a help

    if show_body and not as_json:
        raise click.UsageError("--show-body requires --json")
    found = [(each, _read(each.body)) for each in refused_in(source.store, receiver)]
    if as_json:
        for record, told in found:
            shown = told if show_body else {k: v for k, v in told.items() if k != "body_base64"}
            click.echo(
                json.dumps({"receiver": record.receiver.removesuffix(" (refused)"), **shown})
            )
    elif found:
        now = time.time()
        rows = [
            [str(n), f"{span(now - record.touched_at)} ago", record.id, str(told.get("body_bytes"))]
            for n, (record, told) in enumerate(found, 1)
        ]
        print_table(["LAST", "REFUSED", "CODE", "BYTES"], rows)
        click.echo("why: coffrify-webhooks doctor --last N --app ...", err=True)
    else:
        raise Failed(
            "no refused request is kept: none arrived within a day, or Receiver(capture=20) is not "
            "set"
        )


def _read(body: bytes | None) -> dict[str, object]:
    found: dict[str, object] = json.loads(body or b"{}")
    return found
