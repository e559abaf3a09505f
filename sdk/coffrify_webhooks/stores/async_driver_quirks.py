"""What async drivers leave to us: numbered parameters, poolers, and an end in time."""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from .connections import is_dead
from .deadline import descriptor, shut_down

__all__ = ["cut", "is_closed", "number_parameters", "prepare_nothing", "runs_in_transactions"]

_PARAMETER = re.compile(r":([a-z_]+[0-9]*)")
_POOLED = "coffrify_webhooks_pooled"


def number_parameters(paramstyle: str, statement: str, row: Mapping[str, Any]) -> tuple[str, Any]:
    """Return a statement and its values as the driver wants them: asyncpg's have numbers."""
    if paramstyle != "numeric_dollar":
        return statement, row
    text, names = _number_parameters(statement)
    return text, tuple(row[name] for name in names)


@lru_cache(maxsize=512)
def _number_parameters(statement: str) -> tuple[str, tuple[str, ...]]:
    names = tuple(dict.fromkeys(_PARAMETER.findall(statement)))
    return _PARAMETER.sub(lambda found: f"${names.index(found[1]) + 1}", statement), names


def prepare_nothing(connection: Any, record: Any, wait: Callable[[Any], Any]) -> None:
    """Let a new connection prepare no statement that a pooler could run as another client's.

    psycopg then prepares none at all. asyncpg can but prepare: behind a pooler such as PgBouncer
    without a name, in the same transaction as it is used.
    """
    driver = connection.driver_connection
    if hasattr(driver, "prepare_threshold"):
        driver.prepare_threshold = None
        return
    # Sent as plain text. A pooler gives process ids of its own.
    here = f"SELECT 1 WHERE pg_backend_pid() = {driver.get_server_pid()}"
    if wait(driver.execute(here)) == "SELECT 0":
        connection._prepared_statement_cache = None
        connection._prepared_statement_name_func = str
        record.info[_POOLED] = True


def runs_in_transactions(connection: Any) -> bool:
    """Tell whether each statement has to be in a transaction, which a pooler keeps together."""
    return _POOLED in connection.info


def is_closed(driver: Any) -> bool:
    """Tell whether an idle connection of an async driver has ended."""
    if hasattr(driver, "is_closed"):
        return bool(driver.is_closed())
    return is_dead(descriptor(driver))


def cut(driver: Any) -> None:
    """End a connection at once, so that whoever waits for its answer is told."""
    if hasattr(driver, "terminate"):
        driver.terminate()
        return
    number = descriptor(driver)
    if number is not None:
        shut_down(number)
