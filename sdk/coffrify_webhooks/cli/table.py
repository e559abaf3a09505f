"""Aligned columns, for people."""

import sys
from collections.abc import Sequence
from shutil import get_terminal_size

import click

from coffrify_webhooks.stores.record import plain

__all__ = ["print_table"]

_WIDEST = 48


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print the rows under their head; on a terminal, what does not fit is cut at its edge."""
    room = get_terminal_size().columns if sys.stdout.isatty() else None
    lines = [[plain(cell) for cell in row] for row in (head, *rows)]
    # A long cell pushes its own line along, and not the whole table.
    widths = [min(max(map(len, column)), _WIDEST) for column in zip(*lines, strict=True)]
    for line in lines:
        text = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        text = text.rstrip()
        click.echo(text if room is None or len(text) <= room else f"{text[: room - 3]}...")
