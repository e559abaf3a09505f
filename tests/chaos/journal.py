"""What happened, a line each; the file outlives any process that is killed."""

import os
from pathlib import Path
from typing import NamedTuple

__all__ = ["Journal", "Line"]


class Line(NamedTuple):
    """One thing that happened: begin, end (of a handler's run) or recorded (that it finished)."""

    what: str
    event: str
    handler: str
    run: str


class Journal:
    """Appends lines, each with one write, so that those of many processes do not mix."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def write(self, what: str, event: str, handler: str = "-", run: str = "-") -> None:
        os.write(self._file, f"{what} {event} {handler} {run}\n".encode())


def read(path: Path) -> list[Line]:
    """Return all lines, in the order in which they were written."""
    return [Line(*text.split(" ")) for text in path.read_text().splitlines()]
