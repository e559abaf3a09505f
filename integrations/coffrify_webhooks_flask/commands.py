"""`flask coffrify-webhooks`: the commands of the package, on the application's own receiver."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from flask.cli import ScriptInfo

from coffrify_webhooks.cli.embedded import COMMANDS, HELP_OPTIONS
from coffrify_webhooks.cli.lazy import LazyGroup
from coffrify_webhooks.errors import ConfigurationError, shown
from coffrify_webhooks.http.url_path import UrlPath

if TYPE_CHECKING:
    from flask import Flask

    from coffrify_webhooks.cli.source import Source

__all__ = ["RECEIVERS", "commands"]

RECEIVERS = "coffrify_webhooks_receivers"
"""Where `app.extensions` has each receiver by its path."""


# No application context here: each handler gets one of its own, as for each delivery.
@click.group("coffrify-webhooks", cls=LazyGroup, lazy=COMMANDS, context_settings=HELP_OPTIONS)
@click.option("--path", metavar="PATH", help="Which endpoint, if the application has several.")
@click.pass_context
def commands(ctx: click.Context, path: str | None) -> None:
    """Manage webhook events, and run the engine's worker."""
    info = ctx.ensure_object(ScriptInfo)
    ctx.obj = lambda: _source(info.load_app(), path)


def _source(app: Flask, path: str | None) -> Source:
    from coffrify_webhooks.applications.endpoints import receivers_in
    from coffrify_webhooks.cli.source import Source

    by_path = app.extensions.get(RECEIVERS, {})
    if path is None:
        found = receivers_in(app)
    else:
        found = [each for text, each in by_path.items() if UrlPath(path).text == text.rstrip("/")]
    if len(found) == 1:
        return Source(found[0].store, found[0])
    if by_path:
        which = "which endpoint?" if path is None else f"there is no endpoint at {shown(path)};"
        raise ConfigurationError(
            f"{which} name it before the command: flask coffrify-webhooks --path "
            f"{' or '.join(by_path)} ..."
        )
    if found:
        raise ConfigurationError(
            "the application has several Receivers; name one, by its module: "
            "coffrify-webhooks ... --app shop.webhooks:receiver"
        )
    raise ConfigurationError(
        f"the application {app.name!r} has no Receiver; give it one: CoffrifyWebhooks(app)"
    )
