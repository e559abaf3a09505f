"""`coffrify-webhooks catalog diff`: what changed between two catalogs, for people and for CI."""

import json
from collections import Counter
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import click

from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.extras import needs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coffrify_webhooks_codegen.diff.change import Change

__all__ = ["diff"]

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(epilog="Example: coffrify-webhooks catalog diff old.json new.json --exit-code")
@click.argument("old", type=_FILE)
@click.argument("new", type=_FILE)
@click.option("--exit-code", is_flag=True, help="Exit 1 if any change is breaking.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def diff(old: Path, new: Path, *, exit_code: bool, as_json: bool) -> None:
    """Compare the catalogs OLD and NEW: what NEW changes for a receiver built against OLD."""
    with needs("codegen"):
        from coffrify_webhooks_codegen import catalog
        from coffrify_webhooks_codegen.diff import diff as compare

        try:
            changes = compare(catalog.load(old), catalog.load(new))
        except catalog.CatalogError as error:
            raise ConfigurationError(str(error)) from error
    click.echo(_json(changes) if as_json else _text(changes))
    if exit_code and any(change.severity == "breaking" for change in changes):
        raise SystemExit(1)


def _counts(changes: "Sequence[Change]") -> dict[str, int]:
    found = Counter(change.severity for change in changes)
    return {each: found[each] for each in ("breaking", "warning", "additive", "no-op")}


def _json(changes: "Sequence[Change]") -> str:
    listed = [
        {
            "severity": change.severity,
            "event": change.event,
            "path": change.path,
            "kind": change.kind,
            "text": change.text,
        }
        for change in changes
    ]
    return json.dumps({"summary": _counts(changes), "changes": listed}, indent=2)


def _text(changes: "Sequence[Change]") -> str:
    if not changes:
        return "no change"
    lines: list[str] = []
    for severity, alike in groupby(changes, key=lambda change: change.severity):
        lines.append(f"{severity}:")
        for event, group in groupby(alike, key=lambda change: change.event):
            lines.append(f"  {event}")
            lines += [
                f"    {f'{change.path}: ' if change.path else ''}{change.kind}: {change.text}"
                for change in group
            ]
        lines.append("")
    counts = ", ".join(f"{count} {severity}" for severity, count in _counts(changes).items())
    return "\n".join([*lines, counts])
