"""`coffrify-webhooks endpoints test`: the sender's own test delivery."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from coffrify_webhooks.cli.completion import complete_type
from coffrify_webhooks.cli.duration import duration
from coffrify_webhooks.cli.failure import Failed, printable

from .options import endpoint_option, takes_api

if TYPE_CHECKING:
    from coffrify_webhooks.management.endpoints import Endpoints, TestDelivery

__all__ = ["test"]

_LOOK_EVERY = 0.5


@click.command(
    short_help="Have the sender send a test delivery, and show the answer.",
    epilog="Example: coffrify-webhooks endpoints test --type transfer.created",
)
@endpoint_option
@click.option(
    "--type", "event_type", metavar="TYPE", shell_complete=complete_type, help="By default, a ping."
)
@click.option(
    "--wait", default="20s", show_default=True, type=duration, metavar="AGE",
    help="How long to wait for the answer; an attempt of the sender's takes 15s at most.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the delivery as JSON.")
@takes_api()
def test(
    endpoints: Endpoints,
    *,
    endpoint: str | None,
    event_type: str | None,
    wait: float,
    as_json: bool,
) -> None:
    """Let the sender send a test delivery to an endpoint, and show how it was answered.

    It is signed and handled like any other, so that a handler of its type runs. Exits 0 if it was
    answered with a 2xx, else 1.
    """
    chosen = endpoints.choose(endpoint)
    sent = endpoints.test(chosen.id, event_type)
    end = time.monotonic() + wait
    while sent.id is not None and not sent.was_tried and time.monotonic() < end:
        time.sleep(min(_LOOK_EVERY, max(0.0, end - time.monotonic())))
        sent = endpoints.delivery(chosen.id, sent.id) or sent
    if as_json:
        click.echo(json.dumps({**asdict(sent), "url": chosen.url}, indent=2))
    else:
        click.echo(printable(f"{chosen.url}: {_answer(sent)}"))
    if sent.response_status is None or sent.response_status // 100 != 2:  # noqa: PLR2004 - success
        raise Failed(_remedy(sent))


def _answer(sent: TestDelivery) -> str:
    if sent.response_status is not None:
        return f"answered {sent.response_status}"
    return sent.error or "no answer is known yet"


def _remedy(sent: TestDelivery) -> str:
    if sent.id is None:
        return "the API does not say what happened to it; see your application's log"
    if not sent.was_tried:
        return "it was not tried in time; see the sender's dashboard, or wait longer: --wait"
    if sent.response_status is None:
        return "the sender got no answer: is the URL right, and reachable from the internet?"
    return "it was not accepted; `coffrify-webhooks doctor --app ...` says what the set-up lacks"
