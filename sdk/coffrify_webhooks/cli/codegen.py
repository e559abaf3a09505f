"""`coffrify-webhooks codegen`: writes the event classes of a catalog."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from coffrify_webhooks import events
from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.extras import needs

from .failure import printable
from .waiting import tell_wait

if TYPE_CHECKING:
    from coffrify_webhooks_codegen.catalog import Catalog

__all__ = ["codegen"]

_FOLDER = click.Path(path_type=Path)
_SOON = 50
"""Up to here it is over before anyone could read a progress bar."""


@click.command(
    epilog="Example: coffrify-webhooks codegen --catalog catalog.json --output myapp/events"
)
@click.option(
    "--catalog",
    metavar="FILE|URL",
    help="The catalog to read, or the API to pull it from; by default, the bundled snapshot.",
)
@click.option("--output", type=_FOLDER, help="The folder to write; required with --catalog.")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if any file would change.")
def codegen(catalog: str | None, output: Path | None, *, check: bool) -> None:
    """Write one typed class per event of the catalog.

    A URL is requested with the API key in COFFRIFY_API_KEY, unless it ends in .json.
    """
    with needs("codegen"):
        from coffrify_webhooks_codegen import package
        from coffrify_webhooks_codegen.catalog import CatalogError
    if catalog is not None and output is None:
        raise ConfigurationError(
            "name the folder for your own classes: --output myapp/coffrify_events; "
            "those of the bundled snapshot stay as they are"
        )
    if output is not None and output.exists() and not output.is_dir():
        raise ConfigurationError(f"{output} is a file; name a folder for the classes: --output")
    folder = output or Path(events.__file__).parent
    try:
        read = _read(catalog)
        warnings: list[str] = []
        with _progress(len(read.events)) as progress:
            work = package.check if check else package.write
            differing = work(read, folder, progress, warnings.append)
    except (CatalogError, OSError) as error:
        raise ConfigurationError(str(error)) from error
    for line in warnings:
        click.echo(f"Warning: {printable(line)}", err=True)
    if not check:
        click.echo(f"{len(read.events)} events in {folder}; {len(differing)} files changed")
    elif differing:
        for name in differing:
            click.echo(f"{printable(folder / name)} differs")
        click.echo("run `coffrify-webhooks codegen` to renew them", err=True)
        raise SystemExit(1)


def _read(source: str | None) -> "Catalog":
    from coffrify_webhooks_codegen.catalog import load, pull

    if source is not None and source.startswith(("https://", "http://")):
        return pull(api_url=source, on_wait=tell_wait)
    return load(source)


@contextmanager
def _progress(events: int) -> Generator[Callable[[int, int], None] | None]:
    """Show a bar on stderr while many classes are made."""
    if events <= _SOON:
        yield None
        return
    with click.progressbar(length=events, label=f"{events} events", file=sys.stderr) as bar:
        yield lambda _done, _of: bar.update(1)
