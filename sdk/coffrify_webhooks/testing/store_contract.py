"""What every store promises, as a test suite: subclass it, and prove your own store with it.

    from coffrify_webhooks.testing.store_contract import StoreContract


    class TestMyStore(StoreContract):
        @pytest.fixture
        def store(self):
            store = MyStore("...")
            yield store
            store.close()

An `AsyncStore` is proved by `AsyncStoreContract`: there the fixture is `async_store`, and makes it
without awaiting anything.

The `store` of each test starts empty. Where the store's clock can be set, override the fixture
`advance` as well, and the suite does not wait; else it does, for some tens of seconds in all.
Requires pytest.
"""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from coffrify_webhooks.stores import AsyncStore, Store
from coffrify_webhooks.stores.blocking import blocking_form, is_async

from .contract.base import Advance
from .contract.claims import ClaimContract
from .contract.engines import EngineContract
from .contract.order import OrderContract
from .contract.records import RecordContract
from .contract.retention import RetentionContract
from .contract.search import SearchContract

__all__ = ["Advance", "AsyncStoreContract", "StoreContract"]


class StoreContract(
    ClaimContract,
    EngineContract,
    RetentionContract,
    RecordContract,
    SearchContract,
    OrderContract,
):
    """Each test states one promise of `coffrify_webhooks.Store`."""

    def test_is_a_store(self, store: Store) -> None:
        """The built-in stores satisfy the public protocol."""
        assert isinstance(store, Store)


class AsyncStoreContract(StoreContract):
    """Each test states one promise of `coffrify_webhooks.stores.AsyncStore`."""

    @pytest.fixture
    def async_store(self) -> AsyncStore:
        """Give the store to be proved, empty. To be overridden."""
        raise NotImplementedError("override the fixture `async_store`: it gives your store, empty")

    @pytest.fixture
    def store(self, async_store: AsyncStore) -> Iterator[Store]:
        """Give the store as sync code has it: awaited on an event loop of ours."""
        blocking = blocking_form(async_store)
        yield blocking
        blocking.close()

    def test_each_method_is_async(self, async_store: AsyncStore) -> None:
        """No method is a plain one."""
        assert is_async(async_store)

    def test_serves_several_loops_at_once(self, async_store: AsyncStore) -> None:
        """Calls come from the event loops of several threads; an event has one winner."""

        async def claim_all() -> list[str]:
            keys = [f"k{number}" for number in range(20)]
            claims = [await async_store.claim(key, "d", 60.0) for key in keys]
            await async_store.close()
            return [k for k, claim in zip(keys, claims, strict=True) if claim.status == "claimed"]

        with ThreadPoolExecutor(4) as pool:
            won = [pool.submit(lambda: asyncio.run(claim_all())) for _ in range(4)]
        found = [key for each in won for key in each.result()]
        assert sorted(found) == sorted(f"k{number}" for number in range(20))

    def test_serves_many_tasks_of_one_loop(self, async_store: AsyncStore) -> None:
        """Of twenty tasks that claim one event, one gets it."""

        async def claim_all() -> list[str]:
            claims = await asyncio.gather(*(async_store.claim("k", "d", 60.0) for _ in range(20)))
            await async_store.close()
            return [claim.status for claim in claims]

        assert sorted(asyncio.run(claim_all())) == ["busy"] * 19 + ["claimed"]
