"""The marks of a store in Redis or Valkey: each is a hash, and a sorted set has them by age."""

from abc import ABC, abstractmethod
from os import urandom
from typing import Any

from . import redis_scripts as scripts
from .protocol import Lock

__all__ = ["RedisMarks"]

_PAGE = 500


class RedisMarks(ABC):
    """See `OrderedStore`; `_tag` is what all names begin with."""

    _tag: str

    @abstractmethod
    def _run(
        self, script: scripts.Script, events: str | list[bytes] | tuple[()], *rest: Any
    ) -> Any:
        """Run a script on some keys."""

    def lock(self, mark: str, lease: float) -> Lock | None:
        """See `OrderedStore.lock`."""
        mine = urandom(16).hex()
        taken, state = self._run(scripts.LOCK, self._keys(mark), mine, lease)
        if not taken:
            return None
        return Lock(mine, None if state is None else state.decode())

    def renew_lock(self, mark: str, token: str, lease: float, state: str | None = None) -> bool:
        """See `OrderedStore.renew_lock`."""
        return bool(self._run(scripts.RENEW_LOCK, self._keys(mark), token, lease, state))

    def unlock(self, mark: str, token: str, state: str | None = None) -> bool:
        """See `OrderedStore.unlock`."""
        return bool(self._run(scripts.UNLOCK, self._keys(mark), token, state))

    def _purge_marks(self, older_than: float, limit: int) -> int:
        purged = spared = 0  # what is locked stays at the front
        while purged < limit:
            [index] = self._keys()
            count = min(_PAGE, limit - purged)
            old = self._run(scripts.OLD_MARKS, [index], older_than, spared, count)
            if not old:
                break
            dropped = self._run(scripts.DROP_MARKS, [index, *old], older_than)
            purged += dropped
            spared += len(old) - dropped
        return purged

    def _keys(self, *marks: str) -> list[bytes]:
        names = [f"{self._tag}index:marks", *(f"{self._tag}mark:{mark}" for mark in marks)]
        return [name.encode() for name in names]
