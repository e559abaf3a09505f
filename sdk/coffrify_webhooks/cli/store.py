"""`coffrify-webhooks store`: makes a store ready before the first delivery."""

import json
from urllib.parse import urlsplit

import click

from .failure import Group
from .source import Source, takes_source

__all__ = ["store"]


@click.group(cls=Group)
def store() -> None:
    """Set up the store that remembers events."""


@store.command(epilog="Example: coffrify-webhooks store init --app myapp.webhooks")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@takes_source(makes=True)
def init(source: Source, *, as_json: bool) -> None:
    """Create the store's tables, or check existing ones.

    A store that is ready is not changed. Afterwards, a database user without the right to create
    tables can use them.
    """
    events = sum(source.store.stats(None).values())
    name = _without_password(source.url) if source.url else repr(source.store)
    if as_json:
        click.echo(json.dumps({"store": name, "events": events}))
    else:
        click.echo(f"the store {name} is ready; events: {events}")


def _without_password(url: str) -> str:
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
