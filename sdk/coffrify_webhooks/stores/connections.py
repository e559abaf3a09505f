"""What drivers leave to us: whether a connection is dead, and what an error means."""

from __future__ import annotations

import select
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .deadline import descriptor

if TYPE_CHECKING:
    from collections.abc import Generator

    from sqlalchemy import Connection
    from sqlalchemy.pool import PoolProxiedConnection

    from .relational import Execute

__all__ = [
    "POOLED",
    "commits_by_itself",
    "is_dead",
    "is_our_mistake",
    "is_out_of_service",
    "is_pooled",
    "kind",
    "mistake_for_driver",
    "prepares",
    "socket_of",
    "unprepared",
]

_ACCESS_DENIED = (1044, 1045, 1049, 1698)
"""MySQL's codes for a wrong user, password or database."""
_TURNED_AWAY = (
    "authentication failed",
    "does not exist",
    "no pg_hba.conf entry",
    "permission denied for database",
    "not permitted to log in",
)
"""PostgreSQL's words for the same; a server that speaks another language is only away for us."""
_TURNED_AWAY_STATES = ("28000", "28P01", "3D000", "42501")
"""And its states, which asyncpg tells."""
_OUT_OF_SERVICE = ("25006", "57P01", "57P02", "57P03", 1053, 1290, 1792, 1836, 1927)
"""Read-only or shutting down: PostgreSQL's states, MySQL's and MariaDB's codes."""


def mistake_for_driver(driver: str, error: Exception) -> str:
    """Say what is to be done about an error of a driver's that is none of the database's."""
    if isinstance(error, ImportError):  # it needs another package
        return (
            f"the driver of {driver} needs {error.name}; install it, or use another: "
            "postgresql://..., mysql://..."
        )
    return (
        f"the driver of {driver} cannot connect with the options of the store's URL "
        f"({type(error).__name__}); look at what follows its question mark"
    )


def socket_of(connection: PoolProxiedConnection) -> int | None:
    """Return the descriptor of a connection's socket, if it has one."""
    return descriptor(connection.driver_connection)


def is_dead(socket: int | None) -> bool:
    """Tell whether an idle connection has something to say, which can only be its end."""
    if socket is None:
        return False
    waiting = select.poll()
    waiting.register(socket, select.POLLIN)
    return bool(waiting.poll(0))


def is_out_of_service(error: BaseException | None) -> bool:
    """Tell whether the server may not be written any more, as after a failover to another."""
    state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    arguments = getattr(error, "args", None) or (None,)
    return (state or arguments[0]) in _OUT_OF_SERVICE


def prepares(connection: Any) -> bool:
    """Tell whether psycopg prepares statements on this connection, by itself."""
    return getattr(connection, "prepare_threshold", None) is not None


@contextmanager
def unprepared(connection: Any) -> Generator[None]:
    """Let psycopg prepare no statement meanwhile.

    A pooler that gives a connection away after each transaction, such as PgBouncer, may run the one
    that another client has prepared under the same name.
    """
    if not prepares(connection):
        yield
        return
    threshold = connection.prepare_threshold
    connection.prepare_threshold = None
    try:
        yield
    finally:
        connection.prepare_threshold = threshold


def is_pooled(connection: Any, execute: Execute) -> bool:
    """Tell whether a pooler is between psycopg and PostgreSQL: it gives process ids of its own."""
    said = getattr(getattr(connection, "info", None), "backend_pid", None)
    return said is not None and execute("SELECT pg_backend_pid()", {}).fetchone()[0] != said


POOLED = (
    "a pooler stands between the application and PostgreSQL, and psycopg prepares statements on "
    "the application's connections. Unless the pooler tracks them (PgBouncer 1.21 with "
    "max_prepared_statements), one client's statement may run in place of another's. Set %s. The "
    "store never prepares its own statements"
)


def is_our_mistake(error: BaseException | None) -> bool:
    """Tell whether the server is there and turns us away: no such user, password or database."""
    orig: BaseException | None = getattr(error, "orig", error)
    if orig is None:
        return False
    if getattr(orig, "sqlite_errorname", "") in ("SQLITE_NOTADB", "SQLITE_CANTOPEN"):
        return True
    code = orig.args[0] if orig.args else None
    if isinstance(code, int):
        return code in _ACCESS_DENIED
    if getattr(orig, "sqlstate", None) in _TURNED_AWAY_STATES:
        return True
    text = str(orig)
    return "FATAL" in text and any(word in text for word in _TURNED_AWAY)


def kind(error: BaseException) -> str:
    """Name what the driver raised, without its text: it may quote."""
    return type(getattr(error, "orig", None) or error).__name__


def commits_by_itself(connection: Connection) -> bool:
    """Tell whether a connection is in autocommit, so that a transaction on it is none."""
    raw: Any = connection.connection.dbapi_connection
    if isinstance(raw, sqlite3.Connection):
        return raw.isolation_level is None
    if hasattr(raw, "get_autocommit"):  # PyMySQL's
        return bool(raw.get_autocommit())
    return getattr(raw, "autocommit", False) is True
