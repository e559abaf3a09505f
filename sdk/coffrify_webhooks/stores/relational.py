"""A store in a relational database: everything but how a statement gets there."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from os import urandom
from typing import Any, Protocol, cast

from coffrify_webhooks.clock import now
from coffrify_webhooks.errors import ClaimLost

from .protocol import Claim, ClaimStatus, Lock, Move
from .record import EVERYTHING, STATS_COUNT_TO, About, Filter, Record, Status
from .statements import Dialect, Statements

__all__ = ["Execute", "RelationalStore", "Result", "refusal"]

_LONGEST_LEASE = 1e9
"""Seconds; databases have no infinite numbers."""
_PURGED_AT_ONCE = 50
"""Events that one statement deletes; a delivery may come between two."""
_BODY = 13
"""Its place among the columns."""
_NOTHING = About("", "", "")


class Result(Protocol):
    """What executing a statement gives: a cursor."""

    @property
    def rowcount(self) -> int: ...
    def fetchone(self) -> Any: ...
    def fetchall(self) -> Any: ...


class Execute(Protocol):
    """Executes one statement with its parameters, in a transaction of its own unless in one."""

    def __call__(self, statement: str, row: Mapping[str, Any], /) -> Result: ...


class RelationalStore(ABC):
    """See `Store` for the methods. A subclass brings the connection."""

    def __init__(
        self, dialect: Dialect, *, pyformat: bool, clock: Callable[[], float] | None
    ) -> None:
        if clock is None and dialect == "sqlite":
            clock = now
        self._clock = clock
        self._sql = Statements(dialect, pyformat=pyformat, own_clock=clock is not None)

    @abstractmethod
    def _session(self) -> AbstractContextManager[Execute]:
        """Lend a connection; leaving closes nothing, errors become StoreUnavailable."""

    def claim(
        self,
        key: str,
        digest: str,
        lease: float,
        token: str | None = None,
        about: About | None = None,
        body: bytes | None = None,
        *,
        over: bool = False,
    ) -> Claim:
        """See `Store.claim`."""
        mine = urandom(16).hex()
        receiver, event_id, kind, delivery = about or _NOTHING
        row: dict[str, Any] = {
            "key": key,
            "receiver": receiver,
            "id": event_id,
            "type": kind,
            "delivery": delivery,
            "digest": digest,
            "lease": min(float(lease), _LONGEST_LEASE),
            "status": "running" if token else "claimed",
            "token": token or "",
            "worker": 0 if token is None else 1,
            "over": 1 if over else 0,
            "mine": mine,
            "body": body,
        }
        if self._clock is not None:
            row["now"] = self._clock()
        with self._session() as execute:
            if execute(self._sql.insert, row).rowcount == 1:
                return Claim("claimed", mine, frozenset(), 1)
            taken = execute(self._sql.take, row).rowcount == 1
            found = execute(self._sql.look, {"key": key}).fetchone()
        if found is None:  # released between two statements; the sender will come again
            return Claim("busy")
        status, known, finished, attempts = found
        if taken:
            return Claim("claimed", mine, _names(finished), attempts)
        return Claim(refusal(status, known == digest))

    def renew(self, key: str, token: str, lease: float) -> bool:
        """See `Store.renew`."""
        lease = min(float(lease), _LONGEST_LEASE)
        return self._change(self._sql.renew, key=key, token=token, lease=lease)

    def checkpoint(self, key: str, token: str, handler: str) -> bool:
        """See `Store.checkpoint`."""
        return self._change(self._sql.checkpoint, key=key, token=token, handler=f"{handler}\n")

    def done(self, key: str, token: str) -> bool:
        """See `Store.done`."""
        return self._change(self._sql.done, key=key, token=token)

    def queued(self, key: str, token: str, error: str | None = None) -> bool:
        """See `Store.queued`."""
        untried = 1 if error is None else 0
        return self._change(self._sql.queued, key=key, token=token, error=error, untried=untried)

    def failed(self, key: str, token: str, error: str, body: bytes | None = None) -> bool:
        """See `Store.failed`."""
        return self._change(
            self._sql.failed, key=key, token=token, error=error, body=body, status="failed"
        )

    def dead(self, key: str, token: str, error: str, body: bytes | None = None) -> bool:
        """See `Store.dead`."""
        return self._change(
            self._sql.failed, key=key, token=token, error=error, body=body, status="dead"
        )

    def release(self, key: str, token: str) -> bool:
        """See `Store.release`."""
        row = self._row(key=key, token=token)
        with self._session() as execute:
            return (
                execute(self._sql.drop_untouched, row).rowcount == 1
                or execute(self._sql.release, row).rowcount == 1
            )

    def forget(self, key: str) -> bool:
        """See `Store.forget`."""
        return self._change(self._sql.forget, key=key)

    def conflict(self, key: str, digest: str, about: About, body: bytes | None) -> None:
        """See `Store.conflict`."""
        self._change(self._sql.conflict, key=key, digest=digest, body=body, **about._asdict())

    def purge(self, older_than: float, limit: int = 1000) -> int:
        """See `Store.purge`."""
        row = self._row(older_than=float(older_than), limit=limit)
        with self._session() as execute:
            keys = [key for key, _ in execute(self._sql.old, row).fetchall()]
            marks: list[str] = []
            if self._has_marks and len(keys) < limit:
                row["limit"] = limit - len(keys)
                marks = [mark for (mark,) in execute(self._sql.old_marks, row).fetchall()]
        purged = 0
        for start in range(0, len(keys), _PURGED_AT_ONCE):
            some = keys[start : start + _PURGED_AT_ONCE]
            named = {f"k{index}": key for index, key in enumerate(some)}
            with self._session() as execute:  # a delivery may come in between
                purged += execute(self._sql.purge(len(some)), {**row, **named}).rowcount
        for mark in marks:
            purged += self._change(self._sql.purge_mark, mark=mark, older_than=float(older_than))
        return purged

    def lock(self, mark: str, lease: float) -> Lock | None:
        """See `OrderedStore.lock`."""
        mine, lease = urandom(16).hex(), min(float(lease), _LONGEST_LEASE)
        row = self._row(mark=mark, mine=mine, lease=lease)
        if not self._has_marks:
            self._want_marks()
        with self._session() as execute:
            if execute(self._sql.lock, row).rowcount == 1:
                found = execute(self._sql.look_at_mark, {"mark": mark, "mine": mine}).fetchone()
                return Lock(mine, found[0] or None) if found else None
            taken = execute(self._sql.insert_mark, row).rowcount == 1
        return Lock(mine) if taken else None

    def renew_lock(self, mark: str, token: str, lease: float, state: str | None = None) -> bool:
        """See `OrderedStore.renew_lock`."""
        lease = min(float(lease), _LONGEST_LEASE)
        row = {"mark": mark, "token": token, "lease": lease, "state": state}
        return bool(token) and self._change(self._sql.renew_lock, **row)

    def unlock(self, mark: str, token: str, state: str | None = None) -> bool:
        """See `OrderedStore.unlock`."""
        if not token:
            return False
        with self._session() as execute:

            def change(statement: str, **row: Any) -> bool:
                return execute(statement, self._row(**row)).rowcount == 1

            return self._unlock(change, Move(mark, token, state))

    def _unlock(self, change: Callable[..., bool], move: Move) -> bool:
        """Unlock a mark; `change` executes a statement, and tells whether it changed a row."""
        sql, held = self._sql, {"mark": move.mark, "token": move.token}
        if move.state:
            return change(sql.move, **held, state=move.state)
        if move.state is not None:
            return change(sql.drop_mark, **held)
        return change(sql.drop_unmoved, **held) or change(sql.unlock, **held)

    def get(self, key: str) -> Record | None:
        """See `Store.get`."""
        with self._session() as execute:
            found = execute(self._sql.get, {"key": key}).fetchone()
        return None if found is None else _record(found)

    def find(
        self, wanted: Filter = EVERYTHING, limit: int = 100, after: Record | None = None
    ) -> list[Record]:
        """See `Store.find`."""
        row: dict[str, Any] = {
            name: value
            for name, value in wanted._asdict().items()
            if value is not None and name != "statuses"
        }
        prefix = (wanted.type or "").endswith("*")
        if prefix:
            row["prefix"] = row.pop("type")[:-1]
            row["length"] = len(row["prefix"])
        if wanted.key is not None:
            if not wanted.key.isascii():  # no key is; MariaDB cannot even compare it
                return []
            row["key_end"] = f"{wanted.key}g"  # behind every hexadecimal digit
        if after is not None:
            row.update(touched_at=after.touched_at, after=after.key)
        text = self._sql.find(set(row), wanted.statuses)
        with self._session() as execute:
            found = execute(text, self._row(**row, limit=limit)).fetchall()
        return [_record(each) for each in found]

    def stats(self, most: int | None = STATS_COUNT_TO) -> dict[Status, int]:
        """See `Store.stats`."""
        with self._session() as execute:
            if most is None:
                found = execute(self._sql.stats, {}).fetchall()
            else:
                found = execute(self._sql.bounded_stats, {"most": most}).fetchall()
        return {cast("Status", status): int(count) for status, count in sorted(found) if count}

    def _move(self, change: Callable[..., bool], move: Move) -> None:
        """Unlock a mark in a transaction, as `_unlock` does; raise ClaimLost if it is lost."""
        if not self._unlock(change, move):
            raise ClaimLost("the lock on the event's object ended while the event was handled")

    _has_marks: bool = True
    """Whether the table of marks is known to be there."""
    _wants_marks: bool = False
    """Whether it is needed: its absence is then an error."""

    def _want_marks(self) -> None:
        """Let the next session make the table of marks, or say what to do."""
        self._wants_marks = True

    def _change(self, statement: str, **row: Any) -> bool:
        with self._session() as execute:
            return execute(statement, self._row(**row)).rowcount == 1

    def _row(self, **row: Any) -> dict[str, Any]:
        return row if self._clock is None else {**row, "now": self._clock()}


def _names(finished: str) -> frozenset[str]:
    return frozenset(name for name in finished.split("\n") if name)


def refusal(status: str, same: bool) -> ClaimStatus:  # noqa: FBT001
    """Say why an event that is not free cannot be claimed; `same` compares the bodies."""
    if status in ("done", "conflict"):
        return "done" if same else "conflict"
    if status == "dead":
        return "done"
    return "queued" if status in ("queued", "running") else "busy"


def _record(row: Any) -> Record:
    columns: list[Any] = list(row)
    columns[10] = _names(columns[10])
    if len(columns) > _BODY and columns[_BODY] is not None:  # bodies may be memoryviews
        columns[13] = bytes(columns[13])
    return Record(*columns)
