"""Health: what a monitor and a person are told of a receiver."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.stores.async_memory import AsyncMemoryStore

from coffrify_webhooks import Event, Health, Receiver, Router, sign
from coffrify_webhooks.monitoring.health import last_delivery, oldest_queued
from coffrify_webhooks.stores import About
from coffrify_webhooks.stores.memory import MemoryStore
from coffrify_webhooks.stores.redis import RedisStore
from coffrify_webhooks.stores.refused import request
from coffrify_webhooks.stores.sql import SQLStore
from coffrify_webhooks.stores.sqlite import SQLiteStore

SECRET = "whsec_" + "ab" * 16
NOW = 1_700_000_000.0


class Clock:
    """Tells the time that a test sets."""

    now = NOW

    def __call__(self) -> float:
        return self.now


def make(store: Any, clock: Clock, **options: Any) -> Receiver:
    router = Router()

    @router.on("*", allow_unknown=True)
    def handle(event: Event) -> None: ...

    return Receiver(SECRET, router=router, store=store, clock=clock, **options)


def deliver(receiver: Receiver, event_id: str = "evt_1") -> None:
    body = json.dumps({"id": event_id, "type": "ping"}).encode()
    reply = receiver.receive(body, sign(body, SECRET, timestamp=receiver.clock()))
    assert reply.status == 200


@pytest.fixture(params=["memory", "sqlite", "async"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    if request.param == "sqlite":
        found: Any = SQLiteStore(tmp_path / "webhooks.db", clock=Clock())
    else:
        kind: Any = MemoryStore if request.param == "memory" else AsyncMemoryStore
        found = kind(clock=Clock())
    yield found
    if request.param != "async":
        found.close()


@pytest.mark.parametrize("way", ["sync", "asyncio", "trio"])
def test_health_tells_of_store_handlers_and_the_last_delivery(store: Any, way: str) -> None:
    """Sync and async alike, whatever the store."""
    receiver = make(store, Clock())

    def ask() -> Health:
        return receiver.health() if way == "sync" else anyio.run(receiver.health_async, backend=way)

    empty = ask()
    assert (empty.ok, empty.store_ok, empty.handlers) == (True, True, 1)
    assert (empty.last_delivery, empty.oldest_queued) == (None, None)
    deliver(receiver)
    found = ask()
    assert found.last_delivery == NOW
    assert found.counts.get("done") == 1
    assert found.keys == {"0": NOW}


@pytest.mark.parametrize("driver", ["", "+asyncpg", "+psycopg_async", "mariadb", "valkey"])
def test_health_of_a_store_on_a_server(driver: str, request: pytest.FixtureRequest) -> None:
    """By a sync driver and by an async one, from a plain thread and from an event loop."""
    server: Any = request.getfixturevalue(driver if driver.isalpha() else "postgres")
    store: Any
    if driver == "valkey":
        store = RedisStore(server.url, prefix="health")
    else:
        store = server.database("health").replace("postgresql", f"postgresql{driver}")
    receiver = Receiver(SECRET, router=Router(), store=store, name=f"health{driver}")
    receiver.on("*")(lambda event: None)
    before = receiver.health()
    assert (before.ok, before.last_delivery) == (True, None)
    deliver(receiver)
    for found in (receiver.health(), anyio.run(receiver.health_async)):
        assert found.ok
        assert found.last_delivery is not None
        assert found.counts.get("done") == 1
    if isinstance(receiver.store, SQLStore):
        receiver.store.close()


def test_another_process_knows_the_last_delivery_by_the_store() -> None:
    """It has seen none itself; nor does what was touched later hide it."""
    clock = Clock()
    shared = MemoryStore(clock=clock)
    deliver(make(shared, clock), "evt_1")
    clock.now += 5
    deliver(make(shared, clock), "evt_2")
    found = make(shared, clock).health()
    assert found.last_delivery == NOW + 5
    assert found.keys == {}


def test_a_store_that_fails_is_told_and_nothing_is_raised(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whatever it raises: the log has the classes of the errors, and not their texts."""

    class Broken(MemoryStore):
        def stats(self, most: int | None = 0) -> Any:
            raise LookupError("hunter2") from ConnectionError("hunter2")

    receiver = make(Broken(), Clock())
    for found in (receiver.health(), anyio.run(receiver.health_async)):
        assert (found.ok, found.store_ok, found.handlers) == (False, False, 1)
    told = [record.getMessage() for record in caplog.records]
    assert told == ["health: the store did not answer: LookupError from ConnectionError"] * 2
    assert "hunter2" not in caplog.text


def test_requests_of_strangers_do_not_hide_the_last_delivery() -> None:
    """Those that were refused and kept for the doctor, however many: they are no events."""
    clock = Clock()
    store = MemoryStore(clock=clock)
    deliver(make(store, clock))
    for number in range(150):
        kept = request("default", "signature_mismatch", "POST", b"{}", [], NOW + number)
        clock.now = NOW + number
        store.conflict(f"{number:064x}", kept.digest, kept.about, kept.body)
    assert last_delivery(store, "default") == NOW
    assert last_delivery(store, None) == NOW


def test_a_receiver_without_handlers_is_not_well() -> None:
    """Unless it hands its events over."""
    lone = Receiver(SECRET, router=Router(), store="memory:")
    assert (lone.health().ok, lone.health().store_ok) == (False, True)

    class Engine:
        def dispatch(self, message: Any) -> None: ...

    handing = Receiver(SECRET, router=Router(), store="memory:", dispatcher=Engine())
    assert handing.health().ok


@pytest.mark.parametrize("count", [1, 99, 100, 101, 1000])
def test_the_oldest_queued_event_is_found_among_many(count: int) -> None:
    """In a number of questions that does not grow with them; to a tenth of its age at worst."""
    clock = Clock()
    asked: list[float | None] = []

    class Counted(MemoryStore):
        def find(self, *arguments: Any, **options: Any) -> Any:
            asked.append(None)
            return super().find(*arguments, **options)

    shared = Counted(clock=clock)
    for number in range(count):
        clock.now = NOW + 10 * number
        key = f"{number:064x}"
        claim = shared.claim(key, "digest", 60, None, About("default", str(number), "ping"))
        shared.queued(key, claim.token)
    age = clock.now - NOW
    found = oldest_queued(shared, "default", clock.now)
    assert found is not None
    assert 0.85 * age <= found <= age
    assert len(asked) <= 16
    assert oldest_queued(shared, "another", clock.now) is None
