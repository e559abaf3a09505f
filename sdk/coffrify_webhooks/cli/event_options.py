"""What several commands take to choose events by: a status, a type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, get_args

import click

from coffrify_webhooks.events import EVENTS
from coffrify_webhooks.stores import Status

from .completion import complete_type
from .failure import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable

    from coffrify_webhooks.stores import Store

__all__ = ["nearest_receivers", "nearest_types", "status_option", "type_option"]

_LOOKED_AT = 500
"""The newest events whose receivers are known."""
_Option: TypeAlias = "Callable[[Callable[..., Any]], Callable[..., Any]]"


def _pattern(text: str) -> str:
    """Return a type, or the beginning of one before a star; the type of an option."""
    if "*" in text[:-1]:
        raise click.BadParameter("a star may stand only at the end, as in transfer.*")
    return text


def nearest_types(text: str | None) -> str:
    """Return "; did you mean ...?" for a type of which no event is there, or an empty text.

    Not for one of the bundled catalog, and not before the store was asked: it may have others.
    """
    if text is None:
        return ""
    known = list(EVENTS)
    if text.endswith("*"):
        if any(each.startswith(text[:-1]) for each in EVENTS):
            return ""
        known = list(dict.fromkeys(f"{each.partition('.')[0]}.*" for each in EVENTS))
    return "" if text in known else did_you_mean(text, known)


def nearest_receivers(store: Store, name: str | None) -> str:
    """Return "; did you mean ...?" for a receiver of which no event is there, or an empty text."""
    if name is None:
        return ""
    from .events_find import pages

    known = {each.receiver for each in pages(store, limit=_LOOKED_AT)}
    return "" if name in known else did_you_mean(name, known)


status_option: _Option = click.option(
    "--status", multiple=True, type=click.Choice(get_args(Status)), help="Repeatable."
)
type_option: _Option = click.option(
    "--type",
    "type_",
    metavar="TYPE",
    type=_pattern,
    shell_complete=complete_type,
    help="Such as 'transfer.*'.",
)
