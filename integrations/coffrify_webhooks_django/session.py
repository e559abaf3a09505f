"""A store's access to a database of Django's, whose connections it shares with the application."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, InterfaceError, OperationalError, connections, transaction

from coffrify_webhooks.errors import StoreUnavailable
from coffrify_webhooks.stores.deadline import deadline, descriptor

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from coffrify_webhooks.stores.relational import Execute

__all__ = ["TIMEOUT", "session"]

TIMEOUT = 3.0
"""Seconds that one answer of the server may take."""
_AGAIN_WITHIN = 1.0
"""Seconds within which a statement is tried again on a new connection."""
_STORES, _LEASES = "coffrify-webhooks-stores", "coffrify-webhooks-leases"
"""Threads of ours that serve no request, so that Django never closes their connections."""


@contextmanager
def session(using: str) -> Generator[Execute]:
    """Lend the connection of this thread, as `RelationalStore` wants it.

    Each statement is a transaction of its own. Within a transaction of the application they are
    part of it: a savepoint, so that one that fails spoils nothing around it.
    """
    connection: Any = connections[using]
    try:
        if connection.in_atomic_block:
            with transaction.atomic(using):
                yield _execute_in(connection)
        elif connection.connection is not None and not connection.autocommit:
            yield _execute_in(connection)
        else:
            yield _execute_on(connection)
    except (DatabaseError, InterfaceError) as error:
        raise StoreUnavailable(f"the database failed ({type(error).__name__})") from error
    finally:
        thread = threading.current_thread().name
        if thread.startswith(_LEASES):  # which may end before its next renewal
            connection.close()
        elif thread.startswith(_STORES):
            connection.close_if_unusable_or_obsolete()


def _execute_in(connection: Any) -> Execute:
    def execute(statement: str, row: Mapping[str, Any]) -> Any:
        cursor = connection.cursor()
        cursor.execute(statement, row)
        return cursor

    return execute


def _execute_on(connection: Any) -> Execute:
    """Execute outside any transaction, on a new connection if the old one turns out to be dead.

    Our statements can be tried again: none changes anything when it has done so before.
    """
    began = time.monotonic()
    execute_in = _execute_in(connection)

    def attempt(statement: str, row: Mapping[str, Any]) -> Any:
        _revive(connection)
        with deadline(descriptor(connection.connection), TIMEOUT):
            return execute_in(statement, row)

    def execute(statement: str, row: Mapping[str, Any]) -> Any:
        was_open = connection.connection is not None
        try:
            return attempt(statement, row)
        except (OperationalError, InterfaceError):
            late = time.monotonic() - began > _AGAIN_WITHIN
            if late or not was_open or _is_alive(connection):
                raise
        connection.close()
        return attempt(statement, row)

    return execute


def _revive(connection: Any) -> None:
    """Connect, anew if the connection is known to have failed, or fails its health check."""
    with deadline(descriptor(connection.connection), TIMEOUT):
        if connection.errors_occurred:
            connection.close_if_unusable_or_obsolete()
        connection.close_if_health_check_failed()
    connection.ensure_connection()


def _is_alive(connection: Any) -> bool:
    with deadline(descriptor(connection.connection), TIMEOUT):
        return connection.connection is not None and connection.is_usable()
