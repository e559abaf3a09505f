"""`coffrify-webhooks trigger`: lets something happen in a running sandbox."""

import json
from collections import Counter
from typing import Any

import click

from coffrify_webhooks_sandbox.api_key import check_api_key

from .answer import read_answer
from .completion import complete_misbehavior, complete_type
from .failure import Failed
from .payload import payload

__all__ = ["trigger"]

_AT_ONCE = 100


@click.command(
    short_help="Trigger an event in a running sandbox.",
    epilog="Example: coffrify-webhooks trigger transfer.created --misbehave duplicate",
)
@click.argument("event_type", metavar="TYPE", shell_complete=complete_type)
@click.option(
    "--data",
    multiple=True,
    metavar="K=V",
    help="A field of the payload, such as files.0.name=a.pdf, or all of it as JSON. The rest is "
    "random.",
)
@click.option(
    "--endpoint", metavar="URL", help="Send to this endpoint alone, whatever it subscribes to."
)
@click.option("--count", default=1, show_default=True, type=click.IntRange(1, 10_000))
@click.option(
    "--misbehave",
    "manner",
    default="",
    metavar="HOW",
    shell_complete=complete_misbehavior,
    help="See the list above.",
)
@click.option(
    "--sandbox",
    "address",
    default="http://127.0.0.1:4242",
    show_default=True,
    metavar="URL",
    help="Where the sandbox is.",
)
@click.option("--api-key", metavar="KEY", help="For a sandbox that others can reach.")
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object per event, with its deliveries."
)
def trigger(
    *,
    event_type: str,
    data: tuple[str, ...],
    endpoint: str | None,
    count: int,
    manner: str,
    address: str,
    api_key: str | None,
    as_json: bool,
) -> None:
    """Trigger an event, and show what its receivers answer.

    \b
    HOW the sender can misbehave:
      duplicate           sent again after it was accepted
      concurrent          sent twice at the same moment
      out-of-order        the last of several events is sent first
      forged              signed with a wrong secret
      stale               signed an hour ago
      future              signed with a time one hour in the future
      truncated           the connection ends in the middle of the body
      wrong-content-type  sent as text/plain
      slow-body           the body takes five seconds to arrive
      new-fields          with fields that the catalog does not have
      missing-fields      without the fields of its data
      unknown-type        of a type that the catalog does not have
    """
    from .sandbox_call import call_sandbox  # not for a help

    given, address, key = payload(data), _check_address(address), check_api_key(api_key)
    asked = {
        "event_type": event_type,
        "data": given.data,
        "fields": given.fields or None,
        "endpoint": endpoint,
        "manner": manner,
    }
    done, statuses = 0, Counter[str]()
    parts = -(-count // _AT_ONCE)
    for part in range(parts):
        some = {**asked, "count": count * (part + 1) // parts - count * part // parts}
        events = call_sandbox(address, some, key)["events"]
        statuses.update(delivery["status"] for event in events for delivery in event["deliveries"])
        if not statuses:
            raise Failed(f"no active endpoint subscribes to {event_type}; create one at {address}")
        if as_json:
            for event in events:
                click.echo(json.dumps(event))
        elif not done:
            _show(events)
        done += len(events)
        if parts > 1:
            found = ", ".join(f"{number} {status}" for status, number in statuses.items())
            click.echo(f"{done} of {count} events; deliveries: {found}", err=as_json)


def _show(events: list[dict[str, Any]]) -> None:
    for event in events:
        click.echo(f"{event['type']} {event['id']}")
        for delivery in event["deliveries"]:
            click.echo(f"  {_describe(delivery)}")


def _describe(delivery: dict[str, Any]) -> str:
    attempts = delivery["attempts"]
    took = f" in {attempts[-1]['duration_ms']} ms" if attempts else ""
    answer = delivery["response_status"] or delivery["error"] or "not tried yet"
    reply = read_answer(delivery["response_status"] or 0, delivery.get("response_body") or "")
    outcome = f" {reply}" if reply else ""
    return f"{delivery['url']}: {answer}{outcome}{took} ({delivery['status']})"


def _check_address(text: str) -> str:
    """Return a sandbox's address; http:// need not be said."""
    from urllib.parse import urlsplit  # not for a help

    given = text.strip()
    address = (given if "://" in given else f"http://{given}").rstrip("/")
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    plain = address.isascii() and address.isprintable() and " " not in address
    if not usable or not plain or "@" in address:
        raise click.BadParameter(
            f"{text[:100]!a} is not an address; give it as http://127.0.0.1:4242",
            param_hint="--sandbox",
        )
    return address
