"""Claims in this process's memory: for tests, and programs that may forget on restart."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from secrets import token_hex
from threading import Lock

from coffrify_webhooks.clock import now

from .protocol import Claim, ClaimStatus
from .record import EVERYTHING, STATS_COUNT_TO, About, Filter, Record, Status

__all__ = ["MemoryStore"]

_LIVE = ("claimed", "running")


@dataclass(slots=True)
class _Row:
    about: About
    digest: str
    received_at: float
    touched_at: float
    status: Status = "failed"
    token: str = ""
    lease_until: float = 0.0
    attempts: int = 0
    finished: set[str] = field(default_factory=set[str])
    error: str = ""
    body: bytes | None = None


class MemoryStore:
    """A store that dies with its process; other processes do not see it.

    clock: returns seconds; only differences matter.
    """

    blocking = False
    """It waits for nothing, so that the async driver calls it in place."""

    def __init__(self, *, clock: Callable[[], float] = now) -> None:
        self._clock = clock
        self._lock = Lock()
        self._rows: dict[str, _Row] = {}

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
        with self._lock:
            now = self._clock()
            row = self._rows.get(key)
            if row is None:
                row = self._rows[key] = _Row(about or About("", "", ""), digest, now, now)
            elif over and row.status == "done" and row.digest != digest:
                row.finished.clear()
            elif not _may_take(row, now, token):
                return Claim(_refusal(row, digest))
            if row.status == "dead":
                row.attempts = 0
            if not (row.status == "claimed" and row.token == token):
                row.attempts += 1
            row.status = "running" if token else "claimed"
            if row.digest != digest:
                row.digest, row.body = digest, None
            row.token = token_hex(16)
            row.lease_until = now + lease
            row.touched_at = now
            row.body = row.body if body is None else body
            if about is not None:
                row.about = row.about._replace(delivery=about.delivery)
            return Claim("claimed", row.token, frozenset(row.finished), row.attempts)

    def renew(self, key: str, token: str, lease: float) -> bool:
        """See `Store.renew`."""
        with self._lock:
            row = self._held(key, token)
            if row:
                row.lease_until = self._clock() + lease
            return row is not None

    def checkpoint(self, key: str, token: str, handler: str) -> bool:
        """See `Store.checkpoint`."""
        with self._lock:
            row = self._held(key, token)
            if row:
                row.finished.add(handler)
            return row is not None

    def done(self, key: str, token: str) -> bool:
        """See `Store.done`."""
        with self._lock:
            row = self._settled(key, token, "done")
            if row:
                row.error, row.body = "", None
            return row is not None

    def queued(self, key: str, token: str, error: str | None = None) -> bool:
        """See `Store.queued`."""
        with self._lock:
            row = self._settled(key, token, "queued")
            if row and error is None:
                row.attempts -= 1
            elif row and error is not None:
                row.error = error
            return row is not None

    def failed(self, key: str, token: str, error: str, body: bytes | None = None) -> bool:
        """See `Store.failed`."""
        return self._fail("failed", key, token, error, body)

    def dead(self, key: str, token: str, error: str, body: bytes | None = None) -> bool:
        """See `Store.dead`."""
        return self._fail("dead", key, token, error, body)

    def release(self, key: str, token: str) -> bool:
        """See `Store.release`."""
        with self._lock:
            row = self._held(key, token)
            if row is None:
                return False
            if row.finished or row.error:
                row.status, row.lease_until = "failed", 0.0
            else:
                del self._rows[key]
            return True

    def forget(self, key: str) -> bool:
        """See `Store.forget`."""
        with self._lock:
            return self._rows.pop(key, None) is not None

    def conflict(self, key: str, digest: str, about: About, body: bytes | None) -> None:
        """See `Store.conflict`."""
        with self._lock:
            now = self._clock()
            self._rows.setdefault(key, _Row(about, digest, now, now, "conflict", body=body))

    def purge(self, older_than: float, limit: int = 1000) -> int:
        """See `Store.purge`."""
        with self._lock:
            now = self._clock()
            old = [
                key
                for key, row in self._rows.items()
                if row.touched_at < now - older_than
                and row.lease_until <= now
                and row.status not in ("queued", "running")
            ][:limit]
            for key in old:
                del self._rows[key]
            return len(old)

    def get(self, key: str) -> Record | None:
        """See `Store.get`."""
        with self._lock:
            row = self._rows.get(key)
            return None if row is None else _record(key, row)._replace(body=row.body)

    def find(
        self, wanted: Filter = EVERYTHING, limit: int = 100, after: Record | None = None
    ) -> list[Record]:
        """See `Store.find`."""
        with self._lock:
            now = self._clock()
            found = [_record(key, row) for key, row in self._rows.items()]
        return select(found, wanted, limit, after, now)

    def stats(self, most: int | None = STATS_COUNT_TO) -> dict[Status, int]:
        """See `Store.stats`."""
        with self._lock:
            counts = Counter(row.status for row in self._rows.values())
        return {
            status: count if most is None else min(count, most) for status, count in counts.items()
        }

    def close(self) -> None:
        """See `Store.close`."""

    def _held(self, key: str, token: str) -> _Row | None:
        row = self._rows.get(key)
        held = row is not None and row.token == token and row.status in _LIVE
        return row if held else None

    def _settled(self, key: str, token: str, status: Status) -> _Row | None:
        row = self._held(key, token)
        if row:
            row.status = status
            row.lease_until = 0.0
            row.touched_at = self._clock()
        return row

    def _fail(self, status: Status, key: str, token: str, error: str, body: bytes | None) -> bool:
        with self._lock:
            row = self._settled(key, token, status)
            if row:
                row.error = error
                row.body = row.body if body is None else body
            return row is not None


def select(
    found: list[Record], wanted: Filter, limit: int, after: Record | None, now: float
) -> list[Record]:
    """Apply a filter to all records; for stores whose database cannot."""
    place = None if after is None else (after.touched_at, after.key)
    fitting = [
        record
        for record in found
        if _fits(record, wanted, now) and (place is None or (record.touched_at, record.key) < place)
    ]
    fitting.sort(key=lambda record: (record.touched_at, record.key), reverse=True)
    return fitting[:limit]


def _fits(record: Record, wanted: Filter, now: float) -> bool:
    kind = wanted.type
    return (
        wanted.receiver in (None, record.receiver)
        and wanted.id in (None, record.id)
        and (wanted.key is None or record.key.startswith(wanted.key))
        and (kind is None or _is_type(record.type, kind))
        and (not wanted.statuses or record.status in wanted.statuses)
        and (wanted.idle is None or record.touched_at <= now - wanted.idle)
        and (wanted.recent is None or record.touched_at >= now - wanted.recent)
    )


def _is_type(name: str, wanted: str) -> bool:
    return name.startswith(wanted[:-1]) if wanted.endswith("*") else name == wanted


def _may_take(row: _Row, now: float, token: str | None) -> bool:
    expired = row.lease_until <= now
    if row.status == "failed" or (row.status == "claimed" and expired):
        return True
    if row.status == "dead" and not token:
        return True
    if token is None:
        return False
    return (
        row.status == "queued"
        or (row.status == "running" and expired)
        or (row.status == "claimed" and row.token == token)
    )


def _refusal(row: _Row, digest: str) -> ClaimStatus:
    if row.status in ("done", "conflict"):
        return "done" if row.digest == digest else "conflict"
    if row.status == "dead":
        return "done"
    return "queued" if row.status in ("queued", "running") else "busy"


def _record(key: str, row: _Row) -> Record:
    return Record(
        key,
        row.about.receiver,
        row.about.id,
        row.about.type,
        row.status,
        row.attempts,
        row.received_at,
        row.touched_at,
        row.lease_until,
        row.digest,
        frozenset(row.finished),
        row.error,
        row.about.delivery,
    )
