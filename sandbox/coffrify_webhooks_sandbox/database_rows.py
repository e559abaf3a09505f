"""Converts records to rows of the database and back."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any, TypeVar

from coffrify_webhooks_codegen.json_types import is_list

from .database_file import DAMAGED
from .records import Attempt, Delivery, Endpoint, Event

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["TABLES", "find", "insert", "marks", "update"]

T = TypeVar("T", Endpoint, Event, Delivery, Attempt)

TABLES: dict[type[Any], str] = {
    Endpoint: "endpoints",
    Event: "events",
    Delivery: "deliveries",
    Attempt: "attempts",
}
_JSON = ("events", "headers", "reply_headers")


def find(file: sqlite3.Connection, kind: type[T], where: str, *values: Any) -> list[T]:
    """Return the records that match a condition."""
    names = [field.name for field in fields(kind)]
    query = f"SELECT {', '.join(names)} FROM {TABLES[kind]} WHERE {where}"
    with closing(file.execute(query, values)) as rows:
        try:
            return [
                kind(**{name: _from_column(kind, name, row[name]) for name in names})
                for row in rows
            ]
        except (ValueError, TypeError) as error:
            raise sqlite3.DatabaseError(DAMAGED) from error


def insert(file: sqlite3.Connection, record: Endpoint | Event | Delivery | Attempt) -> int:
    """Add a record; return its number."""
    values = {name: _to_column(value) for name, value in asdict(record).items()}
    if isinstance(record, Attempt):
        del values["id"]
    marks = ", ".join("?" * len(values))
    query = f"INSERT INTO {TABLES[type(record)]} ({', '.join(values)}) VALUES ({marks})"
    return int(file.execute(query, [*values.values()]).lastrowid or 0)


def update(file: sqlite3.Connection, record: Endpoint | Delivery | Attempt) -> None:
    """Update a record."""
    values = {name: _to_column(value) for name, value in asdict(record).items()}
    marks = ", ".join(f"{name} = ?" for name in values)
    query = f"UPDATE {TABLES[type(record)]} SET {marks} WHERE id = ?"
    file.execute(query, [*values.values(), record.id])


def marks(records: Sequence[Any]) -> str:
    """Return as many question marks as there are records."""
    return ", ".join("?" * len(records))


def _to_column(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, tuple) else value


def _from_column(kind: type[Any], name: str, value: Any) -> Any:
    if name in _JSON:
        return tuple(tuple(item) if is_list(item) else item for item in json.loads(value))
    if (kind, name) in ((Endpoint, "is_active"), (Event, "test")):
        return bool(value)
    return value
