"""`coffrify-webhooks reconcile`: asks the sender again for what was not handled here."""

import json
import sys
import time
from typing import Any

import click

from .duration import duration, some_time
from .failure import Failed, printable

__all__ = ["reconcile"]

_SHOWN = 20
_WORDS = {
    "handled": "handled here",
    "under_way": "being handled, or with the engine",
    "coming": "still to be sent by the sender",
    "unwanted": "of types without a handler",
    "missing": "never handled here",
    "failed": "failed here, and given up by the sender",
}


@click.command(
    short_help="Request redeliveries of events that were not handled here.",
    epilog="Example: coffrify-webhooks reconcile --app app --since 24h --dry-run",
)
@click.option("--app", metavar="MODULE[:NAME]", help="Where your Receiver is; see `events --help`.")
@click.option("--since", required=True, type=some_time, metavar="AGE", help="Such as 24h or 3d.")
@click.option(
    "--endpoint",
    metavar="ID",
    help="The endpoint's id, URL or name; required if there are several.",
)
@click.option("--dry-run", is_flag=True, help="Only compare; request nothing.")
@click.option(
    "--rate", default=5.0, show_default=True, type=click.FloatRange(0.01, 1000), metavar="N",
    help="How many redeliveries to request in a second.",
)  # fmt: skip
@click.option(
    "--wait", default="60s", show_default=True, type=duration, metavar="AGE",
    help="How long to wait while nothing arrives.",
)  # fmt: skip
@click.option("--api-key", help="Prefer COFFRIFY_API_KEY: other users can see a command line.")
@click.option("--api-url", help="By default, COFFRIFY_API_URL or the vendor's address.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.pass_context
def reconcile(
    ctx: click.Context,
    *,
    app: str | None,
    since: float,
    endpoint: str | None,
    dry_run: bool,
    rate: float,
    wait: float,
    api_key: str | None,
    api_url: str | None,
    as_json: bool,
) -> None:
    """Request a redelivery of every event that was sent and not handled here.

    Compares the sender's list of deliveries with the store, by the events' ids, and requests a
    replay of events that are missing or have finally failed. You can stop it and run it again:
    events that have arrived in the meantime are not requested. Exits 0 if nothing is left, else 1.
    """
    from coffrify_webhooks.reconcile import CoffrifyHistory
    from coffrify_webhooks.reconcile import reconcile as run

    from .source import receiver_for
    from .stopping import STOPPED, stopping
    from .waiting import tell_wait

    receiver = receiver_for(ctx.obj, app)
    if receiver is None:
        raise click.UsageError("--app names a module without a Receiver")
    history = CoffrifyHistory(api_key, api_url, endpoint=endpoint, on_wait=tell_wait)
    with stopping() as stop:
        report = run(
            receiver,
            history,
            since=time.time() - since,
            dry_run=dry_run,
            rate=rate,
            wait=wait,
            on_step=_progress if sys.stderr.isatty() else None,
            stop=stop.is_set,
            sleep=stop.wait,
        )
    if sys.stderr.isatty():
        click.echo("\r\x1b[K", nl=False, err=True, color=True)  # on a terminal, and no colour
    click.echo(json.dumps(report.as_json()) if as_json else printable(_text(report)))
    if stop.is_set():
        ctx.exit(STOPPED)
    if report.left:
        raise Failed(f"{len(report.left)} event(s) are not handled")


def _progress(what: str, number: int, of: int) -> None:
    verbs = {
        "list": "read {0} deliveries",
        "ask": "requested {0} of {1}",
        "wait": "{0} of {1} are here",
    }
    click.echo(f"\r\x1b[K{verbs[what].format(number, of)}", nl=False, err=True, color=True)


def _text(report: Any) -> str:
    lines = [f"{report.events} events were sent:"]
    lines += [f"  {count:>6} {_WORDS[state]}" for state, count in sorted(report.found.items())]
    if report.is_dry_run:
        lines.append(f"{len(report.left)} would be requested (dry run).")
    elif report.asked:
        lines.append(f"{report.asked} were requested; {report.arrived} of them arrived.")
    lines += [f"  not requested: {each}" for each in report.errors]
    lines += [f"  not handled: {each}" for each in report.left[:_SHOWN]]
    if len(report.left) > _SHOWN:
        lines.append(f"  and {len(report.left) - _SHOWN} more (--json lists all)")
    return "\n".join(lines)
