"""Claims in this process's memory: for tests, and programs that may forget on restart."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from secrets import token_hex
from threading import Lock
from typing import Literal

from . import Claim

__all__ = ["MemoryStore"]


_MOST_DEAD_LETTERS = 1000


@dataclass(slots=True)
class _Row:
    digest: str
    status: str = "free"  # free, claimed, queued, running, done
    token: str = ""
    lease_until: float = 0.0
    touched: float = 0.0
    finished: set[str] = field(default_factory=set[str])


class MemoryStore:
    """A store that dies with its process; other processes do not see it.

    clock: returns seconds; only differences matter.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = Lock()
        self._rows: dict[str, _Row] = {}
        self.dead_letters: list[tuple[str, str, str, bytes]] = []
        """(key, digest, reason, body) of each, oldest first."""

    def claim(self, key: str, digest: str, lease: float, token: str | None = None) -> Claim:
        """See `Store.claim`."""
        with self._lock:
            now = self._clock()
            row = self._rows.setdefault(key, _Row(digest))
            if not self._may_take(row, now, token):
                return Claim(self._refusal(row, digest))
            row.status = "claimed" if token is None else "running"
            row.digest = digest
            row.token = token_hex(16)
            row.lease_until = now + lease
            row.touched = now
            return Claim("claimed", row.token, frozenset(row.finished))

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
        return self._settle(key, token, "done")

    def queued(self, key: str, token: str) -> bool:
        """See `Store.queued`."""
        return self._settle(key, token, "queued")

    def release(self, key: str, token: str) -> bool:
        """See `Store.release`."""
        with self._lock:
            row = self._held(key, token)
            if row is None:
                return False
            if row.finished:
                row.status = "free"
                row.lease_until = 0.0
            else:
                del self._rows[key]
            return True

    def forget(self, key: str) -> bool:
        """See `Store.forget`."""
        with self._lock:
            return self._rows.pop(key, None) is not None

    def bury(self, key: str, digest: str, reason: str, body: bytes) -> None:
        """See `Store.bury`."""
        with self._lock:
            if all(letter[:2] != (key, digest) for letter in self.dead_letters):
                self.dead_letters.append((key, digest, reason, body))
                del self.dead_letters[:-_MOST_DEAD_LETTERS]

    def purge(self, older_than: float, limit: int = 1000) -> int:
        """See `Store.purge`."""
        with self._lock:
            now = self._clock()
            old = [
                key
                for key, row in self._rows.items()
                if row.touched < now - older_than
                and row.lease_until <= now
                and row.status not in ("queued", "running")
            ][:limit]
            for key in old:
                del self._rows[key]
            return len(old)

    def close(self) -> None:
        """See `Store.close`."""

    @staticmethod
    def _may_take(row: _Row, now: float, token: str | None) -> bool:
        expired = row.lease_until <= now
        if row.status == "free" or (row.status == "claimed" and expired):
            return True
        if token is None:
            return False
        return (
            row.status == "queued"
            or (row.status == "running" and expired)
            or (row.status == "claimed" and row.token == token)
        )

    @staticmethod
    def _refusal(row: _Row, digest: str) -> Literal["busy", "queued", "done", "conflict"]:
        if row.status == "done":
            return "done" if row.digest == digest else "conflict"
        return "busy" if row.status == "claimed" else "queued"

    def _held(self, key: str, token: str) -> _Row | None:
        row = self._rows.get(key)
        held = row is not None and row.token == token and row.status in ("claimed", "running")
        return row if held else None

    def _settle(self, key: str, token: str, status: str) -> bool:
        with self._lock:
            row = self._held(key, token)
            if row:
                row.status = status
                row.lease_until = 0.0
                row.touched = self._clock()
            return row is not None
