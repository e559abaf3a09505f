"""`coffrify-webhooks store`: makes a store ready before the first delivery."""

import os
from urllib.parse import urlsplit

import click

from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.stores import DEFAULT_FILE, STORE_VARIABLE, open_store

from .failure import Group
from .source import STORE_HELP

__all__ = ["store"]


@click.group(cls=Group)
def store() -> None:
    """Set up the store that remembers events."""


@store.command()
@click.option("--store", "url", metavar="URL", help=STORE_HELP)
def init(url: str | None) -> None:
    """Make the store's tables, or check those that are there.

    Nothing changes in a store that is ready. A user of the database who may not make tables can
    use them afterwards.
    """
    url = url or os.environ.get(STORE_VARIABLE) or f"sqlite:///{DEFAULT_FILE}"
    if url == "memory:":
        raise ConfigurationError("a store in memory needs no tables; name another: --store")
    opened = open_store(url)
    try:
        events = sum(opened.stats().values())
    finally:
        opened.close()
    click.echo(f"the store {_shown(url)} is ready; events: {events}")


def _shown(url: str) -> str:
    """Return what of the URL is certainly no part of a password."""
    if url.startswith("sqlite:"):
        return url.partition("?")[0]
    try:
        place = urlsplit(url)
    except ValueError:
        return url.partition(":")[0]
    # A password with a slash that was not escaped goes on in the path.
    path = "" if "@" in place.path else place.path
    return f"{place.scheme}://{place.hostname or ''}{path}"
