"""Atomic handlers in order: what they write, and how far they have come, is one transaction."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from django.db import connections
from tests.django_databases import migrated
from tests.servers.postgres import Postgres

from coffrify_webhooks import Event, Receiver, Router, parse, sign
from coffrify_webhooks.stores.blocking import blocking_form
from coffrify_webhooks.stores.sql import SQLStore
from coffrify_webhooks.testing import isolated
from coffrify_webhooks_django import DjangoStore

SECRET = "whsec_" + "ab" * 16
NOW = 1_700_000_000.0
INSERT = "INSERT INTO order_effects VALUES ({})"


class Shop:
    """An application with a table of its own, and the store in the same database."""

    def __init__(self, store: Any, written: Callable[[], list[int]], *, is_async: bool) -> None:
        self.store = store
        self.written = written
        self.router = Router()
        self.now = NOW
        self.failing: list[int] = []
        options: Any = {
            "key": lambda event: event.data["id"],
            "order": "latest",
            "version": lambda event: event.data["v"],
            "atomic": True,
        }
        handler = self.handle_async if is_async else self.handle
        self.router.on("*", name="sum", **options)(handler)
        # A name of its own: receivers of other tests, with other secrets, may share the database.
        self.receiver = Receiver(
            SECRET, name="order", store=store, router=self.router, clock=lambda: self.now
        )

    def handle(self, event: Event, connection: Any) -> None:
        version = event.data["v"]
        if hasattr(connection, "exec_driver_sql"):
            connection.exec_driver_sql(INSERT.format(version))
        else:
            connection.cursor().execute(INSERT.format(version))
        self.fail(version)

    async def handle_async(self, event: Event, connection: Any) -> None:
        version = event.data["v"]
        await connection.execute(sqlalchemy.text(INSERT.format(version)))
        self.fail(version)

    def fail(self, version: int) -> None:
        if version in self.failing:
            self.failing.remove(version)
            raise ValueError(version)

    def body(self, version: int) -> bytes:
        event = {"id": f"evt_{version}", "type": "x.y", "data": {"id": "a", "v": version}}
        return json.dumps(event).encode()

    def deliver(self, *versions: int) -> list[str]:
        replies: list[str] = []
        for version in versions:
            body = self.body(version)
            headers = sign(body, SECRET, timestamp=self.now)
            replies.append(self.receiver.receive(body, headers).outcome)
        return replies

    def deliver_async(self, version: int) -> str:
        body = self.body(version)
        headers = sign(body, SECRET, timestamp=self.now)
        return asyncio.run(self.receiver.receive_async(body, headers)).outcome


def with_table(url: str) -> Any:
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE IF EXISTS order_effects")
        connection.exec_driver_sql("CREATE TABLE order_effects (version INTEGER)")
    return engine


def versions_in(engine: Any) -> list[int]:
    with engine.connect() as connection:
        return [v for (v,) in connection.exec_driver_sql("SELECT version FROM order_effects")]


KINDS = (
    "sqlite",
    "postgresql",
    pytest.param("mariadb", marks=pytest.mark.long),  # whose statements are those of PostgreSQL
    "async",
    "django file",
    "django postgres",
)


@pytest.fixture(params=KINDS)
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    """One for each store that may be the application's own database."""
    kind = request.param
    if kind.startswith("django"):
        alias = kind.partition(" ")[2]
        where: Any = tmp_path / "db" if alias == "file" else request.getfixturevalue(alias).url
        with migrated(alias, where):
            yield from shop_in_django(alias)
        return
    if kind == "sqlite":
        url = f"sqlite+pysqlite:///{tmp_path}/shop.db"
    else:
        server = request.getfixturevalue("mariadb" if kind == "mariadb" else "postgres")
        url = server.database(f"order_{kind}")
        url = url.replace("postgresql:", "postgresql+psycopg:").replace("mysql:", "mysql+pymysql:")
    engine = with_table(url)
    store: Any = SQLStore(url.replace("+psycopg", "+asyncpg") if kind == "async" else url)
    yield Shop(store, lambda: versions_in(engine), is_async=kind == "async")
    (blocking_form(store) if kind == "async" else store).close()
    engine.dispose()


def shop_in_django(alias: str) -> Iterator[Shop]:
    def written() -> list[int]:
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT version FROM order_effects")
            return [version for (version,) in cursor.fetchall()]

    with connections[alias].cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS order_effects")
        cursor.execute("CREATE TABLE order_effects (version INTEGER)")
    yield Shop(DjangoStore(alias), written, is_async=False)
    with connections[alias].cursor() as cursor:
        cursor.execute("DROP TABLE order_effects")
    connections[alias].close()


def test_an_atomic_handler_moves_its_mark(shop: Shop) -> None:
    """What is older is skipped after it, and its lock is free."""
    assert shop.deliver(2, 1, 3) == ["handled", "superseded", "handled"]
    assert shop.written() == [2, 3]


def test_an_atomic_handler_that_fails_moves_nothing(shop: Shop) -> None:
    """Neither its writes nor its mark are there; older events run, and then the retry."""
    shop.failing = [2]
    assert shop.deliver(2, 1, 2, 1) == ["failed", "handled", "handled", "duplicate"]
    assert shop.written() == [1, 2]


def test_an_atomic_handler_that_lost_its_lock_is_rolled_back(shop: Shop) -> None:
    """What it wrote goes with the mark that it may not move; the next attempt writes it."""
    inner: Any = shop.receiver.store
    target: Any = getattr(inner, "awaited", inner)
    is_async, lock, locks = target is not inner, target.lock, list[Any]()

    async def lose_async(mark: str, _lease: float) -> Any:
        found = await lock(mark, -1.0)  # over at once
        locks.append((mark, await lock(mark, 60.0)))  # by another process
        return found

    def lose(mark: str, _lease: float) -> Any:
        found = lock(mark, -1.0)
        locks.append((mark, lock(mark, 60.0)))
        return found

    target.lock = lose_async if is_async else lose
    assert shop.deliver(2) == ["busy"]
    assert shop.written() == []
    del target.lock
    [(mark, heir)] = locks
    assert inner.unlock(mark, heir.token, heir.state)
    inner.forget(inner.find()[0].key)
    assert shop.deliver(2) == ["handled"]
    assert shop.written() == [2]


@pytest.mark.parametrize("shop", ["sqlite", "async", "django postgres"], indirect=True)
def test_an_async_receiver_moves_marks_too(shop: Shop) -> None:
    """Under the async driver, where the handler runs in a thread or is awaited."""
    assert [shop.deliver_async(v) for v in (2, 1, 3)] == ["handled", "superseded", "handled"]
    assert shop.written() == [2, 3]


def test_an_isolated_receiver_keeps_order(shop: Shop) -> None:
    """The testing kit's store in memory does, beside a transaction of the real database."""
    with isolated(shop.receiver) as kit:
        events = [parse(shop.body(version)) for version in (2, 1)]
        outcomes = [kit.deliver(shop.receiver, event).outcome for event in events]
    assert outcomes == ["handled", "superseded"]


def test_what_an_atomic_handler_asks_of_the_store(postgres: Postgres) -> None:
    """It notes no beginning: its transaction leaves nothing behind that could be undone."""
    engine = with_table(
        postgres.database("order_calls").replace("postgresql:", "postgresql+psycopg:")
    )
    store = SQLStore(engine)
    shop = Shop(store, lambda: versions_in(engine), is_async=False)
    shop.receiver.drifts._allowed = float("-inf")  # no type here is known
    calls: list[str] = []
    for name in ("lock", "renew_lock", "unlock"):
        call = getattr(store, name)

        def note(*arguments: Any, name: str = name, call: Any = call) -> Any:
            calls.append(name)
            return call(*arguments)

        setattr(store, name, note)
    assert shop.deliver(1) == ["handled"]
    assert calls == ["lock"]
    with suppress(Exception):
        store.close()
    engine.dispose()
