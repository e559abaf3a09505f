"""The catalog's page is in step with the catalog."""

from docs.catalog_table import PAGE, page

from coffrify_webhooks.events import EVENTS
from coffrify_webhooks_codegen.catalog import load


def test_writing_the_tables_again_changes_nothing() -> None:
    """docs/catalog.md holds what docs/catalog_table.py writes; else run it."""
    text = PAGE.read_text(encoding="utf-8")
    assert page(text, load()) == text


def test_every_type_is_listed_once() -> None:
    """Each type has one row, with its class, and the page tells how many there are."""
    text = PAGE.read_text(encoding="utf-8")
    for event_type, (_, name) in EVENTS.items():
        assert text.count(f"| `{event_type}` | `{name}` |") == 1
    assert f": {len(EVENTS)} of them." in text
