"""`coffrify-webhooks endpoints rotate`: a new secret, while the old one is still valid."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from coffrify_webhooks.cli.duration import duration
from coffrify_webhooks.cli.failure import printable
from coffrify_webhooks.signature.secret import SECRET_VARIABLE

from .options import confirm, endpoint_option, takes_api, unsure_if_stopped, yes_option
from .secret_file import SecretFile, takes_secret_file

if TYPE_CHECKING:
    from coffrify_webhooks.management.endpoints import Endpoints

__all__ = ["rotate"]

_LONGEST = 168 * 3600
_UNSURE = (
    "it is not known whether {} has a new secret; the sender's dashboard shows it. If it has, the "
    "old one is valid until the grace period ends, and the new one was shown only once: rotate "
    "again after that"
)


def _grace(text: str) -> float:
    seconds = duration(text)
    if seconds > _LONGEST:
        raise click.BadParameter("the sender keeps the old secret for 168h (7d) at most")
    return seconds


@click.command(
    short_help="Give an endpoint a new secret; the old one stays valid for a while.",
    epilog="Example: coffrify-webhooks endpoints rotate --grace 24h --env-file .env",
)
@endpoint_option
@click.option(
    "--grace", type=_grace, default="24h", show_default=True, metavar="AGE",
    help="How long the old secret stays valid: at most 168h.",
)  # fmt: skip
@takes_secret_file
@yes_option
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
@takes_api()
def rotate(
    endpoints: Endpoints,
    *,
    endpoint: str | None,
    grace: float,
    secret_file: SecretFile | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Give an endpoint a new secret; the old one stays valid for the grace.

    Until its end the sender signs with both, so that the receiver may be given the new one at any
    time meanwhile: the new one first, then the old one. --env-file writes both so. --secret-file
    writes the new one alone. Without a grace the old one is invalid at once, so it is asked first.
    """
    chosen = endpoints.choose(endpoint)
    if secret_file and secret_file.before and not secret_file.is_env:
        confirm(f"Replace the secret that is in {secret_file.path}?", yes=yes)
    if not grace:
        question = f"{chosen.url} will refuse deliveries until it has the new secret. Rotate?"
        confirm(printable(question), yes=yes)
    kept = secret_file.before if secret_file and secret_file.is_env and grace else []
    with unsure_if_stopped(_UNSURE.format(chosen.id)):
        secret = endpoints.rotate(chosen.id, grace / 3600)
        if secret_file:
            secret_file.write(secret, *kept)
    until = datetime.fromtimestamp(time.time() + grace, UTC).isoformat(timespec="seconds")
    if as_json:
        told = {} if secret_file else {"secret": secret}
        click.echo(json.dumps({"id": chosen.id, "old_valid_until": until, **told}, indent=2))
        return
    if secret_file:
        click.echo(f"the new secret is in {secret_file.path}")
    else:
        click.echo(f"the new secret, shown only now: {secret}")
    for line in _steps(secret_file, until, is_written=bool(kept), grace=grace):
        click.echo(line)


def _steps(
    secret_file: SecretFile | None, until: str, *, is_written: bool, grace: float
) -> list[str]:
    """Return what is left to do, in its order."""
    if not grace:
        return [f"1. at once: {SECRET_VARIABLE}=NEW, and restart the application"]
    first = f"1. before {until}: {SECRET_VARIABLE}=NEW,OLD (the new one first)"
    if is_written and secret_file:
        first = f"1. before {until}: {secret_file.path} has both, the new one first"
    return [
        f"{first}; restart the application",
        '   in code: Receiver(secrets=["NEW", "OLD"]); in Django: "SECRETS": ["NEW", "OLD"]',
        f"2. after {until}: remove the old one, and restart the application",
    ]
