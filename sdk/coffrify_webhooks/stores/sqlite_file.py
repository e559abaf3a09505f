"""A database file of SQLite: private to its owner, since it keeps payloads, and written ahead."""

import os
import sqlite3
from contextlib import suppress
from typing import Any

__all__ = ["create_private", "write_ahead"]


def create_private(path: str | os.PathLike[str]) -> None:
    """Make a file with mode 0600, unless it is there; sqlite makes those beside it alike.

    The mode of a file that is there is its owner's choice, as one that a group shares.
    """
    with suppress(OSError):  # whoever opens it says what is wrong
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def write_ahead(connection: Any) -> None:
    """Turn the file of a connection to its write-ahead log, where it stays.

    When two processes do so at the same moment, SQLite refuses one at once, however long its
    timeout is; the log of the other serves both.
    """
    with suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA journal_mode = WAL")
