"""`coffrify-webhooks sweep`: dispatches again what an engine has lost."""

import click

from coffrify_webhooks.errors import ConfigurationError

from .source import Source, takes_source

__all__ = ["sweep"]

_AT_ONCE = 100


@click.command(epilog="Example: coffrify-webhooks sweep --app myapp.webhooks")
@takes_source(handles=True)
def sweep(source: Source) -> None:
    """Dispatch again what an engine was given long ago and has not handled; workers do it too."""
    if source.receiver is None:
        raise ConfigurationError(
            "name the Receiver that hands over to your engine: --app myapp.webhooks:receiver"
        )
    if source.receiver.dispatcher is None:
        raise ConfigurationError("this Receiver has no engine, so that there is nothing to sweep")
    swept = 0
    while found := source.receiver.sweep(_AT_ONCE):
        swept += found
    click.echo(f"{swept} dispatched again")
