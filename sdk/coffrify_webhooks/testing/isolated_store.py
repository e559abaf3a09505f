"""The stores of isolated receivers: in memory, one for each place where claims were kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from coffrify_webhooks.errors import ClaimLost
from coffrify_webhooks.stores import AsyncAtomicStore, AtomicStore
from coffrify_webhooks.stores.blocking import ALSO, METHODS, async_form, blocking_form
from coffrify_webhooks.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from coffrify_webhooks.stores import AsyncStore, Move, Store

__all__ = ["isolated_store"]

T = TypeVar("T")


class _AtomicMemoryStore(MemoryStore):
    """Claims are in memory; `atomic` handlers run in a transaction of the real database."""

    def __init__(self, real: AtomicStore, clock: Callable[[], float]) -> None:
        super().__init__(clock=clock)
        self._real = real
        run: Any = getattr(real, "run_in_transaction", None)
        if run is not None:  # of async handlers, in Django
            self.run_in_transaction: Any = run

    def atomically(
        self,
        key: str | None,
        token: str,
        lease: float,
        handler: str,
        work: Callable[[Any], T],
        move: Move | None = None,
        /,
    ) -> T:
        """See `AtomicStore.atomically`."""

        def work_and_record(connection: Any) -> T:
            result = work(connection)
            _record(self, key, token, handler, move)
            return result

        return self._real.atomically(None, "", lease, handler, work_and_record)


class _AsyncAtomicMemoryStore:
    """Likewise, where the real store is async; its methods are made below."""

    def __init__(self, real: AsyncAtomicStore, clock: Callable[[], float]) -> None:
        self.memory: MemoryStore = MemoryStore(clock=clock)
        self._real = real

    async def atomically(
        self,
        key: str | None,
        token: str,
        lease: float,
        handler: str,
        work: Callable[[Any], Awaitable[T]],
        move: Move | None = None,
        /,
    ) -> T:
        """See `AsyncAtomicStore.atomically`."""

        async def work_and_record(connection: Any) -> T:
            result = await work(connection)
            _record(self.memory, key, token, handler, move)
            return result

        return await self._real.atomically(None, "", lease, handler, work_and_record)


def _make_async(name: str) -> Callable[..., Awaitable[Any]]:
    async def call(self: _AsyncAtomicMemoryStore, *arguments: Any, **options: Any) -> Any:
        return getattr(self.memory, name)(*arguments, **options)

    return call


for _name in (*METHODS, *ALSO):
    setattr(_AsyncAtomicMemoryStore, _name, _make_async(_name))


def _record(
    store: MemoryStore, key: str | None, token: str, handler: str, move: Move | None
) -> None:
    if key is not None and not store.checkpoint(key, token, handler):
        raise ClaimLost("the claim on this event ended while the event was handled")
    if move is not None and not store.unlock(*move):
        raise ClaimLost("the lock on the event's object ended while the event was handled")


def isolated_store(real: Store, clock: Callable[[], float]) -> Store:
    """Return an empty store that can do what the real one can, and keeps nothing of its own."""
    inner = async_form(real)
    if isinstance(inner, AsyncAtomicStore):
        return blocking_form(cast("AsyncStore", _AsyncAtomicMemoryStore(inner, clock)))
    if inner is None and isinstance(real, AtomicStore):
        return _AtomicMemoryStore(real, clock)
    return MemoryStore(clock=clock)
