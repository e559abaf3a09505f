"""`coffrify-webhooks endpoints create`: a new endpoint, and its secret."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from coffrify_webhooks.cli.completion import complete_type
from coffrify_webhooks.cli.failure import printable
from coffrify_webhooks.signature.secret import SECRET_VARIABLE

from .options import confirm, handlers_of, takes_api, unsure_if_stopped, yes_option
from .secret_file import SecretFile, takes_secret_file

if TYPE_CHECKING:
    from coffrify_webhooks.management.endpoints import Endpoints

__all__ = ["create"]

_UNSURE = (
    "it is not known whether the endpoint was created; `coffrify-webhooks endpoints list` shows it "
    "if it was. Its secret is shown only once: delete that endpoint, or give it another secret "
    "with `endpoints rotate`"
)


@click.command(
    short_help="Create an endpoint and receive its secret, which is shown only once.",
    epilog="Example: coffrify-webhooks endpoints create https://shop.example/webhooks/coffrify "
    "--app app --env-file .env",
)
@click.argument("url")
@click.option("--name", metavar="NAME", help="Its name; by default, the URL's host.")
@click.option("--description", default="", metavar="TEXT")
@click.option(
    "--type",
    "types",
    multiple=True,
    metavar="TYPE",
    shell_complete=complete_type,
    help="Subscribe to this type, to 'transfer.*', or to '*'. Repeatable.",
)
@click.option(
    "--app", metavar="MODULE[:NAME]", help="Subscribe to the types that have handlers there."
)
@takes_secret_file
@yes_option
@click.option("--json", "as_json", is_flag=True, help="Print the endpoint as JSON.")
@takes_api()
@click.pass_obj
def create(
    obj: object,
    endpoints: Endpoints,
    url: str,
    *,
    name: str | None,
    description: str,
    types: tuple[str, ...],
    app: str | None,
    secret_file: SecretFile | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Create an endpoint that the sender delivers to, and take its secret.

    The sender tells the secret only now. It is printed once, unless --secret-file or --env-file
    says where to write it; then it is in no output. Patterns are replaced by the types that the
    workspace's catalog has now.
    """
    from coffrify_webhooks.management.subscription import compare, matching_types

    if bool(types) == bool(app):
        raise click.UsageError(
            "what should it subscribe to? Give --type, or --app for all handlers"
        )
    receiver = None if types else handlers_of(obj, app)
    if app and receiver is None:
        raise click.UsageError("--app names a module without a Receiver")
    known = endpoints.api.event_types()
    events = (
        matching_types(types, known)
        if receiver is None
        else compare((), receiver.router, known).wanted
    )
    there = endpoints.find_url(url)
    if there is not None:
        question = f"There is an endpoint for that URL already ({there.id}). Create another one?"
        confirm(printable(question), yes=yes)
    if secret_file and secret_file.before:
        confirm(f"Replace the secret that is in {secret_file.path}?", yes=yes)
    with unsure_if_stopped(_UNSURE):
        made, secret = endpoints.create(
            url, name or urlsplit(url).hostname or url, events, description
        )
        if secret_file:
            secret_file.write(secret)
    if as_json:
        told = {} if secret_file else {"secret": secret}
        click.echo(json.dumps({**made.as_json(), **told}, indent=2))
        return
    click.echo(printable(f"created {made.id}: {made.url}, {len(events)} type(s)"))
    if secret_file:
        click.echo(f"its secret is in {secret_file.path}")
    else:
        click.echo(f"its secret, shown only now: {secret}")
        click.echo(f"set {SECRET_VARIABLE} to it, and restart the application")
