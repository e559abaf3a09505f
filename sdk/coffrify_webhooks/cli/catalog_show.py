"""`coffrify-webhooks catalog show`: the event types as a table, or one of them with its fields."""

import json
import sys
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coffrify_webhooks.errors import ConfigurationError

if TYPE_CHECKING:
    from coffrify_webhooks_codegen.catalog import Catalog, CatalogEvent
    from coffrify_webhooks_codegen.schema.field_list import ListedField

from .completion import complete_type
from .failure import did_you_mean

__all__ = ["show"]

_FILE = click.Path(dir_okay=False, path_type=Path)
_EVENT_HEAD = ("TYPE", "BADGES", "STABILITY", "PLAN", "DESCRIPTION")
_FIELD_HEAD = ("FIELD", "TYPE", "REQUIRED", "DESCRIPTION")


@click.command(epilog="Example: coffrify-webhooks catalog show transfer.created")
@click.argument("type_", metavar="[TYPE]", required=False, shell_complete=complete_type)
@click.option(
    "--catalog", type=_FILE, help="The catalog to read; by default, the bundled snapshot."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(type_: str | None, catalog: Path | None, *, as_json: bool) -> None:
    """List the event types of a catalog; with TYPE, the fields and the example of one."""
    from coffrify_webhooks_codegen.catalog import CatalogError, load

    try:
        read = load(catalog)
    except CatalogError as error:
        raise ConfigurationError(str(error)) from error
    if type_ is not None:
        _one(_find_event(read, type_), as_json=as_json)
    elif as_json:
        _json([_facts(event) for event in read.events])
    else:
        _all(read)


def _find_event(catalog: "Catalog", name: str) -> "CatalogEvent":
    events = {event.type: event for event in catalog.events}
    if name not in events:
        hint = did_you_mean(name, events, cutoff=0.5) or "; without a TYPE, all are listed"
        raise ConfigurationError(f"the catalog has no {name[:200]!r}{hint}")
    return events[name]


def _all(catalog: "Catalog") -> None:
    families: dict[str, list[CatalogEvent]] = {}
    for event in catalog.events:
        families.setdefault(event.family, []).append(event)
    rows: list[Sequence[str]] = []
    for family, events in families.items():
        rows += [("",), (family,)] if rows else [(family,)]
        for event in events:
            badges, plan = ", ".join(event.badges), event.required_plan or ""
            rows.append((f"  {event.type}", badges, event.stability, plan, event.description))
    _table(_EVENT_HEAD, rows)
    if catalog.note:
        click.echo(f"\n{_plain(catalog.note)}")


def _one(event: "CatalogEvent", *, as_json: bool) -> None:
    from coffrify_webhooks_codegen.schema.field_list import list_fields

    found = list_fields(event.schema)
    if as_json:
        _json(
            _facts(event) | {"fields": [_field(each) for each in found], "example": event.example}
        )
        return
    marks = [event.family, event.stability, *event.badges]
    marks += [f"plan: {event.required_plan}"] if event.required_plan else []
    click.echo(f"{event.type}  ({_plain(', '.join(marks))})")
    click.echo(f"{_plain(event.description)}\n" if event.description else "")
    needed = ("", "yes")
    _table(_FIELD_HEAD, [(f.path, f.type, needed[f.required], f.description) for f in found])
    if event.example is not None:
        click.echo(f"\nExample:\n{json.dumps(event.example, indent=2)}")


def _facts(event: "CatalogEvent") -> dict[str, Any]:
    names = ("type", "family", "stability", "badges", "required_plan", "description")
    return {name: getattr(event, name) for name in names}


def _field(field: "ListedField") -> dict[str, Any]:
    return field._asdict()


def _json(value: object) -> None:
    click.echo(json.dumps(value, indent=2))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print columns: by rich on a terminal, if it is there; else padded with blanks."""
    clean = [[_plain(cell) for cell in row] for row in rows]
    if sys.stdout.isatty() and find_spec("rich") is not None:
        _rich_table(head, clean)
        return
    lines = [list(head), *clean]
    full = [line for line in lines if len(line) == len(head)]
    # A long cell pushes its own line along, and not the whole table.
    widths = [min(max(len(line[n]) for line in full), 48) for n in range(len(head) - 1)]
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, [*widths, 0], strict=False)]
        click.echo("  ".join(cells).rstrip())


def _rich_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    from rich.console import Console  # only where it is used
    from rich.table import Table
    from rich.text import Text

    table = Table(*head, box=None)
    for row in rows:
        style = "bold" if len(row) == 1 else ""
        # A Text, since in plain text rich would obey [markup] of the catalog.
        table.add_row(*(Text(cell, style) for cell in row))
    Console().print(table)


def _plain(text: str) -> str:
    """Make one line of it that cannot steer a terminal; the indent of a row stays."""
    indent = text[: len(text) - len(text.lstrip(" "))]
    return indent + "".join(char for char in " ".join(text.split()) if char.isprintable())
