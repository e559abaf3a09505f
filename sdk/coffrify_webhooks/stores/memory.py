"""Claims in this process's memory: for tests, and programs that may forget on restart."""

from collections import Counter
from collections.abc import Callable
from os import urandom
from threading import Lock as Mutex

from coffrify_webhooks.clock import now
from coffrify_webhooks.errors import ConfigurationError, StoreUnavailable, shown
from coffrify_webhooks.observe import logger

from .finished import Finished, FinishedEvents
from .memory_marks import MemoryMarks
from .memory_row import Row, finished_record, may_take, record_of, refusal, reopen
from .protocol import Claim, Lock
from .record import EVERYTHING, STATS_COUNT_TO, About, Filter, Record, Status
from .select import select

__all__ = ["MemoryStore"]

_LIVE = ("claimed", "running")
_NOTHING = About("", "", "")


_SPARED = ("claimed", "queued", "running")
"""Statuses that are never dropped to make room: somebody is handling the event."""
_STEP = 500
"""Events that are read, or dropped, without letting deliveries in between."""


class MemoryStore:
    """A store that dies with its process; other processes do not see it.

    clock: returns seconds; only differences matter. max_events: how many it keeps, each of which
    takes about 350 bytes when it is handled. For one more, it forgets the event that was handled
    first, then the oldest that failed, and warns once; if all are being handled, it raises
    StoreUnavailable, and the delivery is answered 503.

    Raises ConfigurationError if max_events is not a whole number above 0.
    """

    blocking = False
    """It waits for nothing, so the async driver calls it directly."""

    def __init__(self, *, clock: Callable[[], float] = now, max_events: int = 1_000_000) -> None:
        if type(max_events) is not int or max_events < 1:
            raise ConfigurationError(f"max_events={shown(max_events)}: give a whole number above 0")
        self._clock = clock
        self._most = max_events
        self._warned = False
        self._lock = Mutex()
        self._rows: dict[str, Row] = {}
        """What is not finished; those touched last are at the end."""
        self._finished = FinishedEvents()
        self._marks = MemoryMarks(clock, max_events)

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
                done = self._finished.get(key)
                if done is None:
                    self._make_room()
                    row = Row(about or _NOTHING, digest, now, now)
                elif over and done.digest != digest:
                    self._finished.remove(key)
                    row = reopen(done)
                else:
                    return Claim("done" if done.digest == digest else "conflict")
            elif not may_take(row, now, token):
                return Claim(refusal(row, digest))
            if row.status == "dead":
                row.attempts = 0
            if not (row.status == "claimed" and row.token == token):
                row.attempts += 1
            row.status = "running" if token else "claimed"
            if row.digest != digest:
                row.digest, row.body = digest, None
            row.token = urandom(16).hex()
            row.lease_until = now + lease
            row.body = row.body if body is None else body
            if about is not None:
                row.about = row.about._replace(delivery=about.delivery)
            self._touch(key, row, now)
            return Claim("claimed", row.token, row.finished, row.attempts)

    def renew(self, key: str, token: str, lease: float) -> bool:
        """See `Store.renew`."""
        with self._lock:
            row = self._find_held(key, token)
            if row:
                row.lease_until = self._clock() + lease
            return row is not None

    def checkpoint(self, key: str, token: str, handler: str) -> bool:
        """See `Store.checkpoint`."""
        with self._lock:
            row = self._find_held(key, token)
            if row:
                row.finished |= {handler}
            return row is not None

    def done(self, key: str, token: str) -> bool:
        """See `Store.done`."""
        with self._lock:
            row = self._find_held(key, token)
            if row is None:
                return False
            del self._rows[key]
            receiver, event_id, event_type, delivery = row.about
            names = tuple(sorted(row.finished))
            times = row.received_at, self._clock()
            self._finished.add(
                key,
                Finished(
                    receiver,
                    event_id,
                    event_type,
                    delivery,
                    row.attempts,
                    *times,
                    row.digest,
                    names,
                ),
            )
            return True

    def queued(self, key: str, token: str, error: str | None = None) -> bool:
        """See `Store.queued`."""
        with self._lock:
            row = self._settle(key, token, "queued")
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
            row = self._find_held(key, token)
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
            return self._rows.pop(key, None) is not None or self._finished.remove(key)

    def conflict(self, key: str, digest: str, about: About, body: bytes | None) -> None:
        """See `Store.conflict`."""
        with self._lock:
            if key not in self._rows and self._finished.get(key) is None:
                self._make_room()
                now = self._clock()
                self._rows[key] = Row(about, digest, now, now, "conflict", body=body)

    def purge(self, older_than: float, limit: int = 1000) -> int:
        """See `Store.purge`."""
        purged = 0
        while purged < limit:
            with self._lock:
                step = min(_STEP, limit - purged)
                dropped = self._purge_some(self._clock() - older_than, step)
            purged += dropped
            if dropped < step:
                break
        return purged + self._marks.purge(older_than, limit - purged)

    def lock(self, mark: str, lease: float) -> Lock | None:
        """See `OrderedStore.lock`."""
        return self._marks.lock(mark, lease)

    def renew_lock(self, mark: str, token: str, lease: float, state: str | None = None) -> bool:
        """See `OrderedStore.renew_lock`."""
        return self._marks.renew(mark, token, lease, state)

    def unlock(self, mark: str, token: str, state: str | None = None) -> bool:
        """See `OrderedStore.unlock`."""
        return self._marks.unlock(mark, token, state)

    def get(self, key: str) -> Record | None:
        """See `Store.get`."""
        with self._lock:
            row = self._rows.get(key)
            if row is not None:
                return record_of(key, row)._replace(body=row.body)
            done = self._finished.get(key)
        return None if done is None else finished_record(key, done)

    def find(
        self, wanted: Filter = EVERYTHING, limit: int = 100, after: Record | None = None
    ) -> list[Record]:
        """See `Store.find`."""
        with self._lock:
            now = self._clock()
            keys = list(self._rows)
        found: list[Record] = []
        for start in range(0, len(keys), _STEP):
            with self._lock:
                rows = [(key, self._rows.get(key)) for key in keys[start : start + _STEP]]
                some = [record_of(key, row) for key, row in rows if row is not None]
            found += select(some, wanted, limit, after, now)
        if not wanted.statuses or "done" in wanted.statuses:
            found += self._find_finished(wanted, limit, after, now)
        # An event that was settled meanwhile was met twice: what it became counts.
        latest = {record.key: record for record in found}
        return select(list(latest.values()), wanted, limit, after, now)

    def stats(self, most: int | None = STATS_COUNT_TO) -> dict[Status, int]:
        """See `Store.stats`."""
        with self._lock:
            counts: Counter[Status] = Counter(row.status for row in self._rows.values())
            if len(self._finished):
                counts["done"] = len(self._finished)
        if most is None:
            return dict(counts)
        return {status: min(count, most) for status, count in counts.items()}

    def close(self) -> None:
        """See `Store.close`."""

    def _find_held(self, key: str, token: str) -> Row | None:
        row = self._rows.get(key)
        held = row is not None and row.token == token and row.status in _LIVE
        return row if held else None

    def _settle(self, key: str, token: str, status: Status) -> Row | None:
        row = self._find_held(key, token)
        if row:
            row.status = status
            row.lease_until = 0.0
            self._touch(key, row, self._clock())
        return row

    def _touch(self, key: str, row: Row, now: float) -> None:
        row.touched_at = now
        self._rows.pop(key, None)
        self._rows[key] = row

    def _make_room(self) -> None:
        """Forget the oldest event, if there are as many as may be."""
        if len(self._rows) + len(self._finished) < self._most:
            return
        if not self._finished.remove_oldest():
            oldest = next((k for k, row in self._rows.items() if row.status not in _SPARED), None)
            if oldest is None:
                raise StoreUnavailable(
                    f"the store in memory is full: {self._most} events are being handled"
                )
            del self._rows[oldest]
        if not self._warned:
            self._warned = True
            logger.warning(
                "the store in memory keeps %d events (max_events) and forgets the oldest that was "
                "handled for each new one; an event that is forgotten is handled again if it "
                "arrives again. Use another store, such as sqlite:///webhooks.db",
                self._most,
            )

    def _purge_some(self, before: float, limit: int) -> int:
        now = self._clock()
        old = 0
        while old < limit and self._finished.remove_oldest(before):
            old += 1
        keys: list[str] = []
        for key, row in self._rows.items():
            if len(keys) >= limit - old or row.touched_at >= before:
                break
            if row.lease_until <= now and row.status not in ("queued", "running"):
                keys.append(key)
        for key in keys:
            del self._rows[key]
        return old + len(keys)

    def _find_finished(
        self, wanted: Filter, limit: int, after: Record | None, now: float
    ) -> list[Record]:
        """Find finished events from the last one on, a segment at a time."""
        ends = [] if after is None else [after.touched_at]
        ends += [] if wanted.idle is None else [now - wanted.idle]
        found: list[Record] = []
        with self._lock:
            number = self._finished.last_segment(min(ends, default=float("inf")))
            in_order = self._finished.in_order
        while True:
            with self._lock:
                packed = self._finished.segment(number)
            if packed is None:
                return found
            if wanted.key is not None:  # unpacking takes ten times as long as a look at the key
                packed = [each for each in packed if each[1].startswith(wanted.key)]
            events = self._finished.unpack(packed)
            records = [finished_record(key, event) for key, event in events]
            found = select(found + records, wanted, limit, after, now)
            earliest = min((record.touched_at for record in records), default=float("inf"))
            is_full = 0 < limit <= len(found) and earliest < found[-1].touched_at
            is_past = wanted.recent is not None and earliest < now - wanted.recent
            if in_order and (is_full or is_past):
                return found
            number -= 1

    def _fail(self, status: Status, key: str, token: str, error: str, body: bytes | None) -> bool:
        with self._lock:
            row = self._settle(key, token, status)
            if row:
                row.error = error
                row.body = row.body if body is None else body
            return row is not None
