"""The tables of a relational store: made when missing, and never touched when not ours."""

import time
from collections.abc import Callable

from coffrify_webhooks.errors import ConfigurationError

from .relational import Execute
from .statements import COLUMNS, EVENTS, SCHEMA, VERSION, Statements

__all__ = ["ensure"]

_TRIES = 6
_OURS = f"SELECT {COLUMNS}, token, body FROM {EVENTS} WHERE 1 = 0"


def ensure(
    execute: Execute, sql: Statements, refused: Callable[[Exception], bool], *, grants: str
) -> None:
    """Make the tables, or check that those which are there are ours and of our version.

    refused: tells whether an error means that the database did not want the statement; any other
    is raised as it is. grants: what to do where tables may not be made. Several processes may do
    this at once. Raises ConfigurationError, naming the remedy.
    """
    failure = ""
    for tried in range(_TRIES):
        version = max(_versions(execute, refused), default=0)
        if version > VERSION:
            raise ConfigurationError(
                "the store was made by a later version of coffrify-webhooks (its schema is "
                f"{version}, this version knows {VERSION}); upgrade coffrify-webhooks"
            )
        there = _works(execute, refused, f"SELECT 1 FROM {EVENTS} WHERE 1 = 0")
        if there and not _works(execute, refused, _OURS):
            raise ConfigurationError(
                f"the table {EVENTS} is there and is not one of coffrify-webhooks; name another "
                "database (or file) in store="
            )
        if there and version:
            return
        try:
            for statement in sql.tables():
                execute(statement, {})
            if not version:
                execute(f"INSERT INTO {SCHEMA} (version) VALUES ({VERSION})", {})
        except Exception as error:
            if not refused(error):
                raise
            failure = type(error).__name__
            time.sleep(0.02 * 2**tried)  # another process may be making them right now
        else:
            return
    raise ConfigurationError(
        f"the store's tables {EVENTS} and {SCHEMA} could not be made ({failure}); {grants}"
    )


def _versions(execute: Execute, refused: Callable[[Exception], bool]) -> list[int]:
    try:
        return [version for (version,) in execute(f"SELECT version FROM {SCHEMA}", {}).fetchall()]
    except Exception as error:
        if not refused(error):
            raise
        return []


def _works(execute: Execute, refused: Callable[[Exception], bool], statement: str) -> bool:
    try:
        execute(statement, {}).fetchall()
    except Exception as error:
        if not refused(error):
            raise
        return False
    return True
