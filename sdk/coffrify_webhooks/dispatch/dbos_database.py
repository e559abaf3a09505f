"""The database of a DBOS engine: connections that give up in time, on any SQLite that will do."""

from __future__ import annotations

import sqlite3
import sys
import time
from typing import TYPE_CHECKING, Any

from coffrify_webhooks.extras import needs
from coffrify_webhooks.stores.sqlite_file import create_private, write_ahead

from .dbos_settings import CONNECT_TIMEOUT

with needs("dbos"):
    from sqlalchemy import Engine, create_engine, event

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

__all__ = ["TIMEOUT", "engine_of", "engine_options", "lacks_milliseconds"]

TIMEOUT = 4.0
"""Seconds for one answer of the engine's database; less than a hand-over may take."""
_FIRST_WITH_MILLISECONDS = (3, 42)


def engine_of(url: URL) -> Engine:
    """Return an engine of SQLAlchemy's for what the web process does."""
    options = engine_options(url)
    sqlite = url.get_backend_name() == "sqlite"
    if sqlite:
        options["connect_args"]["timeout"] = TIMEOUT
    engine = create_engine(
        url, pool_size=5, max_overflow=35, pool_timeout=CONNECT_TIMEOUT, **options
    )
    if sqlite:
        event.listen(engine, "connect", _write_ahead)
    return engine


def engine_options(url: URL) -> dict[str, Any]:
    """Return how any engine for this database is made, also that of DBOS itself."""
    options: dict[str, Any] = {"hide_parameters": True}  # or its errors would log payloads
    if url.get_backend_name() == "sqlite":
        create_private(str(url.database))
        factory = _WithMilliseconds if lacks_milliseconds(url) else sqlite3.Connection
        options["connect_args"] = {"factory": factory}
    return options


def _write_ahead(connection: Any, _record: object) -> None:
    """Set what DBOS expects of a connection, and that a power cut loses nothing."""
    connection.isolation_level = "IMMEDIATE"
    write_ahead(connection)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


# --- an SQLite older than 3.42, as in Debian 12 and Ubuntu 22.04 --------------------------------


def lacks_milliseconds(url: URL) -> bool:
    """Tell whether DBOS would ask this SQLite for a time that it does not know.

    From Python 3.12 on it uses `unixepoch('subsec')`, which an SQLite before 3.42 answers with
    NULL; then `queues.created_at` cannot be written, and no finished workflow has an end.
    """
    return (
        url.get_backend_name() == "sqlite"
        and sqlite3.sqlite_version_info < _FIRST_WITH_MILLISECONDS
        and sys.version_info >= (3, 12)
    )


class _WithMilliseconds(sqlite3.Connection):
    """Knows `unixepoch('subsec')` on every version of SQLite."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.create_function("unixepoch", 1, _unixepoch)
        # DBOS's tables use it as a default, which some builds allow to trusted files only.
        self.execute("PRAGMA trusted_schema = ON")


def _unixepoch(what: object) -> float | None:
    return round(time.time(), 3) if what == "subsec" else None
