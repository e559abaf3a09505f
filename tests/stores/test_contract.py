"""The stores that need no server, proved by the public suite, with a clock that the test sets."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from coffrify_webhooks.stores import Store
from coffrify_webhooks.stores.memory import MemoryStore
from coffrify_webhooks.stores.sqlite import SQLiteStore
from coffrify_webhooks.testing.store_contract import Advance, StoreContract


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class Clocked(StoreContract):
    """A store whose clock can be set: nothing waits."""

    lease = 60.0
    age = 86_400.0

    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def advance(self, clock: Clock) -> Advance:
        return clock.advance


class TestMemory(Clocked):
    @pytest.fixture
    def store(self, clock: Clock) -> Store:
        return MemoryStore(clock=clock)


class TestSQLite(Clocked):
    @pytest.fixture
    def store(self, clock: Clock, tmp_path: Path) -> Iterator[Store]:
        made = SQLiteStore(tmp_path / "store.db", clock=clock)
        yield made
        made.close()
