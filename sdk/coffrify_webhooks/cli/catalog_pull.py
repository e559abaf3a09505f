"""`coffrify-webhooks catalog pull`: gets the catalog of a workspace from the API."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from coffrify_webhooks.errors import ConfigurationError

from .waiting import tell_wait

if TYPE_CHECKING:
    from coffrify_webhooks_codegen.catalog import Catalog

__all__ = ["pull"]

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(epilog="Example: coffrify-webhooks catalog pull -o catalog.json")
@click.option("-o", "--output", type=_FILE, help="The file to write; by default, standard output.")
@click.option("--api-key", help="Prefer COFFRIFY_API_KEY: other users can see a command line.")
@click.option("--api-url", help="By default, COFFRIFY_API_URL or the vendor's address.")
@click.option("--no-cache", is_flag=True, help="Do not use or keep a copy in the cache folder.")
def pull(output: Path | None, api_key: str | None, api_url: str | None, *, no_cache: bool) -> None:
    """Get the catalog of your workspace from the API."""
    # The other commands need none of this.
    from coffrify_webhooks_codegen import catalog as catalogs
    from coffrify_webhooks_codegen.atomic_write import replace_file

    try:
        # Before the request: what cannot be written need not be asked for.
        old = _present(output) if output else None
        new = catalogs.pull(api_key, api_url, cache=False if no_cache else None, on_wait=tell_wait)
        text = json.dumps(new.document, indent=2) + "\n"
        if output is None:
            click.echo(text, nl=False)
        elif old is None or old.document != new.document:
            replace_file(output, text.encode())
    except (catalogs.CatalogError, OSError) as error:
        raise ConfigurationError(str(error)) from error
    where = f" in {output}" if output else ""
    click.echo(f"{len(new.events)} events{where}{_changes(old, new)}", err=output is None)


def _present(path: Path) -> Catalog | None:
    """Read the catalog that is about to be replaced; anything else is not overwritten."""
    from coffrify_webhooks_codegen.catalog import CatalogError, load

    if not path.parent.is_dir():
        raise CatalogError(f"{path.parent}: there is no such folder")
    if not path.exists() or not path.stat().st_size:
        return None
    try:
        return load(path)
    except CatalogError as error:
        raise CatalogError(f"{error}; it is not a catalog, so it was not overwritten") from error


def _changes(old: Catalog | None, new: Catalog) -> str:
    if old is None:
        return ""
    before = {event.type: event for event in old.events}
    after = {event.type: event for event in new.events}
    added, removed = len(after.keys() - before.keys()), len(before.keys() - after.keys())
    changed = sum(before[name] != after[name] for name in before.keys() & after.keys())
    if not (added or removed or changed):
        return "; nothing changed"
    return f"; {added} added, {removed} removed, {changed} changed"
