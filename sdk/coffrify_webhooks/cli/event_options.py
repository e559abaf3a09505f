"""What several commands take to choose events by: a status, a type."""

from collections.abc import Callable
from difflib import get_close_matches
from typing import Any, TypeAlias, get_args

import click

from coffrify_webhooks.events import EVENTS
from coffrify_webhooks.stores import Status

from .completion import complete_type

__all__ = ["nearest_types", "status_option", "type_option"]


_Option: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]


def _pattern(text: str) -> str:
    """Return a type, or the beginning of one before a star; the type of an option."""
    if "*" in text[:-1]:
        raise click.BadParameter("a star stands at the end only, as in transfer.*")
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
    near = [] if text in known else get_close_matches(text, known, n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(near)}?" if near else ""


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
