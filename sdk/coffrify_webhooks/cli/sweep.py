"""`coffrify-webhooks sweep`: dispatches again what an engine has lost."""

import json

import click

from coffrify_webhooks.errors import ConfigurationError

from .source import Source, takes_source

__all__ = ["sweep"]

_AT_ONCE = 100


@click.command(epilog="Example: coffrify-webhooks sweep --app myapp.webhooks")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@takes_source(handles=True)
def sweep(source: Source, *, as_json: bool) -> None:
    """Dispatch again what an engine received long ago and has not handled; workers do this too."""
    if source.receiver is None:
        raise ConfigurationError(
            "name the Receiver that hands over to your engine: --app myapp.webhooks:receiver"
        )
    if source.receiver.dispatcher is None:
        raise ConfigurationError("this Receiver has no engine, so there is nothing to sweep")
    swept = 0
    while found := source.receiver.sweep(_AT_ONCE):
        swept += found
    click.echo(json.dumps({"dispatched": swept}) if as_json else f"{swept} dispatched again")
