"""Shows the board while it fills: a live table on a terminal, a line per finished row elsewhere."""

import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

import click

from .board import Board, Cell

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["Refresh", "shown"]

_NAME_WIDTH = 32
_CELL_WIDTH = 16


class Refresh(Protocol):
    """Called whenever the board has changed."""

    def __call__(self) -> None: ...


@contextmanager
def shown(board: Board) -> Generator[Refresh]:
    """Show the board until the end of the block."""
    if find_spec("rich") is None or not sys.stdout.isatty():
        yield _lines(board)
        return
    from rich.console import Console  # only where it is used
    from rich.live import Live

    with Live(_table(board), console=Console(), refresh_per_second=12) as live:
        yield lambda: live.update(_table(board))


def _table(board: Board) -> "Table":
    from rich.table import Table

    table = Table("", box=None)
    for server in board.servers:
        table.add_column(server, min_width=_CELL_WIDTH - 2)
    for case, cells in board.rows.items():
        table.add_row(case.name, *(f"[{_colour(cell)}]{cell}" for cell in cells.values()))
    return table


def _colour(cell: Cell) -> str:
    if cell.wrong:
        return "red"
    return "green" if cell.is_as_promised else "yellow"


def _lines(board: Board) -> Refresh:
    waiting = list(board.rows)
    click.echo(_line("", board.servers))

    def refresh() -> None:
        while waiting and board.is_settled(waiting[0]):
            case = waiting.pop(0)
            click.echo(_line(case.name, board.rows[case].values()))

    return refresh


def _line(name: str, cells: Iterable[Cell | str]) -> str:
    *texts, last = (name, *map(str, cells))
    widths = [_NAME_WIDTH, *[_CELL_WIDTH] * len(texts)]
    padded = [text.ljust(width) for text, width in zip(texts, widths, strict=False)]
    colours = [_colour(cell) if isinstance(cell, Cell) else None for cell in (name, *cells)]
    return "".join(map(click.style, [*padded, last], colours))
