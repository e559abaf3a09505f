"""What a shell completes in an argument: event types, and the ids of stored events."""

from __future__ import annotations

import io
from contextlib import redirect_stderr
from typing import TYPE_CHECKING

from coffrify_webhooks.events import EVENTS

if TYPE_CHECKING:
    import click

__all__ = ["complete_id", "complete_misbehavior", "complete_type"]

_MOST = 500
"""The newest events whose ids are looked at: a shell waits for them."""


def complete_type(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Return the types of the bundled catalog that begin so."""
    return [each for each in EVENTS if each.startswith(incomplete)]


def complete_misbehavior(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Return the misbehaviors of the sandbox that begin so."""
    from coffrify_webhooks_sandbox.misbehaviors import MISBEHAVIORS  # not for a help

    return [each for each in MISBEHAVIORS if each and each.startswith(incomplete)]


def complete_id(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Return the ids in the store of the command line that begin so; none if it has no store."""
    from .events_find import pages
    from .source import find_source

    try:
        with redirect_stderr(io.StringIO()):  # else it stands in the middle of the line
            source = find_source(ctx.obj, ctx.params.get("store"), ctx.params.get("app"))
            found = [each.id for each in pages(source.store, limit=_MOST)]
            if ctx.obj is None:
                source.store.close()
    except Exception:  # whatever is wrong, the command itself says it
        return []
    return [each for each in dict.fromkeys(found) if each and each.startswith(incomplete)]
