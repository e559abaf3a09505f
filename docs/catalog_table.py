"""Writes the tables of docs/catalog.md from the catalog: `python docs/catalog_table.py`."""

from itertools import groupby
from pathlib import Path

from coffrify_webhooks.events import EVENTS
from coffrify_webhooks_codegen.catalog import Catalog, CatalogEvent, load

__all__ = ["PAGE", "page"]

PAGE = Path(__file__).with_name("catalog.md")

_BEGIN = "<!-- tables: written by docs/catalog_table.py, do not edit -->\n"
_END = "<!-- end of tables -->\n"
_HEAD = """\
| Type | Class | Stability | Badge | Plan | Description |
|---|---|---|---|---|---|
"""


def page(text: str, catalog: Catalog) -> str:
    """Return the page `text` with its tables renewed, one for each family."""
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    families = groupby(catalog.events, key=lambda event: event.family)
    tables = "\n".join(_table(family, list(events)) for family, events in families)
    return f"{before}{_BEGIN}\n{tables}\n{_END}{after}"


def _table(family: str, events: list[CatalogEvent]) -> str:
    rows = "".join(_row(event) for event in events)
    return f"### {family}\n\n{_HEAD}{rows}"


def _row(event: CatalogEvent) -> str:
    cells = (
        f"`{event.type}`",
        f"`{EVENTS[event.type][1]}`",
        event.stability,
        ", ".join(event.badges),
        event.required_plan or "",
        event.description,
    )
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), load()), encoding="utf-8")
