"""Makes the store's tables, or takes over those that another relational store has made there."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, connections, transaction

from coffrify_webhooks.stores.schema import ensure
from coffrify_webhooks.stores.statements import EVENTS, MARKS, SCHEMA, Statements

from .store import DIALECTS

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["drop", "drop_marks", "make"]


def make(using: str) -> None:
    """Make the tables that are missing. Raises ConfigurationError if those there are not ours."""
    connection: Any = connections[using]
    dialect = DIALECTS.get(connection.vendor)
    if dialect is None:  # where no DjangoStore can be; another store is in use
        return

    def execute(statement: str, row: Mapping[str, Any]) -> Any:
        cursor = connection.cursor()
        # A look at a table that is not there must not end the migration's transaction.
        with transaction.atomic(using) if connection.in_atomic_block else nullcontext():
            cursor.execute(statement, row)
        return cursor

    statements = Statements(dialect, pyformat=True, own_clock=True)
    ensure(execute, statements, _is_refusal, grants=_GRANTS, marks=True)


def drop(using: str) -> None:
    """Drop the tables, and with them all that is known of the events."""
    _drop(using, EVENTS, SCHEMA)


def drop_marks(using: str) -> None:
    """Drop the table of marks, which a database of an earlier release does not have."""
    _drop(using, MARKS)


def _drop(using: str, *tables: str) -> None:
    connection = connections[using]
    if connection.vendor not in DIALECTS:
        return
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"DROP TABLE IF EXISTS {table}")


def _is_refusal(error: Exception) -> bool:
    return isinstance(error, DatabaseError)


_GRANTS = "run manage.py migrate as a database user who may create tables"
