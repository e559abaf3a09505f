"""`coffrify-webhooks codegen`: writes the event classes of a catalog."""

from pathlib import Path

import click

from coffrify_webhooks import events
from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.extras import needs

__all__ = ["codegen"]

_FILE = click.Path(dir_okay=False, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.option("--catalog", type=_FILE, help="The catalog to read; else the bundled snapshot.")
@click.option("--output", type=_FOLDER, help="The folder to write; else coffrify_webhooks/events.")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if any file would change.")
def codegen(catalog: Path | None, output: Path | None, *, check: bool) -> None:
    """Write one typed class per event of the catalog."""
    with needs("codegen"):
        from coffrify_webhooks_codegen import package  # noqa: PLC0415
        from coffrify_webhooks_codegen.catalog import CatalogError, load  # noqa: PLC0415
    folder = output or Path(events.__file__).parent
    try:
        read = load(catalog)
        differing = package.check(read, folder)
        if differing and not check:
            package.write(read, folder)
    except (CatalogError, OSError) as error:
        raise ConfigurationError(str(error)) from error
    if not check:
        click.echo(f"{len(read.events)} events in {folder}; {len(differing)} files changed")
    elif differing:
        for name in differing:
            click.echo(f"{folder / name} differs")
        click.echo("run `coffrify-webhooks codegen` to renew them", err=True)
        raise SystemExit(1)
