"""A store's access to a database of Django's, whose connections it shares with the application."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.db import (
    DatabaseError,
    InterfaceError,
    InternalError,
    OperationalError,
    connections,
    transaction,
)

from coffrify_webhooks.errors import StoreUnavailable
from coffrify_webhooks.stores.connections import is_out_of_service, unprepared
from coffrify_webhooks.stores.deadline import deadline, descriptor
from coffrify_webhooks.stores.driver_frames import unframed

from .connecting import connect, drop

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from contextlib import AbstractContextManager

    from coffrify_webhooks.stores.relational import Execute

__all__ = ["TIMEOUT", "ready", "session"]

TIMEOUT = 3.0
"""Seconds that one answer of the server may take."""
_ALTOGETHER = 4.0
"""Seconds for all that is done in one session, whatever the settings say."""
_AGAIN_WITHIN = 1.0
"""Seconds within which a statement is tried again on a new connection."""
_STORES = "coffrify-webhooks-stores"
_PASSING = ("coffrify-webhooks-leases", "coffrify-webhooks-purges")
"""Threads of ours that serve no request, so that Django never closes their connections."""


@contextmanager
def session(using: str) -> Generator[Execute]:
    """Lend the connection of this thread, as `RelationalStore` wants it.

    Each statement is a transaction of its own. Within a transaction of the application they are
    part of it: a savepoint, so that one that fails spoils nothing around it.
    """
    connection: Any = connections[using]
    ends = time.monotonic() + _ALTOGETHER
    try:
        if connection.in_atomic_block:
            with _limit_time(connection, ends), transaction.atomic(using):
                yield _execute_in(connection)
        elif connection.connection is not None and not connection.autocommit:
            with _limit_time(connection, ends):
                yield _execute_in(connection)
        else:
            yield _execute_on(connection, ends)
    except (DatabaseError, InterfaceError) as error:
        if connection.in_atomic_block and is_out_of_service(error.__cause__):
            drop(connection)  # the transaction is lost, and the next must not be
        raise StoreUnavailable(f"the database failed ({type(error).__name__})") from unframed(error)
    finally:
        thread = threading.current_thread().name
        if thread.startswith(_PASSING):  # which may end before its next call
            connection.close()
        elif thread.startswith(_STORES):
            connection.close_if_unusable_or_obsolete()


@contextmanager
def ready(using: str) -> Generator[Any]:
    """Lend the connection of this thread, connected; the block has to be quick."""
    connection: Any = connections[using]
    ends = time.monotonic() + _ALTOGETHER
    if not connection.in_atomic_block:
        _revive(connection, ends)
    with _limit_time(connection, ends):
        yield connection


def _limit_time(connection: Any, ends: float) -> AbstractContextManager[None]:
    """Cut the connection unless the block ends in time."""
    left = max(0.0, min(TIMEOUT, ends - time.monotonic()))
    return deadline(descriptor(connection.connection), left)


def _execute_in(connection: Any) -> Execute:
    def execute(statement: str, row: Mapping[str, Any]) -> Any:
        cursor = connection.cursor()
        with unprepared(connection.connection):
            cursor.execute(statement, row)
        return cursor

    return execute


def _execute_on(connection: Any, ends: float) -> Execute:
    """Execute outside any transaction, on a new connection if the old one turns out to be useless.

    Any error of the connection or of the server drops it: it may have become read-only, as after a
    failover. Our statements can be tried again: none changes anything when it has done so before.
    """
    again_until = time.monotonic() + _AGAIN_WITHIN
    execute_in = _execute_in(connection)

    def attempt(statement: str, row: Mapping[str, Any]) -> Any:
        _revive(connection, ends)
        try:
            with _limit_time(connection, ends):
                return execute_in(statement, row)
        except BaseException:  # a signal too: its answer was not read
            drop(connection)
            raise

    def execute(statement: str, row: Mapping[str, Any]) -> Any:
        was_open = connection.connection is not None
        try:
            return attempt(statement, row)
        except (OperationalError, InterfaceError, InternalError):
            if not was_open or time.monotonic() > again_until:
                raise
        return attempt(statement, row)

    return execute


def _revive(connection: Any, ends: float) -> None:
    """Connect, anew if the connection is known to have failed, or fails its health check."""
    with _limit_time(connection, ends):
        if connection.errors_occurred:
            connection.close_if_unusable_or_obsolete()
        connection.close_if_health_check_failed()
    if connection.connection is None:
        connect(connection, ends)
