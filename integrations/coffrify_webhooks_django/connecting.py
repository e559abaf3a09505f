"""Django's connections, opened in time and closed even if they belong to a pool."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

from coffrify_webhooks.errors import StoreUnavailable
from coffrify_webhooks.stores.deadline import deadline, descriptor

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["connect", "drop"]

_CONNECT_TIMEOUT = 2
"""Seconds after which a driver gives up one host, so that its thread ends."""


def connect(connection: Any, ends: float) -> None:
    """Connect before the time `ends` of the monotonic clock, whatever the settings say.

    In a thread of its own: a driver, or its pool, can wait for a server that hangs, and shows no
    socket yet that could be cut. Raises StoreUnavailable, or what the driver raises.
    """
    if connection.vendor == "sqlite":
        connection.ensure_connection()
        return
    open_one = connection.get_new_connection

    def open_in_time(options: dict[str, Any]) -> Any:
        made = _open_in_time(lambda: _open(connection, open_one, options), ends)
        try:
            # What Django asks of a new connection has to be answered as well.
            cut.enter_context(deadline(descriptor(made), max(0.0, ends - time.monotonic())))
        except BaseException:
            _close(made)
            raise
        return made

    with ExitStack() as cut:
        connection.get_new_connection = open_in_time
        try:
            connection.ensure_connection()
        finally:
            del connection.get_new_connection


def drop(connection: Any) -> None:
    """Close a connection, also one that would only go back to a pool."""
    if getattr(connection, "pool", None) and connection.connection is not None:
        with suppress(Exception):
            connection.connection.close()
    connection.close()


def _open(
    connection: Any, open_one: Callable[[dict[str, Any]], Any], options: dict[str, Any]
) -> Any:
    hurried = {**options, "connect_timeout": _CONNECT_TIMEOUT}
    if connection.Database.__name__ != "pymysql":
        return open_one(hurried)
    # Its connect_timeout ends before the server's greeting.
    made = open_one({**hurried, "read_timeout": _CONNECT_TIMEOUT})
    made._read_timeout = options.get("read_timeout")  # there is no other way
    return made


def _open_in_time(open_one: Callable[[], Any], ends: float) -> Any:
    opening: Future[Any] = Future()

    def work() -> None:
        try:
            opening.set_result(open_one())
        except BaseException as error:  # handed to whoever waits
            opening.set_exception(error)

    try:
        threading.Thread(target=work, name="coffrify-webhooks-connecting", daemon=True).start()
        return opening.result(max(0.0, ends - time.monotonic()))
    except BaseException as error:
        opening.add_done_callback(_close_late)
        if isinstance(error, (RuntimeError, TimeoutError)):
            raise StoreUnavailable("the database was not connected in time") from error
        raise


def _close_late(opening: Future[Any]) -> None:
    """Close what nobody waits for any more."""
    if opening.exception() is None:
        _close(opening.result())


def _close(made: Any) -> None:
    pool = getattr(made, "_pool", None)
    if pool is not None:
        pool.putconn(made)
    else:
        made.close()
