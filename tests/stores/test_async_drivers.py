"""What breaks under an async SQL store, by each of its drivers: nothing is lost, and it passes."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import psycopg
import pytest
import uvloop
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine
from tests.servers.pgbouncer import PgBouncer
from tests.servers.postgres import Postgres
from tests.servers.switch import Switch

from coffrify_webhooks import ConfigurationError, Event, Receiver, Router, sign
from coffrify_webhooks.stores import open_store, sql_engine
from coffrify_webhooks.stores.blocking import blocking_form
from coffrify_webhooks.stores.sql import AsyncSQLStore, SQLStore

pytestmark = [
    pytest.mark.usefixtures("leftovers"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

SECRET = "whsec_" + "ab" * 32
READ_ONLY = "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"
_numbers = count()


def async_url(url: str, driver: str) -> str:
    return url.replace("postgresql:", f"postgresql+{driver}:", 1)


def delivery(number: int = 1) -> tuple[bytes, dict[str, str]]:
    body = b'{"id": "evt_%d", "type": "ping"}' % number
    return body, sign(body, SECRET)


async def ignore(event: Event) -> None:
    """Do nothing."""


def receiver_on(store: Any, handler: Callable[..., object] = ignore, **options: Any) -> Receiver:
    router = Router()
    router.on("*", name="handler", **options)(handler)
    receiver = Receiver(SECRET, store=store, router=router)
    assert receiver.purge_schedule.is_due()  # on a loop of ours; the next one is an hour away
    _receivers.append(receiver)
    return receiver


_receivers: list[Receiver] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    """Close what a loop of ours has opened."""
    yield
    while _receivers:
        _receivers.pop().store.close()


async def outcomes(receiver: Receiver, *numbers: int) -> list[str]:
    return [(await receiver.receive_async(*delivery(each))).outcome for each in numbers]


@pytest.fixture(params=["asyncpg", "psycopg_async"])
def driver(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def plain_url(postgres: Postgres) -> str:
    """The URL of an empty database, for a sync driver."""
    return postgres.database(f"async_{next(_numbers)}")


@pytest.fixture
def url(plain_url: str, driver: str) -> str:
    return async_url(plain_url, driver)


def rows(url: str, query: str) -> list[Any]:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(query.encode()).fetchall()


# --- in good order ----------------------------------------------------------------------------


def test_a_url_makes_a_store_that_is_awaited(url: str) -> None:
    """Deliveries by both drivers of the pipeline meet in one store."""
    receiver = receiver_on(url)
    assert asyncio.run(outcomes(receiver, 1, 1, 2)) == ["handled", "duplicate", "handled"]
    assert receiver.receive(*delivery(1)).outcome == "duplicate"
    assert receiver.store.stats() == {"done": 2}
    receiver.store.close()


def test_connections_end_with_their_loop(url: str, plain_url: str) -> None:
    """Nothing is left open when a loop has ended, nor after the store was made."""
    receiver = receiver_on(url)
    asyncio.run(outcomes(receiver, 1, 2))
    query = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
    others = f"{query} AND pid <> pg_backend_pid()"
    while rows(plain_url, others):  # the server notices a moment later
        pass


@pytest.mark.parametrize(
    "loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)
def test_many_deliveries_at_once(
    url: str, loop: Callable[[], asyncio.AbstractEventLoop], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred at once share the pool; each event is handled once."""
    monkeypatch.setattr(sql_engine, "_CONNECT_TIMEOUT", 60)  # a loaded machine opens them slowly
    seen: list[str | None] = []

    async def note(event: Event) -> None:
        await asyncio.sleep(0)
        seen.append(event.id)

    receiver = receiver_on(url, note)

    async def deliver() -> list[str]:
        twice = [*range(50), *range(50)]
        found = await asyncio.gather(*(outcomes(receiver, each) for each in twice))
        return [outcome for each in found for outcome in each]

    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(deliver()).count("handled") == 50
    assert len(seen) == len(set(seen)) == 50


FORK = """
import asyncio, gc, os, sys
from coffrify_webhooks import Receiver, Router, sign
router = Router()
@router.on("*")
async def handle(event): pass
receiver = Receiver("whsec_" + "ab" * 32, store=sys.argv[1], router=router)
def deliver(number):
    body = b'{"id": "evt_%d", "type": "ping"}' % number
    headers = sign(body, "whsec_" + "ab" * 32)
    first = receiver.receive(body, headers).outcome
    return first, asyncio.run(receiver.receive_async(body, headers)).outcome
assert deliver(1) == ("handled", "duplicate")
child = os.fork()
if child == 0:
    outcome = deliver(2)
    gc.collect()  # what the child does not use of the parent's ends nothing of the parent's
    os._exit(outcome != ("handled", "duplicate"))
assert os.waitpid(child, 0)[1] == 0
assert deliver(3) == ("handled", "duplicate")
receiver.store.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_fork_after_the_first_delivery(url: str) -> None:
    """Parent and child share no connection, those of the loop of ours included."""
    command = [sys.executable, "-W", "ignore:This process", "-c", FORK, url]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stderr) == (0, "")


# --- what breaks ------------------------------------------------------------------------------


@pytest.mark.parametrize("whose", ["ours", "the application's"])
def test_a_database_that_stops_answering(postgres: Postgres, url: str, whose: str) -> None:
    """While the server is stopped a delivery is 503; afterwards each is handled."""
    engine = create_async_engine(url)
    store = AsyncSQLStore(url if whose == "ours" else engine, timeout=0.5)
    receiver = receiver_on(store)

    async def deliver() -> list[str]:
        found = await outcomes(receiver, 1)
        postgres.pause()
        try:
            async with asyncio.timeout(60):  # else for ever
                found += await asyncio.gather(*(_outcome(receiver, each) for each in (2, 3, 4)))
                found += await outcomes(receiver, 2)
        finally:
            postgres.resume()
        return found + await outcomes(receiver, 5, 5, 1)

    assert asyncio.run(deliver()) == [
        "handled",
        *["unavailable"] * 4,
        "handled",
        *["duplicate"] * 2,
    ]


async def _outcome(receiver: Receiver, number: int) -> str:
    return (await receiver.receive_async(*delivery(number))).outcome


def test_a_database_that_is_restarted(postgres: Postgres, url: str) -> None:
    """Connections that died are not used: the next delivery reaches the server again."""
    with Switch(postgres.port) as switch:
        receiver = receiver_on(url.replace(str(postgres.port), str(switch.port)))

        async def deliver() -> list[str]:
            found = await outcomes(receiver, 1)
            target, switch.target = switch.target, 0
            switch.cut()
            found += await outcomes(receiver, 2)
            switch.target = target
            return found + await outcomes(receiver, 2, 2, 1)

        found = asyncio.run(deliver())
    assert found == ["handled", "unavailable", "handled", "duplicate", "duplicate"]


def test_an_application_starts_without_its_database(driver: str, caplog: Any) -> None:
    """A server that is away is told in the log, and a delivery is 503."""
    receiver = receiver_on(f"postgresql+{driver}://postgres@127.0.0.1:1/nowhere")
    assert "each delivery tries again" in caplog.text
    assert asyncio.run(outcomes(receiver, 1)) == ["unavailable"]


@pytest.mark.parametrize("whose", ["ours", "the application's"])
def test_a_server_that_became_read_only(url: str, whose: str) -> None:
    """Of a pool full of connections to a demoted server none is used twice."""
    store = AsyncSQLStore(url if whose == "ours" else create_async_engine(url))
    receiver = receiver_on(store)

    async def deliver() -> list[str]:
        found = await outcomes(receiver, 1)
        inner = await store._stores.get()
        connect = AsyncEngine(inner._engine).connect
        async with connect() as first, connect() as second:
            for each in (first, second):
                await each.exec_driver_sql(READ_ONLY)
                await each.commit()
        return found + await outcomes(receiver, 2, 2, 1)

    assert asyncio.run(deliver()) == ["handled", "unavailable", "handled", "duplicate"]


def test_a_pool_that_is_exhausted(url: str) -> None:
    """Without a free connection a delivery is 503, and handled once there is one."""
    engine = create_async_engine(url, pool_size=1, max_overflow=0, pool_timeout=0.2)
    store = AsyncSQLStore(engine)
    receiver = receiver_on(store)

    async def deliver() -> list[str]:
        inner = await store._stores.get()
        async with AsyncEngine(inner._engine).connect():
            found = await outcomes(receiver, 1)
        return found + await outcomes(receiver, 1, 1)

    assert asyncio.run(deliver()) == ["unavailable", "handled", "duplicate"]


def test_tables_that_are_gone_are_made_anew(url: str, plain_url: str) -> None:
    """A store whose tables are dropped in use makes them again for the next delivery."""
    receiver = receiver_on(url)
    assert asyncio.run(outcomes(receiver, 1)) == ["handled"]

    async def deliver() -> list[str]:
        await outcomes(receiver, 1)
        with psycopg.connect(plain_url, autocommit=True) as connection:
            connection.execute("DROP TABLE coffrify_webhooks_events, coffrify_webhooks_schema")
        return await outcomes(receiver, 2, 2, 2)

    assert asyncio.run(deliver()) == ["unavailable", "handled", "duplicate"]


# --- PgBouncer --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pooler(postgres: Postgres) -> Iterator[PgBouncer]:
    with PgBouncer(postgres) as made:
        yield made


@pytest.mark.parametrize("whose", ["ours", "the application's"])
def test_no_statement_runs_as_another_behind_a_pooler(
    pooler: PgBouncer, plain_url: str, driver: str, whose: str
) -> None:
    """Tasks of two loops on two connections of the pooler's: each call does what it says."""
    url = async_url(pooler.url(plain_url.rpartition("/")[2]), driver)
    stores = [AsyncSQLStore(url if whose == "ours" else create_async_engine(url)) for _ in range(2)]

    async def use(store: AsyncSQLStore, client: int) -> None:
        for number in range(15):
            key = f"{client} {number}"
            token = (await store.claim(key, "d", 60.0)).token
            assert await store.renew(key, token, 60.0)
            assert await store.checkpoint(key, token, "handler")
            assert (await store.claim(key, "d", 60.0)).status == "busy"
            assert await store.atomically(key, token, 60.0, "atomic", write)
            assert await store.done(key, token)
            record = await store.get(key)
            assert record is not None
            assert record.status == "done"
            assert record.finished == {"handler", "atomic"}

    async def write(connection: AsyncConnection) -> bool:
        found = await connection.execute(text("SELECT CAST(:n AS INTEGER) + 1"), {"n": 1})
        return bool(found.scalar_one() == 2)

    async def use_all() -> None:
        await asyncio.gather(*(use(stores[each % 2], each) for each in range(6)))

    asyncio.run(use_all())


# --- atomic handlers --------------------------------------------------------------------------


class Shop:
    """An application with a table of orders, whose handler writes to it."""

    def __init__(self, url: str, plain_url: str) -> None:
        with psycopg.connect(plain_url, autocommit=True) as connection:
            connection.execute("CREATE TABLE orders (event TEXT)")
        self.plain_url = plain_url
        self.engine = create_async_engine(url)
        self.store = AsyncSQLStore(self.engine)
        self.fails = False
        self.receiver = receiver_on(self.store, self.order, atomic=True)

    async def order(self, event: Event, connection: AsyncConnection) -> None:
        await connection.execute(text("INSERT INTO orders VALUES (:id)"), {"id": event.id})
        if self.fails:
            raise ValueError(event)

    def orders(self) -> list[str]:
        return [event for (event,) in rows(self.plain_url, "SELECT event FROM orders")]


@pytest.fixture
def shop(url: str, plain_url: str) -> Shop:
    return Shop(url, plain_url)


@pytest.mark.parametrize("way", ["sync", "async"])
def test_what_an_async_handler_writes_is_committed_with_its_finish(shop: Shop, way: str) -> None:
    """A handler that fails leaves nothing; one that returns leaves its write, once."""

    def deliver() -> str:
        if way == "sync":
            return shop.receiver.receive(*delivery()).outcome
        return asyncio.run(outcomes(shop.receiver, 1))[0]

    shop.fails = True
    assert deliver() == "failed"
    assert shop.orders() == []
    shop.fails = False
    assert [deliver(), deliver()] == ["handled", "duplicate"]
    assert shop.orders() == ["evt_1"]


def test_an_async_session_on_the_connection_is_part_of_it(shop: Shop) -> None:
    """What a session on the connection commits is committed by us, or rolled back."""

    async def order(event: Event, connection: AsyncConnection) -> None:
        async with AsyncSession(connection) as session:
            await session.execute(text("INSERT INTO orders VALUES (:id)"), {"id": event.id})
            await session.commit()
        if event.id == "evt_1":
            raise ValueError

    receiver = receiver_on(shop.store, order, atomic=True)
    assert asyncio.run(outcomes(receiver, 1, 2)) == ["failed", "handled"]
    assert shop.orders() == ["evt_2"]


def test_an_atomic_async_handler_that_lost_its_claim(shop: Shop) -> None:
    """Its transaction is rolled back, and the reply is busy."""

    async def order(event: Event, connection: AsyncConnection) -> None:
        await shop.order(event, connection)
        [record] = await shop.store.find()
        await shop.store.forget(record.key)

    receiver = receiver_on(shop.store, order, atomic=True)
    assert asyncio.run(outcomes(receiver, 1)) == ["busy"]
    assert shop.orders() == []


def test_atomic_async_handlers_run_at_the_same_time(shop: Shop) -> None:
    """Two transactions are open at once on one loop: neither waits for the other's end."""
    begun: list[str | None] = []

    async def order(event: Event, connection: AsyncConnection) -> None:
        await shop.order(event, connection)
        begun.append(event.id)
        async with asyncio.timeout(60):
            while len(begun) < 2:  # noqa: ASYNC110 - the other handler sets it
                await asyncio.sleep(0.001)

    receiver = receiver_on(shop.store, order, atomic=True)

    async def deliver() -> list[str]:
        return list(await asyncio.gather(_outcome(receiver, 1), _outcome(receiver, 2)))

    assert asyncio.run(deliver()) == ["handled", "handled"]
    assert sorted(shop.orders()) == ["evt_1", "evt_2"]


def test_an_atomic_async_handler_after_a_failover(shop: Shop) -> None:
    """A connection that may not write any more is 503 once, and not used again."""

    async def deliver() -> list[str]:
        inner = await shop.store._stores.get()
        assert inner._app is not None
        async with AsyncEngine(inner._app).connect() as connection:
            await connection.exec_driver_sql(READ_ONLY)
            await connection.commit()
        found = await outcomes(shop.receiver, 1)
        await shop.store.forget((await shop.store.find())[0].key)  # left to its lease
        return found + await outcomes(shop.receiver, 1)

    assert asyncio.run(deliver()) == ["unavailable", "handled"]
    assert shop.orders() == ["evt_1"]


def test_an_async_engine_in_autocommit_is_refused_for_atomic_handlers(
    url: str, plain_url: str
) -> None:
    """Where nothing could be rolled back, the handler does not begin."""
    shop = Shop(url, plain_url)
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    receiver = receiver_on(AsyncSQLStore(engine), shop.order, atomic=True)
    assert asyncio.run(outcomes(receiver, 1)) == ["failed"]
    assert shop.orders() == []


# --- mistakes ---------------------------------------------------------------------------------


def test_a_plain_atomic_handler_on_an_async_engine_is_refused(url: str) -> None:
    """It would block the loop; the remedy is named when the Receiver is made."""

    def order(event: Event, connection: Any) -> None: ...

    with pytest.raises(ConfigurationError, match=r"make it an `async def`, or give SQLStore a"):
        receiver_on(url, order, atomic=True)


def test_an_async_atomic_handler_on_a_sync_engine_is_refused(plain_url: str) -> None:
    """A transaction of a sync engine belongs to one thread; the remedy is named."""
    with pytest.raises(ConfigurationError, match="give SQLStore an AsyncEngine"):
        receiver_on(plain_url, ignore, atomic=True)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite+aiosqlite:///x.db", "sqlite:///"),
        ("mysql+asyncmy://h/x", "sync ones|asyncmy|driver"),
        ("postgresql+asyncpg://h:x/y", "cannot be read"),
    ],
)
def test_an_async_url_that_cannot_be_used(url: str, message: str) -> None:
    """What has no async store is told with what to take."""
    with pytest.raises(ConfigurationError, match=message):
        open_store(url)


@pytest.mark.parametrize("missing", ["asyncpg", "psycopg", "greenlet"])
def test_a_missing_async_driver_is_named_with_its_install_command(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever package is not there, one command brings all."""
    from coffrify_webhooks.stores import sql_engine

    monkeypatch.setattr(sql_engine, "find_spec", lambda name: None if name == missing else name)
    driver = "psycopg_async" if missing == "psycopg" else "asyncpg"
    with pytest.raises(ConfigurationError, match=rf"{missing} is not .*\[postgresql-async\]"):
        open_store(f"postgresql+{driver}://h/x")


def test_a_sync_engine_is_no_async_one(plain_url: str) -> None:
    """Where an async store is asked for, a sync driver is refused."""
    with pytest.raises(ConfigurationError, match=r"use postgresql\+asyncpg"):
        AsyncSQLStore(async_url(plain_url, "psycopg"))


@pytest.mark.parametrize("wrong", ["database", "user"])
def test_a_wrong_user_or_database_is_refused_by_async_drivers_too(url: str, wrong: str) -> None:
    """What the server turns away is told when the store is made, without the password."""
    spoilt = url.replace("postgres@", "stranger:secret7@") if wrong == "user" else f"{url}_not"
    with pytest.raises(ConfigurationError, match="check the user, password and database") as caught:
        open_store(spoilt)
    assert "secret7" not in str(caught.value)


def test_the_repr_of_an_async_store_hides_the_password(url: str) -> None:
    """Nor does the blocking form show it."""
    store = AsyncSQLStore(url.replace("postgres@", "postgres:hush@"))
    assert "hush" not in repr(store) + repr(blocking_form(store))
    assert "async_" in repr(store)


def test_an_async_engine_given_to_the_store_makes_the_async_one(url: str) -> None:
    """`SQLStore` takes whichever engine there is."""
    made: object = SQLStore(create_async_engine(url))
    assert isinstance(made, AsyncSQLStore)
