"""`coffrify-webhooks keys`: which secret signed when, so that an old one can be retired."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import click

from coffrify_webhooks.errors import ConfigurationError

from .duration import span
from .source import Source, takes_source
from .table import print_table

if TYPE_CHECKING:
    from coffrify_webhooks.stores import Store

__all__ = ["keys"]

_HEAD = ("SECRET", "LAST USED", "EXPIRES")
_MOST = 100_000
"""Events that are looked at."""


@click.command(
    short_help="Tell when each secret signed last, so that an old one can be retired.",
    epilog="Example: coffrify-webhooks keys --app myapp.webhooks",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
@takes_source(handles=True)
def keys(source: Source, *, as_json: bool) -> None:
    """Tell when each secret signed last, so that an old one can be retired.

    By the events in the store, of all processes: each keeps the place in the list of the secret
    that had signed it, as the list was then. An event that no handler wants is not kept.
    """
    from coffrify_webhooks.monitoring.keys import name_of

    receiver = source.receiver
    if receiver is None:
        raise ConfigurationError("name the Receiver that has the secrets: --app myapp.webhooks")
    ring = receiver.verifier.static_keyring or receiver.load_secrets()
    used, since = _used(source.store, receiver.name, len(ring.secrets))
    found: list[dict[str, Any]] = [
        {
            "secret": name_of(secret, index),
            "last_used": used.get(index),
            "expires": secret.not_after,
        }
        for index, secret in enumerate(ring.secrets)
    ]
    if as_json:
        click.echo(json.dumps([_as_json(each, since) for each in found], indent=2))
        return
    now = time.time()
    never = "no event is stored" if since is None else f"not in the last {span(now - since)}"
    rows = [
        [
            each["secret"],
            never if each["last_used"] is None else f"{span(now - each['last_used'])} ago",
            _until(each["expires"], now),
        ]
        for each in found
    ]
    print_table(_HEAD, rows)


def _used(store: Store, name: str, secrets: int) -> tuple[dict[int, float], float | None]:
    """Return when each secret signed last, and when the oldest event that was looked at came."""
    from coffrify_webhooks.stores import Filter
    from coffrify_webhooks.stores.record import plain

    from .events_find import pages
    from .events_json import verified

    used: dict[int, float] = {}
    since: float | None = None
    for record in pages(store, Filter(receiver=plain(name)), _MOST):
        # In the order of their last change, which is no earlier than their arrival.
        if len(used) == secrets and record.touched_at <= min(used.values()):
            break
        since = record.received_at if since is None else min(since, record.received_at)
        key = verified(record).get("key")
        if type(key) is int and key < secrets:
            used[key] = max(used.get(key, 0.0), record.received_at)
    return used, since


def _until(moment: float | None, now: float) -> str:
    if moment is None:
        return "never"
    return f"in {span(moment - now)}" if moment > now else f"{span(now - moment)} ago"


def _as_json(found: dict[str, Any], since: float | None) -> dict[str, Any]:
    from .events_json import moment

    times = {
        name: None if found[name] is None else moment(found[name])
        for name in ("last_used", "expires")
    }
    return {**found, **times, "looked_back_to": None if since is None else moment(since)}
