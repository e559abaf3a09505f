"""The marks of the store in memory: which object's handler is running, and how far it has come."""

from collections.abc import Callable
from dataclasses import dataclass
from os import urandom
from threading import Lock as Mutex

from coffrify_webhooks.errors import StoreUnavailable

from .protocol import Lock

__all__ = ["MemoryMarks"]


@dataclass(slots=True)
class _Mark:
    token: str
    lease_until: float
    touched_at: float
    state: str = ""


class MemoryMarks:
    """See `OrderedStore`; at most `most` marks, of which the oldest that is free makes room."""

    def __init__(self, clock: Callable[[], float], most: int) -> None:
        self._clock = clock
        self._most = most
        self._mutex = Mutex()
        self._marks: dict[str, _Mark] = {}
        """Those touched last are at the end."""

    def lock(self, mark: str, lease: float) -> Lock | None:
        """See `OrderedStore.lock`."""
        with self._mutex:
            now = self._clock()
            found = self._marks.get(mark)
            if found is not None and found.token and found.lease_until > now:
                return None
            if found is None:
                self._make_room(now)
                found = _Mark("", 0.0, now)
            found.token, found.lease_until = urandom(16).hex(), now + lease
            self._touch(mark, found, now)
            return Lock(found.token, found.state or None)

    def renew(self, mark: str, token: str, lease: float, state: str | None) -> bool:
        """See `OrderedStore.renew_lock`."""
        with self._mutex:
            found = self._find_held(mark, token)
            if found is not None:
                found.lease_until = self._clock() + lease
                found.state = found.state if state is None else state
            return found is not None

    def unlock(self, mark: str, token: str, state: str | None) -> bool:
        """See `OrderedStore.unlock`."""
        with self._mutex:
            found = self._find_held(mark, token)
            if found is None:
                return False
            found.token, found.lease_until = "", 0.0
            found.state = found.state if state is None else state
            if found.state:
                self._touch(mark, found, self._clock())
            else:
                del self._marks[mark]
            return True

    def purge(self, older_than: float, limit: int) -> int:
        """Drop up to `limit` marks; see `Store.purge`."""
        with self._mutex:
            now = self._clock()
            old: list[str] = []
            for mark, found in self._marks.items():
                if len(old) >= limit or found.touched_at >= now - older_than:
                    break
                if found.lease_until <= now:
                    old.append(mark)
            for mark in old:
                del self._marks[mark]
            return len(old)

    def _find_held(self, mark: str, token: str) -> _Mark | None:
        found = self._marks.get(mark)
        return found if found is not None and token and found.token == token else None

    def _touch(self, mark: str, found: _Mark, now: float) -> None:
        found.touched_at = now
        self._marks.pop(mark, None)
        self._marks[mark] = found

    def _make_room(self, now: float) -> None:
        if len(self._marks) < self._most:
            return
        oldest = next((m for m, found in self._marks.items() if found.lease_until <= now), None)
        if oldest is None:
            raise StoreUnavailable(f"the store in memory is full: {self._most} marks are locked")
        del self._marks[oldest]
