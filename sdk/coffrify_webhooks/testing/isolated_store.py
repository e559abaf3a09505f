"""The stores of isolated receivers: in memory, one for each place where claims were kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from coffrify_webhooks.errors import ClaimLost
from coffrify_webhooks.stores import AtomicStore
from coffrify_webhooks.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from coffrify_webhooks.stores import Store

__all__ = ["isolated_store"]

T = TypeVar("T")


class _AtomicMemoryStore(MemoryStore):
    """Claims are in memory; `atomic` handlers run in a transaction of the real database."""

    def __init__(self, real: AtomicStore, clock: Callable[[], float]) -> None:
        super().__init__(clock=clock)
        self._real = real

    def atomically(
        self, key: str | None, token: str, lease: float, handler: str, work: Callable[[Any], T], /
    ) -> T:
        """See `AtomicStore.atomically`."""

        def work_and_record(connection: Any) -> T:
            result = work(connection)
            if key is not None and not self.checkpoint(key, token, handler):
                raise ClaimLost("the claim on this event ended while it was handled")
            return result

        return self._real.atomically(None, "", lease, handler, work_and_record)


def isolated_store(real: Store, clock: Callable[[], float]) -> MemoryStore:
    """Return an empty store that can do what the real one can, and keeps nothing of its own."""
    if isinstance(real, AtomicStore):
        return _AtomicMemoryStore(real, clock)
    return MemoryStore(clock=clock)
