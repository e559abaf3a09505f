"""The tables of a relational store: made when missing, and never touched when not ours."""

import time
from collections.abc import Callable
from typing import Any

from coffrify_webhooks.errors import ConfigurationError

from .relational import Execute
from .statements import (
    COLUMNS,
    EVENTS,
    MARK_COLUMNS,
    MARKS,
    SCHEMA,
    VERSION,
    Statements,
)

__all__ = ["ensure"]

_TRIES = 6
"""Each waits twice as long as the one before: 1.3 s in all, while another process makes them."""
_COLUMNS = f"{COLUMNS}, token, body"
_WRITES = (  # none of which changes anything
    f"UPDATE {EVENTS} SET status = status WHERE 1 = 0",
    f"INSERT INTO {EVENTS} ({_COLUMNS}) SELECT {_COLUMNS} FROM {EVENTS} WHERE 1 = 0",
    f"DELETE FROM {EVENTS} WHERE 1 = 0",
)
_MARK_WRITES = (
    f"UPDATE {MARKS} SET token = token WHERE 1 = 0",
    f"INSERT INTO {MARKS} ({MARK_COLUMNS}) SELECT {MARK_COLUMNS} FROM {MARKS} WHERE 1 = 0",
    f"DELETE FROM {MARKS} WHERE 1 = 0",
)


def ensure(
    execute: Execute,
    sql: Statements,
    refused: Callable[[Exception], bool],
    *,
    grants: str,
    marks: bool = False,
) -> bool:
    """Make the tables, or check that those which are there are ours and of our version.

    refused: tells whether an error means that the database did not want the statement; any other
    is raised as it is. grants: what to do where tables may not be made or written. marks: whether
    the table of marks is needed; earlier releases made none, and whoever may not make it can do
    without until a handler asks for order. Returns whether it is there. Several processes may do
    this at once. Raises ConfigurationError, naming the remedy.
    """
    tables = _Tables(execute, refused, grants)
    failure = ""
    for tried in range(_TRIES):
        version = tables.check()
        if version:
            return tables.add_marks(sql, needed=marks)
        try:
            for statement in sql.tables():
                execute(statement, {})
            if not tables.version():
                execute(f"INSERT INTO {SCHEMA} (version) VALUES ({VERSION})", {})
        except Exception as error:
            if not refused(error):
                raise
            failure = type(error).__name__
            time.sleep(0.02 * 2**tried)  # another process may be making them right now
        else:
            return True
    raise ConfigurationError(
        f"the store's tables {EVENTS} and {SCHEMA} could not be created ({failure}); {grants}"
    )


class _Tables:
    def __init__(self, execute: Execute, refused: Callable[[Exception], bool], grants: str) -> None:
        self._execute = execute
        self._refused = refused
        self._grants = grants

    def check(self) -> int:
        """Return the version of tables that are there, ours and usable; 0 if one is missing."""
        version = self.version()
        if version > VERSION:
            raise ConfigurationError(
                "the store was created by a later version of coffrify-webhooks (its schema is "
                f"{version}, this version knows {VERSION}); upgrade coffrify-webhooks"
            )
        if not version and self._has(SCHEMA, "1") and not self._has(SCHEMA, "version + 0"):
            raise _foreign(SCHEMA)
        there = self._has(EVENTS, "1")
        if there and not self._has(EVENTS, _COLUMNS):
            raise _foreign(EVENTS)
        if not there or not version:
            return 0
        if not all(self._works(statement) for statement in _WRITES):
            raise ConfigurationError(f"the store's table {EVENTS} is not writable; {self._grants}")
        return version

    def add_marks(self, sql: Statements, *, needed: bool) -> bool:
        """Make the table of marks unless it is there; tell whether it can be used."""
        for tried in range(_TRIES if needed else 1):
            if tried:
                time.sleep(0.02 * 2**tried)  # another process may be making it right now
            if self._has(MARKS, "1") or all(map(self._works, sql.mark_tables())):
                break
        usable = all(map(self._works, _MARK_WRITES))
        if needed and not usable:
            if self._has(MARKS, "1") and not self._has(MARKS, MARK_COLUMNS):
                raise _foreign(MARKS)
            raise ConfigurationError(
                f"a handler asks for order, and the store's table {MARKS} could not be created or "
                f"written; {self._grants}"
            )
        return usable

    def version(self) -> int:
        """Return the version that the tables say they are of; 0 if they say nothing."""
        try:
            rows: Any = self._execute(f"SELECT version FROM {SCHEMA}", {}).fetchall()
        except Exception as error:
            if not self._refused(error):
                raise
            return 0
        return max((found for (found,) in rows if isinstance(found, int)), default=0)

    def _has(self, table: str, columns: str) -> bool:
        return self._works(f"SELECT {columns} FROM {table} WHERE 1 = 0")

    def _works(self, statement: str) -> bool:
        try:
            self._execute(statement, {})
        except Exception as error:
            if not self._refused(error):
                raise
            return False
        return True


def _foreign(table: str) -> ConfigurationError:
    return ConfigurationError(
        f"the table {table} exists and does not belong to coffrify-webhooks; name another database "
        "(or file) in store="
    )
