"""The sandbox's database: an SQLite file, which survives a kill -9, or memory.

Every method is one transaction. All are called from one thread.
"""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from coffrify_webhooks.errors import ConfigurationError

from .clock import END, Anchor, anchor_of
from .database_file import DAMAGED, file_error_reason, open_file
from .database_rows import TABLES, find, insert, marks, update
from .database_search import Search
from .records import Attempt, Delivery, Endpoint, Event

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence
    from pathlib import Path

__all__ = ["Database", "DeliverySummary"]

_MOST_EVENTS = 10_000
"""Older events are deleted, unless a delivery is unfinished or a dead letter."""
_PRUNE_EVERY = 1000
"""New records between two prunings."""

T = TypeVar("T", Endpoint, Event, Delivery, Attempt)


class DeliverySummary(NamedTuple):
    """What a list shows of a delivery's event and last attempt."""

    event_type: str
    test: bool
    attempts: int
    """All of them, including those before it was retried by hand."""
    status: int | None
    error: str
    seconds: float | None


class Database:
    """Stores the records in a file, or in memory without one.

    Raises ConfigurationError for a file that is not a sandbox's or cannot be used.
    """

    def __init__(self, path: Path | str | None = None) -> None:
        name = ":memory:" if path is None else str(path)
        if not name:  # SQLite would keep nothing
            raise ConfigurationError("--db: give a file, or :memory: to store nothing")
        self._inserted = 0
        self.name = name
        try:
            self._file = open_file(name)
            with ExitStack() as undo:
                undo.callback(self._file.close)
                self._read_once()
                undo.pop_all()
            self.search = Search(self._file)
        except sqlite3.Error as error:
            raise ConfigurationError(
                f"{name} cannot be used as the sandbox's file: {file_error_reason(name, error)}; "
                "give another: --db FILE"
            ) from error

    def _read_once(self) -> None:
        """Read what a sandbox needs at its start, so that a damaged file fails now."""
        for kind in TABLES:
            find(self._file, kind, "0")
        self.endpoints()
        self.unfinished()
        try:
            self.anchor()
            self.latest()
        except (ValueError, TypeError) as error:
            raise sqlite3.DatabaseError(DAMAGED) from error

    def describe_error(self, error: sqlite3.Error) -> str:
        """Return a sentence on what is wrong with the file, and what to do."""
        return (
            f"the sandbox's file {self.name} cannot be used: {file_error_reason(self.name, error)}"
        )

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    # --- settings -----------------------------------------------------------------------------

    def setting(self, name: str, default: str) -> str:
        """Return a setting; a missing one is set to the default."""
        self._file.execute("INSERT OR IGNORE INTO settings VALUES (?, ?)", (name, default))
        row = self._file.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return str(row[0])

    def set(self, name: str, value: str) -> None:
        """Set a setting."""
        self._file.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, value))

    def anchor(self) -> Anchor | None:
        """Return the saved clock of the last sandbox."""
        return anchor_of(self.setting("anchor", ""))

    def latest(self) -> float:
        """Return the latest time at which anything was sent or created."""
        query = (
            "SELECT max(at) FROM (SELECT max(at) AS at FROM attempts WHERE at <= ? UNION ALL "
            "SELECT max(created_at) FROM events WHERE created_at <= ? UNION ALL "
            "SELECT max(created_at) FROM endpoints WHERE created_at <= ? UNION ALL "
            "SELECT max(created_at) FROM deliveries "  # others may be made for later
            "WHERE created_at <= ? AND replay_of IS NOT NULL)"
        )
        return float(self._file.execute(query, (END,) * 4).fetchone()[0] or 0.0)

    # --- records ------------------------------------------------------------------------------

    def add(self, *records: Endpoint | Event | Delivery) -> None:
        """Add records, all of them or none."""
        with self._transaction():
            for record in records:
                self._insert(record)

    def replace(self, *records: Endpoint | Delivery, add: Sequence[Event | Delivery] = ()) -> None:
        """Update records and add others, all or none."""
        with self._transaction():
            for record in records:
                update(self._file, record)
            for fresh in add:
                self._insert(fresh)

    def delete(self, endpoint_id: str) -> None:
        """Delete an endpoint and cancel its pending deliveries."""
        with self._transaction():
            self._file.execute("DELETE FROM endpoints WHERE id = ?", (endpoint_id,))
            self._file.execute(
                "UPDATE deliveries SET status = 'cancelled', next_at = NULL, "
                "reason = 'the endpoint was deleted' WHERE endpoint_id = ? AND status IN "
                "('pending', 'retrying', 'sending')",
                (endpoint_id,),
            )

    def endpoint(self, endpoint_id: str) -> Endpoint | None:
        """Return an endpoint."""
        return self._find_one(Endpoint, endpoint_id)

    def endpoints(self) -> list[Endpoint]:
        """Return all endpoints, the oldest first."""
        return find(self._file, Endpoint, "1 ORDER BY created_at, rowid")

    def event(self, event_id: str) -> Event | None:
        """Return an event."""
        return self._find_one(Event, event_id)

    def events(self, limit: int, *, before: str | None = None) -> list[Event]:
        """Return the latest events, the newest first; before: an event's id."""
        if before is None:
            return find(self._file, Event, "1 ORDER BY number DESC LIMIT ?", limit)
        return find(
            self._file,
            Event,
            "number < (SELECT number FROM events WHERE id = ?) ORDER BY number DESC LIMIT ?",
            before,
            limit,
        )

    def delivery(self, delivery_id: str) -> Delivery | None:
        """Return a delivery."""
        return self._find_one(Delivery, delivery_id)

    def deliveries(
        self,
        limit: int = 100,
        *,
        endpoint_id: str | None = None,
        event_id: str | None = None,
        status: str | None = None,
        before: str | None = None,
    ) -> list[Delivery]:
        """Return deliveries, the newest first; before: a delivery's id."""
        wanted = {"endpoint_id": endpoint_id, "event_id": event_id, "status": status}
        asked = {name: value for name, value in wanted.items() if value is not None}
        conditions = [f"{name} = ?" for name in asked]
        values: list[Any] = [*asked.values()]
        if before is not None:
            conditions.append("number < (SELECT number FROM deliveries WHERE id = ?)")
            values.append(before)
        where = " AND ".join(conditions) or "1"
        return find(self._file, Delivery, f"{where} ORDER BY number DESC LIMIT ?", *values, limit)

    def attempts(self, delivery_id: str) -> list[Attempt]:
        """Return a delivery's attempts, the first one first."""
        return find(self._file, Attempt, "delivery_id = ? ORDER BY id", delivery_id)

    def counts(self) -> dict[str, int]:
        """Return how many deliveries there are of each status."""
        query = "SELECT status, count(*) FROM deliveries GROUP BY status"
        return {str(status): int(count) for status, count in self._file.execute(query)}

    def summaries(self, deliveries: Sequence[Delivery]) -> dict[str, DeliverySummary]:
        """Return what a list shows of deliveries, by their ids, without reading bodies."""
        query = (
            "SELECT d.id, coalesce(e.type, ''), coalesce(e.test, 0), coalesce(a.number, 0), "
            "a.status, coalesce(a.error, ''), a.seconds FROM deliveries d "
            "LEFT JOIN events e ON e.id = d.event_id LEFT JOIN attempts a ON a.id = "
            "(SELECT max(id) FROM attempts WHERE delivery_id = d.id) "
            f"WHERE d.id IN ({marks(deliveries)})"
        )
        rows = self._file.execute(query, [delivery.id for delivery in deliveries])
        return {row[0]: DeliverySummary(row[1], bool(row[2]), *row[3:]) for row in rows}

    def delivery_counts(self, events: Sequence[Event]) -> dict[str, dict[str, int]]:
        """Return how many deliveries of each status events have, by the events' ids."""
        query = (
            "SELECT event_id, status, count(*) FROM deliveries "
            f"WHERE event_id IN ({marks(events)}) GROUP BY event_id, status"
        )
        found: dict[str, dict[str, int]] = {}
        for event_id, status, count in self._file.execute(query, [each.id for each in events]):
            found.setdefault(str(event_id), {})[str(status)] = int(count)
        return found

    def replays(self, deliveries: Sequence[Delivery]) -> dict[str, Delivery]:
        """Return the latest replay of each delivery that has one, by the deliveries' ids."""
        where = f"replay_of IN ({marks(deliveries)}) ORDER BY number"
        found = find(self._file, Delivery, where, *(delivery.id for delivery in deliveries))
        return {delivery.replay_of or "": delivery for delivery in found}

    def dead_letters(self, limit: int) -> list[Delivery]:
        """Return dead letters of active endpoints, not replayed since; the oldest first."""
        return find(
            self._file,
            Delivery,
            "status = 'dead_letter' AND event_id IN (SELECT id FROM events) AND endpoint_id IN "
            "(SELECT id FROM endpoints WHERE is_active) AND id NOT IN (SELECT replayed.id FROM "
            "deliveries AS replay JOIN deliveries AS replayed ON replayed.id = replay.replay_of "
            "WHERE replay.created_at >= coalesce((SELECT max(at) FROM attempts WHERE "
            "delivery_id = replayed.id), 0)) ORDER BY number LIMIT ?",
            limit,
        )

    # --- the schedule -------------------------------------------------------------------------

    def due(self, now: float, limit: int) -> list[Delivery]:
        """Return the due deliveries, in the order in which they became due."""
        return find(
            self._file,
            Delivery,
            "next_at <= ? AND EXISTS (SELECT 1 FROM endpoints WHERE endpoints.id = endpoint_id "
            "AND is_active) ORDER BY next_at, number LIMIT ?",
            now,
            limit,
        )

    def next_due(self) -> float | None:
        """Return when the next delivery becomes due, if there is one."""
        row = self._file.execute(
            "SELECT min(next_at) FROM deliveries WHERE next_at IS NOT NULL AND EXISTS "
            "(SELECT 1 FROM endpoints WHERE endpoints.id = endpoint_id AND is_active)"
        ).fetchone()
        return cast("float | None", row[0])

    def unfinished(self) -> list[Delivery]:
        """Return the deliveries that were being sent when the last sandbox was killed."""
        return find(self._file, Delivery, "status = 'sending' ORDER BY number")

    def begin(self, delivery: Delivery, attempt: Attempt) -> Attempt:
        """Record an attempt before it is made, so that it counts whatever happens."""
        with self._transaction():
            update(self._file, delivery)
            number = self._insert(attempt)
        return replace(attempt, id=number)

    def finish(
        self,
        attempt: Attempt,
        delivery: Delivery,
        endpoint: Endpoint | None,
        add: Iterable[Event | Delivery] = (),
    ) -> None:
        """Record the result of an attempt and everything that follows, in one transaction."""
        with self._transaction():
            update(self._file, attempt)
            update(self._file, delivery)
            if endpoint is not None:
                update(self._file, endpoint)
            for record in add:
                self._insert(record)

    @contextmanager
    def _transaction(self) -> Generator[None]:
        with self._file:
            self._file.execute("BEGIN IMMEDIATE")
            yield
            if self._inserted >= _PRUNE_EVERY:
                self._prune()
                self._inserted = 0

    def _prune(self) -> None:
        """Delete the oldest events that are over."""
        self._file.execute(
            "DELETE FROM events WHERE number <= (SELECT max(number) FROM events) - ? AND NOT "
            "EXISTS (SELECT 1 FROM deliveries WHERE event_id = events.id AND "
            "(next_at IS NOT NULL OR status = 'sending' OR (status = 'dead_letter' AND "
            "endpoint_id IN (SELECT id FROM endpoints))))",
            (_MOST_EVENTS,),
        )
        self._file.execute("DELETE FROM deliveries WHERE event_id NOT IN (SELECT id FROM events)")
        self._file.execute(
            "DELETE FROM attempts WHERE delivery_id NOT IN (SELECT id FROM deliveries)"
        )

    # --- replies to requests that may come twice ----------------------------------------------

    def reply(self, key: str) -> tuple[str, int, str] | None:
        """Return (digest of the request, status, body) of the response under a key."""
        row = self._file.execute(
            "SELECT digest, status, body FROM replies WHERE key = ?", (key,)
        ).fetchone()
        return (row[0], row[1], row[2]) if row else None

    def keep_reply(self, key: str, digest: str, status: int, body: str, at: float) -> None:
        """Store a response, and delete those older than a day."""
        with self._transaction():
            self._file.execute("DELETE FROM replies WHERE at < ?", (at - 86_400,))
            self._file.execute(
                "INSERT OR REPLACE INTO replies VALUES (?, ?, ?, ?, ?)",
                (key, digest, status, body, at),
            )

    # --- to and fro ---------------------------------------------------------------------------

    def _find_one(self, kind: type[T], record_id: str) -> T | None:
        return next(iter(find(self._file, kind, "id = ?", record_id)), None)

    def _insert(self, record: Endpoint | Event | Delivery | Attempt) -> int:
        self._inserted += 1
        return insert(self._file, record)
