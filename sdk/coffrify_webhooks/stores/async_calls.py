"""The methods of a store as coroutines, each performed by one method of the subclass."""

from abc import ABC, abstractmethod
from typing import Any

from .protocol import Claim, Lock
from .record import EVERYTHING, STATS_COUNT_TO, About, Filter, Record, Status

__all__ = ["AsyncCalls"]


class AsyncCalls(ABC):
    """An `AsyncStore`; see `Store` for what each method does. A subclass performs the calls."""

    @abstractmethod
    async def _call(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Perform a method of `Store`."""

    async def claim(
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
        found: Claim = await self._call("claim", key, digest, lease, token, about, body, over=over)
        return found

    async def renew(self, key: str, token: str, lease: float) -> bool:
        """See `Store.renew`."""
        return bool(await self._call("renew", key, token, lease))

    async def checkpoint(self, key: str, token: str, handler: str) -> bool:
        """See `Store.checkpoint`."""
        return bool(await self._call("checkpoint", key, token, handler))

    async def done(self, key: str, token: str) -> bool:
        """See `Store.done`."""
        return bool(await self._call("done", key, token))

    async def queued(self, key: str, token: str, error: str | None = None) -> bool:
        """See `Store.queued`."""
        return bool(await self._call("queued", key, token, error))

    async def failed(self, key: str, token: str, error: str, body: bytes | None = None) -> bool:
        """See `Store.failed`."""
        return bool(await self._call("failed", key, token, error, body))

    async def dead(self, key: str, token: str, error: str, body: bytes | None = None) -> bool:
        """See `Store.dead`."""
        return bool(await self._call("dead", key, token, error, body))

    async def release(self, key: str, token: str) -> bool:
        """See `Store.release`."""
        return bool(await self._call("release", key, token))

    async def forget(self, key: str) -> bool:
        """See `Store.forget`."""
        return bool(await self._call("forget", key))

    async def conflict(self, key: str, digest: str, about: About, body: bytes | None) -> None:
        """See `Store.conflict`."""
        await self._call("conflict", key, digest, about, body)

    async def lock(self, mark: str, lease: float) -> Lock | None:
        """See `OrderedStore.lock`."""
        found: Lock | None = await self._call("lock", mark, lease)
        return found

    async def renew_lock(
        self, mark: str, token: str, lease: float, state: str | None = None
    ) -> bool:
        """See `OrderedStore.renew_lock`."""
        return bool(await self._call("renew_lock", mark, token, lease, state))

    async def unlock(self, mark: str, token: str, state: str | None = None) -> bool:
        """See `OrderedStore.unlock`."""
        return bool(await self._call("unlock", mark, token, state))

    async def purge(self, older_than: float, limit: int = 1000) -> int:
        """See `Store.purge`."""
        return int(await self._call("purge", older_than, limit))

    async def get(self, key: str) -> Record | None:
        """See `Store.get`."""
        found: Record | None = await self._call("get", key)
        return found

    async def find(
        self, wanted: Filter = EVERYTHING, limit: int = 100, after: Record | None = None
    ) -> list[Record]:
        """See `Store.find`."""
        found: list[Record] = await self._call("find", wanted, limit, after)
        return found

    async def stats(self, most: int | None = STATS_COUNT_TO) -> dict[Status, int]:
        """See `Store.stats`."""
        found: dict[Status, int] = await self._call("stats", most)
        return found
