"""What a DBOSDispatcher may be given; everything else is refused with the remedy."""

from __future__ import annotations

import re
import sqlite3
from importlib.metadata import version
from pathlib import Path
from typing import Any

from coffrify_webhooks.errors import ConfigurationError, shown
from coffrify_webhooks.extras import needs

with needs("dbos"):
    from sqlalchemy.engine import URL, make_url
    from sqlalchemy.exc import ArgumentError

__all__ = [
    "CONNECT_TIMEOUT",
    "checked_concurrency",
    "checked_name",
    "checked_url",
    "refuse_other_versions",
]

_SHORTEST, _LONGEST = 3, 60
"""Characters of an application's name, as DBOS takes it."""

CONNECT_TIMEOUT = 2
"""Seconds for a connection to the engine's database."""
_FORMS = '"sqlite:///path/to/engine.db" or "postgresql://user:password@host/database"'
_SERVERS = ("postgresql", "postgres")
_OLDEST, _TOO_NEW = (3, 4), (4, 0)
_OLDEST_SQLITE = (3, 35)
"""The first one with RETURNING and with DROP COLUMN, which DBOS uses."""


def refuse_other_versions() -> None:
    """Raise ConfigurationError for a DBOS that this was not tested with."""
    found = version("dbos")
    release = re.match(r"(\d+)\.(\d+)", found)
    if release is None or not _OLDEST <= tuple(map(int, release.groups())) < _TOO_NEW:
        raise ConfigurationError(
            f'dbos {found} is not a supported version; run: pip install "dbos>=3.4,<4"'
        )


def checked_name(name: Any) -> str:
    """Return a name that DBOS takes for an application."""
    plain = isinstance(name, str) and name.isascii() and name == name.lower()
    if not plain or not name.replace("-", "").isalnum() or not _SHORTEST <= len(name) <= _LONGEST:
        raise ConfigurationError(
            f"name={shown(name)}: give 3 to 60 lower-case letters, digits and dashes"
        )
    return str(name)


def checked_concurrency(concurrency: Any) -> int:
    """Return how many events a worker handles at once."""
    if not isinstance(concurrency, int) or isinstance(concurrency, bool) or concurrency < 1:
        raise ConfigurationError(
            f"concurrency={shown(concurrency)}: give a number of events, from 1"
        )
    return concurrency


def checked_url(url: Any) -> URL:
    """Return the URL of a database that DBOS can use, with the driver that it needs."""
    try:
        found = make_url(url)
    except (ArgumentError, ValueError):
        raise ConfigurationError(
            f"the URL of the DBOS engine cannot be read; give {_FORMS}"
        ) from None
    backend = found.drivername.partition("+")[0]
    if found.drivername not in ("sqlite", "sqlite+pysqlite") and backend not in _SERVERS:
        del found  # a password may stand in its query, which its repr shows
        raise ConfigurationError(f"DBOS does not support {backend!r}; give {_FORMS}")
    if backend == "sqlite":
        if found.database in (None, "", ":memory:"):
            raise ConfigurationError(f"the DBOS engine needs a file or a server: {_FORMS}")
        _refuse_old_sqlite()
        # Absolute, so that it stays the same file when the process changes its folder.
        return found.set(drivername="sqlite", database=str(Path(str(found.database)).absolute()))
    if not found.database:
        del found
        raise ConfigurationError("the URL of the DBOS engine names no database; append /name")
    query = {"connect_timeout": str(CONNECT_TIMEOUT), **found.query}
    return found.set(drivername="postgresql+psycopg", query=query)


def _refuse_old_sqlite() -> None:
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise ConfigurationError(
            f"DBOS needs SQLite 3.35 or later, and this Python has {sqlite3.sqlite_version}; give "
            'it a PostgreSQL, "dbos+postgresql://user:password@host/database", or run a Python '
            "with a newer SQLite"
        )
