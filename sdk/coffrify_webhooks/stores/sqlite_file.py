"""A database file of SQLite: private to its owner, since it keeps payloads, and written ahead."""

import os
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from typing import Any

__all__ = [
    "Files",
    "create_private",
    "identify",
    "identify_beside",
    "may_begin",
    "transaction",
    "write_ahead",
]

Files = tuple[tuple[int, int] | None, ...]
"""The device and number of each file, or None where there is none."""


def identify(*names: str) -> Files:
    """Tell which files are there now: one that was deleted or replaced is not to be written."""
    found: list[tuple[int, int] | None] = []
    for name in names:
        try:
            seen = os.stat(name)  # noqa: PTH116 - for each call, and Path takes its time
        except OSError:
            found.append(None)
        else:
            found.append((seen.st_dev, seen.st_ino))
    return tuple(found)


def identify_beside(name: str) -> Files:
    """Tell which -wal and -shm of a database file are there now."""
    real = os.path.realpath(name)  # beside which SQLite keeps them
    return identify(f"{real}-wal", f"{real}-shm")


def may_begin(name: str) -> bool:
    """Tell whether we may make the files beside a database file, where one of them is missing.

    Not while others have it open: they use files that were removed, or are just making or removing
    them. In exclusive mode SQLite refuses to read then, and makes none itself.
    """
    if None not in identify_beside(name) or identify(name) == (None,):
        return True
    try:
        with closing(sqlite3.connect(name, timeout=0, isolation_level=None)) as probe:
            probe.execute("PRAGMA locking_mode = EXCLUSIVE")
            probe.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        return error.sqlite_errorname not in ("SQLITE_BUSY", "SQLITE_LOCKED")
    return True


@contextmanager
def transaction(database: sqlite3.Connection) -> Generator[None]:
    """Write all that the block writes, or nothing."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


def create_private(path: str | os.PathLike[str]) -> None:
    """Make a file with mode 0600, unless it is there; sqlite makes those beside it alike.

    The mode of a file that is there is its owner's choice, as one that a group shares.
    """
    with suppress(OSError):  # whoever opens it says what is wrong
        real = os.path.realpath(path)  # also where a symbolic link leads that leads nowhere yet
        os.close(os.open(real, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def write_ahead(connection: Any) -> None:
    """Turn the file of a connection to its write-ahead log, where it stays.

    When two processes do so at the same moment, SQLite refuses one at once, however long its
    timeout is; the log of the other serves both.
    """
    with suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA journal_mode = WAL")
