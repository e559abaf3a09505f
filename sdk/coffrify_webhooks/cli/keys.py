"""`coffrify-webhooks keys`: which secret signed when, so that an old one can be retired."""

from __future__ import annotations

import json
import time

import click

from coffrify_webhooks.errors import ConfigurationError

from .duration import span
from .events_json import moment
from .failure import Unusable
from .source import Source, takes_source
from .table import print_table

__all__ = ["keys"]

_HEAD = ("SECRET", "LAST USED", "ENDS")


@click.command(
    short_help="Show when each secret last signed a delivery, so that you can retire an old one.",
    epilog="Example: coffrify-webhooks keys --app myapp.webhooks",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
@takes_source(handles=True)
def keys(source: Source, *, as_json: bool) -> None:
    """Show when each secret last signed a delivery, so that you can retire an old one.

    To the minute, as all processes of the receiver have noted it in the store since the secret has
    a label, an end, or another beside it; a note is kept as long as an event (`retention`).
    """
    from coffrify_webhooks.monitoring.keys import last_use
    from coffrify_webhooks.signature.secret import name_of
    from coffrify_webhooks.stores.marks import has_marks

    receiver = source.receiver
    if receiver is None or not source.knows_secrets:
        raise ConfigurationError("name the Receiver that has the secrets: --app myapp.webhooks")
    if not has_marks(source.store):
        raise Unusable(
            "this store cannot keep it, since it lacks the methods of "
            "coffrify_webhooks.stores.OrderedStore"
        )
    secrets = (receiver.verifier.static_keyring or receiver.load_secrets()).secrets
    found = [
        (
            name_of(secret, index),
            last_use(source.store, receiver.name, secret),
            secret.not_after,
        )
        for index, secret in enumerate(secrets)
    ]
    if as_json:
        click.echo(json.dumps([_as_json(*each) for each in found], indent=2))
        return
    now = time.time()
    never = f"not in the last {span(receiver.retention)}, as far as recorded"
    alone = len(secrets) == 1 and not secrets[0].label and secrets[0].not_after is None
    if alone:  # what was noted beside another may be long ago, and the secret in use
        click.echo(
            "its use is not recorded while it is the only secret: give it a label, Secret(..., "
            "label=)",
            err=True,
        )
    print_table(
        _HEAD,
        [
            [name, never if used is None else f"{span(now - used)} ago", _until(end, now)]
            for name, used, end in found
        ],
    )


def _until(end: float | None, now: float) -> str:
    if end is None:
        return "never"
    return f"in {span(end - now)}" if end > now else f"{span(now - end)} ago"


def _as_json(name: str, used: float | None, end: float | None) -> dict[str, str | None]:
    return {
        "secret": name,
        "last_used": None if used is None else moment(used),
        "ends": None if end is None else moment(end),
    }
