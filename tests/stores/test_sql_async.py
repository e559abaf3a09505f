"""The SQL store on async engines, by both drivers, against a real PostgreSQL."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from tests.servers.postgres import Postgres
from tests.stores.test_contract import Clock, Clocked

from coffrify_webhooks.stores import AsyncStore, Store
from coffrify_webhooks.stores.blocking import blocking_form
from coffrify_webhooks.stores.sql import AsyncSQLStore
from coffrify_webhooks.testing.store_contract import AsyncStoreContract

pytestmark = [
    pytest.mark.usefixtures("leftovers"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


def async_url(url: str, driver: str) -> str:
    return url.replace("postgresql:", f"postgresql+{driver}:", 1)


@pytest.fixture(scope="module")
def stores() -> dict[str, AsyncSQLStore]:
    """Stores that many tests share, each opened once."""
    return {}


class Contract(AsyncStoreContract, Clocked):
    """The public suite on a database of its own, whose rows each test finds empty."""

    driver = ""

    @pytest.fixture
    def async_store(
        self, clock: Clock, postgres: Postgres, stores: dict[str, AsyncSQLStore]
    ) -> AsyncStore:
        name = type(self).__name__
        if name not in stores:
            database = self.database(async_url(postgres.database(name.lower()), self.driver))
            stores[name] = AsyncSQLStore(database, clock=clock)
        store = stores[name]
        blocking = blocking_form(store)
        self.set_clock(store, lambda: 1e12)
        for record in blocking.find(limit=1000):
            blocking.forget(record.key)
        blocking.purge(0.0, 1000)  # what is left are marks, all of them old by then
        self.set_clock(store, clock)
        return store

    def set_clock(self, store: AsyncSQLStore, clock: Callable[[], float]) -> None:
        store._clock = clock
        for made in store._stores._made.values():
            made._clock = clock

    @pytest.fixture
    def store(self, async_store: AsyncStore) -> Store:
        """Keep its connections for the next test."""
        return blocking_form(async_store)

    def database(self, url: str) -> Any:
        return url


class TestAsyncpg(Contract):
    driver = "asyncpg"


@pytest.mark.long
class TestApplicationsEngineOnPsycopg(Contract):
    driver = "psycopg_async"

    def database(self, url: str) -> AsyncEngine:
        return create_async_engine(url)
