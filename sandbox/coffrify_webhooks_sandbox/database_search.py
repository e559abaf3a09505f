"""Finds events and deliveries by what they are and hold, in bounded time.

A search looks at a bounded number of records, the newest first, and says where to go on.
"""

from __future__ import annotations

from string import ascii_lowercase, ascii_uppercase
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from .database_rows import TABLES, find
from .records import Delivery, Event, is_success

if TYPE_CHECKING:
    import sqlite3

__all__ = ["Found", "Search", "Wanted"]

_LOOKED_AT = 10_000
"""Records that one search looks at."""
_READ = 2_000
"""Records that it looks at if it has to read their bodies."""
_MOST_READ = 65_536
"""Bytes of a body that are read."""
_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)  # as SQLite's `lower`

T = TypeVar("T", Event, Delivery)


class Wanted(NamedTuple):
    """What a search is to find; what is empty does not matter."""

    text: str = ""
    """A part of the event's body, its id and type included, or of a response or its error."""
    type: str = ""
    """A type, or with a `*` at its end the beginning of one."""
    status: str = ""
    """Of a delivery; of an event, that of any of its deliveries."""
    endpoint: str = ""
    event: str = ""
    since: float | None = None
    until: float | None = None
    """When it was created: from `since` on, and before `until`."""
    before: str = ""
    """An id; only older records are found."""


class Found(NamedTuple, Generic[T]):
    """What a search found, the newest first."""

    records: list[T]
    older: str = ""
    """The id to go on from with `before`; empty at the end."""
    is_cut: bool = False
    """Whether the search ended although there may be more, because it had looked at too many."""


class Search:
    """Searches the sandbox's file."""

    def __init__(self, file: sqlite3.Connection) -> None:
        self._file = file

    def deliveries(self, wanted: Wanted, most: int) -> Found[Delivery]:
        """Return at most `most` deliveries."""
        conditions, values = _conditions(
            ("status = ?", wanted.status),
            ("endpoint_id = ?", wanted.endpoint),
            ("event_id = ?", wanted.event),
        )
        others, rest = _conditions(*_of_event(wanted), *_of_time(wanted))
        if wanted.text:
            text = wanted.text.translate(_LOWER)
            others.append(
                f"(r.id = ? OR {_holds('e.body')} OR EXISTS (SELECT 1 FROM attempts WHERE "
                f"delivery_id = r.id AND (instr(lower(error), ?) OR {_holds('reply')})))"
            )
            rest += [wanted.text, text, text, text]
        return self._search(Delivery, wanted, (conditions, values), (others, rest), most)

    def events(self, wanted: Wanted, most: int) -> Found[Event]:
        """Return at most `most` events."""
        conditions, values = _conditions(("id = ?", wanted.event))
        heard = "EXISTS (SELECT 1 FROM deliveries WHERE event_id = r.id AND {} = ?)"
        others, rest = _conditions(
            *_of_event(wanted),
            *_of_time(wanted),
            (heard.format("status"), wanted.status),
            (heard.format("endpoint_id"), wanted.endpoint),
        )
        if wanted.text:
            others.append(_holds("e.body"))
            rest.append(wanted.text.translate(_LOWER))
        return self._search(Event, wanted, (conditions, values), (others, rest), most)

    def _search(
        self,
        kind: type[T],
        wanted: Wanted,
        indexed: tuple[list[str], list[Any]],
        filters: tuple[list[str], list[Any]],
        most: int,
    ) -> Found[T]:
        """Find records by an index, and of the newest of them those that pass the filters."""
        table = TABLES[kind]
        older = f"number < (SELECT number FROM {table} WHERE id = ?)"
        place: tuple[list[str], list[Any]] = _conditions((older, wanted.before))
        values: list[Any] = [*indexed[1], *place[1]]
        looked_at = _READ if wanted.text else _LOOKED_AT if filters[0] else most + 1
        where = " AND ".join([*indexed[0], *place[0]]) or "1"
        own = "id" if kind is Event else "event_id"
        found = find(
            self._file,
            kind,
            f"number IN (SELECT r.number FROM (SELECT number, id, {own} AS event, created_at FROM "
            f"{table} WHERE {where} ORDER BY number DESC LIMIT ?) r LEFT JOIN events e ON e.id = "
            "r.event WHERE "
            f"{' AND '.join(filters[0]) or '1'} ORDER BY r.number DESC LIMIT ?) "
            "ORDER BY number DESC",
            *values,
            looked_at,
            *filters[1],
            most + 1,
        )
        if len(found) > most:
            return Found(found[:most], found[most - 1].id)
        row = self._file.execute(
            f"SELECT id FROM {table} WHERE {where} ORDER BY number DESC LIMIT 1 OFFSET ?",
            (*values, looked_at - 1),
        ).fetchone()
        return Found(found, str(row[0]) if row else "", bool(row))

    def samples(self, endpoint_id: str, most: int) -> list[tuple[float, bool, float]]:
        """Return (time, whether it succeeded, seconds) of an endpoint's attempts.

        They are those of its latest deliveries, at most `most`, the latest first.
        """
        rows = self._file.execute(
            "SELECT a.at, a.status, a.seconds FROM deliveries d JOIN attempts a ON "
            "a.delivery_id = d.id WHERE d.endpoint_id = ? AND a.seconds IS NOT NULL "
            "ORDER BY d.number DESC, a.id DESC LIMIT ?",
            (endpoint_id, most),
        )
        return [(row[0], is_success(row[1]), row[2]) for row in rows]


def _of_event(wanted: Wanted) -> list[tuple[str, Any]]:
    if wanted.type.endswith("*"):
        start = wanted.type[:-1]
        return [(f"substr(e.type, 1, {len(start)}) = ?", start)]
    return [("e.type = ?", wanted.type)]


def _of_time(wanted: Wanted) -> list[tuple[str, Any]]:
    return [("r.created_at >= ?", wanted.since), ("r.created_at < ?", wanted.until)]


def _conditions(*pairs: tuple[str, Any]) -> tuple[list[str], list[Any]]:
    """Return the conditions whose values matter, and these values."""
    asked = [(condition, value) for condition, value in pairs if value not in ("", None)]
    return [condition for condition, _ in asked], [value for _, value in asked]


def _holds(column: str) -> str:
    """Return the condition that a body holds a text, in any case."""
    return f"instr(lower(CAST(substr({column}, 1, {_MOST_READ}) AS TEXT)), ?)"
