"""Claims in PostgreSQL, MariaDB and SQLite by SQLAlchemy; the servers are real."""

import gc
import logging
import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from tests.in_time import in_time
from tests.servers.mariadb import MariaDB
from tests.servers.postgres import Postgres
from tests.servers.preloaded import Preloaded
from tests.servers.process import free_port
from tests.stores.test_contract import Clock, Clocked

from coffrify_webhooks import ConfigurationError, Receiver, Router, StoreUnavailable, sign
from coffrify_webhooks.errors import ClaimLost
from coffrify_webhooks.stores import Store, open_store
from coffrify_webhooks.stores.sql import SQLStore
from coffrify_webhooks.stores.statements import EVENTS, MARKS, SCHEMA, Statements

SECRET = "whsec_" + "ab" * 32


@pytest.fixture(scope="module")
def postgres_url(postgres: Postgres) -> str:
    return postgres.database("sql_store")


@pytest.fixture(scope="module")
def mariadb_url(mariadb: MariaDB) -> str:
    return mariadb.database("sql_store")


@pytest.fixture(params=["postgresql", "mariadb", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite+pysqlite:///{tmp_path}/store.db"
    name = "postgres" if request.param == "postgresql" else "mariadb"
    return request.getfixturevalue(f"{name}_url")  # type: ignore[no-any-return]


def emptied(url: str, clock: Clock | None = None) -> SQLStore:
    store = SQLStore(url, clock=clock)
    empty(store)
    return store


def empty(store: SQLStore) -> None:
    with store._session() as execute:
        for table in (EVENTS, MARKS):
            execute(f"DELETE FROM {table}", {})


@pytest.fixture
def store(url: str) -> Iterator[SQLStore]:
    """A store on the server's own clock."""
    made = emptied(url)
    yield made
    made.close()


@pytest.fixture(scope="module")
def contract_stores() -> Iterator[dict[str, SQLStore]]:
    """Stores that many tests share, each opened once."""
    stores: dict[str, SQLStore] = {}
    yield stores
    for store in stores.values():
        store.close()


class Contract(Clocked):
    """The public suite on a database of its own, whose rows each test finds empty."""

    fixture = ""
    as_engine = False

    @pytest.fixture
    def store(
        self,
        clock: Clock,
        request: pytest.FixtureRequest,
        contract_stores: dict[str, SQLStore],
        tmp_path_factory: pytest.TempPathFactory,
    ) -> Store:
        name = type(self).__name__
        if name not in contract_stores:
            contract_stores[name] = SQLStore(self.database(request, tmp_path_factory), clock=clock)
        store = contract_stores[name]
        store._clock = clock
        empty(store)
        return store

    def database(
        self, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
    ) -> Any:
        if not self.fixture:
            return f"sqlite+pysqlite:///{tmp_path_factory.mktemp('sql')}/store.db"
        url = request.getfixturevalue(self.fixture).database(f"contract_{type(self).__name__}")
        return sqlalchemy.create_engine(SQLStore_url(url)) if self.as_engine else url


class TestPostgreSQL(Contract):
    fixture = "postgres"


class TestMariaDB(Contract):
    fixture = "mariadb"


class TestSQLite(Contract):
    pass


class TestApplicationsEngine(Contract):
    fixture = "postgres"
    as_engine = True


# --- the server's clock -----------------------------------------------------------------------


def test_leases_end_by_the_servers_clock(store: SQLStore) -> None:
    """Without a clock of ours a lease ends when the server says so, and holds until then."""
    assert store.claim("k", "d", 0.4).status == "claimed"
    assert store.claim("k", "d", 60).status == "busy"
    time.sleep(0.45)
    assert store.claim("k", "d", 60).status == "claimed"
    assert store.claim("k", "d", 60).status == "busy"


def test_renewal_by_the_servers_clock(store: SQLStore) -> None:
    """A renewed claim holds beyond its first lease."""
    token = store.claim("k", "d", 0.4).token
    assert store.renew("k", token, 60)
    time.sleep(0.45)
    assert store.claim("k", "d", 60).status == "busy"


def test_the_machines_clock_does_not_matter(postgres_url: str, monkeypatch: Any) -> None:
    """On a server, a machine whose clock is a day ahead takes no live claim away."""
    store = emptied(postgres_url)
    store.claim("k", "d", 60)
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 86_400)
    ahead = SQLStore(postgres_url)
    assert ahead.claim("k", "d", 60).status == "busy"
    ahead.close()
    store.close()


def test_an_endless_lease(store: SQLStore) -> None:
    """A lease may be longer than any database can count."""
    assert store.claim("k", "d", float("inf")).status == "claimed"
    assert store.claim("k", "d", 60).status == "busy"


# --- tables -----------------------------------------------------------------------------------


def drop(url: str, *tables: str) -> None:
    engine = SQLStore(url)._engine
    with engine.begin() as connection:
        for table in tables:
            connection.exec_driver_sql(f"DROP TABLE {table}")
    engine.dispose()


def run(url: str, *statements: str) -> None:
    engine = sqlalchemy.create_engine(SQLStore_url(url))
    try:
        with engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
    finally:
        engine.dispose()


def SQLStore_url(url: str) -> str:  # noqa: N802
    for plain, full in (("postgresql:", "postgresql+psycopg:"), ("mysql:", "mysql+pymysql:")):
        url = url.replace(plain, full, 1)
    return url


def test_tables_are_made_once_by_many(url: str, preloaded: Preloaded, tmp_path: Path) -> None:
    """Four processes that begin at once on an empty database all work."""
    drop(url, EVENTS, SCHEMA)
    script = (
        "import sys; from coffrify_webhooks.stores.sql import SQLStore;"
        "print(SQLStore(sys.argv[1]).claim(sys.argv[2], 'd', 60).status)"
    )
    processes = [
        preloaded.start(
            [sys.executable, "-c", script, url, f"k{number}"], tmp_path, {}, tmp_path / "said"
        )
        for number in range(4)
    ]
    assert [process.wait(60) for process in processes] == [0] * 4
    assert (tmp_path / "said").read_text() == "claimed\n" * 4


def test_a_purge_after_close_leaves_no_connection_open(url: str) -> None:
    """Nor does a renewal, on a thread of ours too; the store goes on to work, and keeps its own."""
    store = emptied(url)
    store.close()
    late = threading.Thread(target=store.purge, args=(60,), name="coffrify-webhooks-purges")
    late.start()
    late.join()
    pool: Any = store._engine.pool
    assert pool.checkedin() == 0
    assert store.claim("again", "d", 60).status == "claimed"
    assert store._engine.pool.checkedin() == 1  # type: ignore[attr-defined]
    store.close()


def test_a_later_version_is_refused(url: str) -> None:
    """Tables of a later version are left alone, and the remedy is named."""
    emptied(url).close()
    run(url, f"UPDATE {SCHEMA} SET version = 99")
    try:
        with pytest.raises(ConfigurationError, match="upgrade coffrify-webhooks"):
            SQLStore(url)
    finally:
        run(url, f"UPDATE {SCHEMA} SET version = 1")


def test_a_table_that_is_not_ours_is_refused(url: str) -> None:
    """A table of our name with other columns is left alone, and the remedy is named."""
    drop(url, EVENTS, SCHEMA)
    run(url, f"CREATE TABLE {EVENTS} (id INTEGER, what VARCHAR(10))")
    try:
        with pytest.raises(ConfigurationError, match="does not belong to coffrify-webhooks"):
            SQLStore(url)
    finally:
        run(url, f"DROP TABLE {EVENTS}")


def test_tables_half_made_are_finished(url: str) -> None:
    """A process killed between the two tables leaves nothing that the next cannot finish."""
    drop(url, SCHEMA)
    store = SQLStore(url)
    assert store.claim("half", "d", 60).status == "claimed"
    store.close()


def test_a_user_who_may_not_make_tables(postgres: Postgres) -> None:
    """Where tables may not be made, `store init` as another user and grants are enough."""
    url = postgres.database("no_rights")
    run(url, "DROP ROLE IF EXISTS guest", "CREATE ROLE guest LOGIN")
    guest = url.replace("postgres@", "guest@")
    with pytest.raises(ConfigurationError, match=r"store init .* grant SELECT"):
        SQLStore(guest)
    SQLStore(url).close()
    with pytest.raises(ConfigurationError, match="grant"):
        SQLStore(guest)
    run(
        url,
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {EVENTS} TO guest",
        f"GRANT SELECT ON {SCHEMA} TO guest",
    )
    store = SQLStore(guest)
    assert store.claim("k", "d", 60).status == "claimed"
    assert store.purge(0.0) == 0
    with pytest.raises(StoreUnavailable, match=rf"asks for order.*store init.*{MARKS}"):
        store.lock("m", 60)
    run(url, f"GRANT SELECT, INSERT, UPDATE, DELETE ON {MARKS} TO guest")
    assert store.lock("m", 60) is not None
    store.close()


# --- what cannot be used ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://user:pa ss@[::/x", "cannot be read|SQLAlchemy"),
        ("oracle+nothing://x/y", "SQLAlchemy cannot use"),
        ("postgresql+nosuch://h/d", "SQLAlchemy cannot use|driver"),
        ("postgresql+pg8000://h/d", "driver of postgresql"),
    ],
)
def test_an_unusable_url_is_refused_without_its_password(url: str, message: str) -> None:
    """A URL that cannot be used is an error when the store is made, without the password."""
    with pytest.raises(ConfigurationError, match=message) as caught:
        SQLStore(url)
    assert "pa ss" not in str(caught.value)


def test_an_unknown_scheme_names_the_known_ones() -> None:
    """A URL of an unknown scheme names those that are known."""
    with pytest.raises(ConfigurationError, match=r"'mongodb:'; use .*postgresql://"):
        open_store("mongodb://host/x")


@pytest.mark.parametrize(
    ("scheme", "driver", "command"),
    [
        ("postgresql", "psycopg", r"coffrify-webhooks\[postgresql\]"),
        ("mariadb", "pymysql", r"coffrify-webhooks\[mysql\]"),
    ],
)
def test_a_missing_driver_is_named_with_its_install_command(
    scheme: str, driver: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A driver that is not installed is named with the command that installs it."""
    from coffrify_webhooks.stores import sql_engine

    monkeypatch.setattr(sql_engine, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=f"{driver} is not installed.*{command}"):
        open_store(f"{scheme}://host/database")


def test_missing_sqlalchemy_is_named_with_its_install_command() -> None:
    """Without SQLAlchemy the error names the command that installs it."""
    script = (
        "import sys; sys.modules['sqlalchemy'] = None\n"
        "from coffrify_webhooks.stores import open_store\n"
        "try: open_store('postgresql://h/d')\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert out.stdout.startswith("ConfigurationError sqlalchemy is not installed; run: pip install")


@pytest.mark.parametrize("wrong", ["database", "user"])
@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_wrong_user_or_database_is_refused_at_the_start(
    kind: str, wrong: str, request: pytest.FixtureRequest
) -> None:
    """A wrong user or database is told when the store is made."""
    name = "postgres" if kind == "postgresql" else "mariadb"
    url = str(request.getfixturevalue(f"{name}_url"))
    if wrong == "database":
        url = url.replace("sql_store", "no_such_database")
    else:
        url = url.replace("postgres@", "stranger@").replace("root@", "stranger:secret7@")
    with pytest.raises(ConfigurationError, match="check the user, password and database") as caught:
        SQLStore(url)
    assert "secret7" not in str(caught.value)


def test_repr_hides_the_password(postgres_url: str) -> None:
    """The repr of a store shows where it is, and no password."""
    store = SQLStore(postgres_url.replace("postgres@", "postgres:hush@"))
    assert "hush" not in repr(store)
    assert "sql_store" in repr(store)
    store.close()


def test_what_is_no_engine_is_refused() -> None:
    """What is neither a URL nor an engine is refused by name."""
    with pytest.raises(ConfigurationError, match="AsyncEngine, not object"):
        SQLStore(object())  # type: ignore[arg-type]


# --- a server that is away --------------------------------------------------------------------


def receiver_on(store: SQLStore, handle: Callable[[Any], object] = lambda event: None) -> Receiver:
    router = Router()

    def handler(event: Any) -> None:
        handle(event)

    router.on("*", name="handler")(handler)
    return Receiver(SECRET, store=store, router=router)


def delivery(number: int = 1) -> tuple[bytes, dict[str, str]]:
    body = b'{"id": "evt_%d", "type": "ping"}' % number
    return body, sign(body, SECRET)


@pytest.fixture(params=[Postgres, MariaDB], ids=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A server that this test may kill."""
    with request.param() as made:
        yield made


def test_killed_and_restarted(server: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A killed server is 503; restarted, the very next delivery is handled, and nothing is lost."""
    store = SQLStore(server.database("away"))
    receiver = receiver_on(store)
    assert receiver.receive(*delivery(1)).outcome == "handled"
    server.kill()
    with in_time(5):
        reply = receiver.receive(*delivery(2))
    assert (reply.status, reply.outcome) == (503, "unavailable")
    assert "Retry-After" in reply.headers
    server.restart()
    assert receiver.receive(*delivery(2)).outcome == "handled"
    assert receiver.receive(*delivery(1)).outcome == "duplicate"
    store.close()


def test_a_server_restarted_unnoticed_costs_no_delivery(server: Any) -> None:
    """A server that was restarted between two deliveries costs neither of them."""
    store = SQLStore(server.database("away"))
    receiver = receiver_on(store)
    assert receiver.receive(*delivery(1)).outcome == "handled"
    server.kill()
    server.restart()
    assert receiver.receive(*delivery(2)).outcome == "handled"
    store.close()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("driver", ["sync", "async"])
async def test_accepts_and_never_answers(server: Any, driver: str, anyio_backend: str) -> None:
    """A server that hangs is 503 within 5 s, and is used again once it answers."""
    store = SQLStore(server.database("away"))
    receiver = receiver_on(store)
    receiver.receive(*delivery(1))

    async def receive(number: int) -> str:
        if driver == "sync":
            return receiver.receive(*delivery(number)).outcome
        return (await receiver.receive_async(*delivery(number))).outcome

    server.pause()
    try:
        with in_time(5):
            assert await receive(2) == "unavailable"
    finally:
        server.resume()
    assert await receive(2) in ("handled", "busy")  # the cut claim may have arrived after all
    assert await receive(4) == "handled"
    store.close()


def test_away_at_the_start(caplog: pytest.LogCaptureFixture) -> None:
    """An application starts without its database, says so, and answers 503."""
    with caplog.at_level(logging.WARNING, "coffrify_webhooks"):
        store = SQLStore(f"postgresql://user:hush@127.0.0.1:{free_port()}/x")
    assert "tries again" in caplog.text
    assert "hush" not in caplog.text
    assert receiver_on(store).receive(*delivery()).status == 503


# --- atomic handlers --------------------------------------------------------------------------


@pytest.fixture(params=["postgresql", "mariadb", "sqlite", "engine"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[SQLStore, Any]]:
    """A store in the database of an application that has a table of its own."""
    if request.param == "sqlite":
        url = f"sqlite+pysqlite:///{tmp_path}/shop.db"
    else:
        name = "mariadb_url" if request.param == "mariadb" else "postgres_url"
        url = SQLStore_url(request.getfixturevalue(name))
    engine = sqlalchemy.create_engine(url)
    store = SQLStore(engine if request.param == "engine" else url)
    with store._session() as execute:
        execute(f"DELETE FROM {EVENTS}", {})
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE IF EXISTS orders")
        connection.exec_driver_sql("CREATE TABLE orders (event VARCHAR(64))")
    yield store, engine
    store.close()
    engine.dispose()


def orders(engine: Any) -> list[str]:
    with engine.connect() as connection:
        return [event for (event,) in connection.exec_driver_sql("SELECT event FROM orders")]


def order(connection: Any, event: Any) -> None:
    connection.execute(sqlalchemy.text("INSERT INTO orders VALUES (:event)"), {"event": event.id})


def atomic(store: SQLStore, handle: Callable[[Any, Any], Any], **options: Any) -> Receiver:
    router = Router()

    def handler(event: Any, connection: Any) -> Any:
        return handle(event, connection)

    router.on("*", name="order", atomic=True)(handler)
    return Receiver(SECRET, store=store, router=router, **options)


def test_effect_and_mark_commit_together(shop: Any) -> None:
    """An atomic handler's effect is there once, with the record that it has finished."""
    store, engine = shop
    receiver = atomic(store, lambda event, connection: order(connection, event))
    assert receiver.receive(*delivery()).outcome == "handled"
    assert receiver.receive(*delivery()).outcome == "duplicate"
    assert orders(engine) == ["evt_1"]


def test_a_failure_leaves_no_effect(shop: Any) -> None:
    """An atomic handler that raises leaves nothing, and runs again at the next attempt."""
    store, engine = shop
    fail = [True, False]

    def handle(event: Any, connection: Any) -> None:
        order(connection, event)
        if fail.pop(0):
            raise ValueError("no")

    receiver = atomic(store, handle)
    assert receiver.receive(*delivery()).outcome == "failed"
    assert orders(engine) == []
    assert receiver.receive(*delivery()).outcome == "handled"
    assert orders(engine) == ["evt_1"]


def test_a_failing_statement_is_the_handlers(shop: Any) -> None:
    """A database error inside an atomic handler is that handler's failure, not the store's."""
    store, _ = shop
    receiver = atomic(store, lambda event, c: c.exec_driver_sql("SELECT * FROM no_such_table"))
    assert receiver.receive(*delivery()).outcome == "failed"
    (record,) = store.find()
    assert record.status == "failed"


async def _later() -> None: ...


def _generated(made: list[object]) -> Iterator[None]:
    made.append(1)
    yield


@pytest.mark.parametrize(
    "result",
    [_later, Future, lambda: _generated([]), lambda: (None, _later())],
    ids=["coroutine", "future", "generator", "tuple"],
)
def test_work_that_would_run_after_the_commit_fails(
    shop: Any, result: Callable[[], object]
) -> None:
    """An atomic handler that returns what still has to run has failed, and leaves no effect."""
    store, engine = shop

    def handle(event: Any, connection: Any) -> Any:
        order(connection, event)
        return result()

    reply = atomic(store, handle).receive(*delivery())
    assert (reply.status, orders(engine)) == (500, [])
    assert reply.error is not None
    assert "returned a" in str(reply.error.__cause__)


def test_a_lost_claim_rolls_back(shop: Any) -> None:
    """Whoever lost the claim while handling commits nothing, and answers busy."""
    store, engine = shop

    def handle(event: Any, connection: Any) -> None:
        if store._sql.dialect != "sqlite":  # there, nobody else can write meanwhile
            (record,) = store.find()
            store.forget(record.key)
        else:
            connection.exec_driver_sql(f"DELETE FROM {EVENTS}")
        order(connection, event)

    reply = atomic(store, handle).receive(*delivery())
    assert (reply.outcome, reply.status) == ("busy", 503)
    assert orders(engine) == []


async def test_atomic_under_the_async_driver(shop: Any) -> None:
    """Under the async driver an atomic handler runs in a worker thread, in one transaction."""
    store, engine = shop
    here = threading.get_ident()
    seen: list[int] = []

    def handle(event: Any, connection: Any) -> None:
        seen.append(threading.get_ident())
        order(connection, event)

    assert (await atomic(store, handle).receive_async(*delivery())).outcome == "handled"
    assert orders(engine) == ["evt_1"]
    assert here not in seen


def test_atomic_outlives_its_lease(shop: Any) -> None:
    """An atomic handler that runs longer than its lease keeps its claim."""
    store, engine = shop

    def handle(event: Any, connection: Any) -> None:
        order(connection, event)
        time.sleep(0.9)

    assert atomic(store, handle, lease=0.6).receive(*delivery()).outcome == "handled"
    assert orders(engine) == ["evt_1"]


def test_without_an_id_only_the_transaction(shop: Any) -> None:
    """An event without an id cannot be recorded; its atomic handler still runs in a transaction."""
    store, engine = shop
    body = b'{"type": "ping"}'
    headers = {"x-coffrify-signature": sign(body, SECRET)["X-Coffrify-Signature"]}
    receiver = atomic(store, lambda event, connection: order(connection, event))
    assert receiver.receive(body, headers).outcome == "handled"
    assert orders(engine) == [None]


def test_atomically_is_fenced(shop: Any) -> None:
    """With a token that is not the claim's, the work is rolled back."""
    store, engine = shop
    store.claim("k", "d", 60)

    def work(connection: Any) -> None:
        connection.execute(sqlalchemy.text("INSERT INTO orders VALUES ('x')"))

    with pytest.raises(ClaimLost):
        store.atomically("k", "made up", 60, "h", work)
    assert orders(engine) == []


def test_the_lease_holds_after_an_atomic_handler(shop: Any) -> None:
    """When an atomic handler has committed, its claim holds for a whole lease from then on."""
    store, _ = shop
    token = store.claim("k", "d", 0.3).token
    store.atomically("k", token, 60, "h", lambda connection: time.sleep(0.4))
    assert store.claim("k", "d", 60).status == "busy"
    assert store.get("k").lease_until - store.get("k").received_at > 60.39
    assert store.get("k").finished == {"h"}


def test_a_server_that_hangs_at_the_commit(server: Any) -> None:
    """A server that hangs at an atomic handler's commit is 503 within 5 s; nothing doubles."""
    url = server.database("commit")
    run(url, "CREATE TABLE orders (event VARCHAR(64))")
    store = SQLStore(url)
    began = threading.Event()

    def handle(event: Any, connection: Any) -> None:
        connection.execute(sqlalchemy.text("INSERT INTO orders VALUES (:id)"), {"id": event.id})
        if not began.is_set():
            server.pause()
            began.set()

    receiver = atomic(store, handle, lease=0.5)
    try:
        with in_time(5):
            assert receiver.receive(*delivery()).outcome == "unavailable"
    finally:
        server.resume()
    outcome = "busy"
    while outcome in ("busy", "unavailable"):
        outcome = receiver.receive(*delivery()).outcome
    assert outcome in ("handled", "duplicate")
    assert orders(store._engine) == ["evt_1"]
    store.close()


def test_closed_while_at_work(postgres_url: str) -> None:
    """A store that is closed while others are at work leaves none of their connections open."""
    store = SQLStore(postgres_url)
    used: list[Any] = []

    def work(connection: Any) -> None:
        used.append(connection.connection.dbapi_connection)
        store.close()

    store.atomically(None, "", 60, "h", work)
    with store._lend_connection() as connection:
        used.append(connection.dbapi_connection)
        store.close()
    assert [connection.closed for connection in used] == [True, True]


def test_an_engine_in_autocommit_is_refused(postgres_url: str) -> None:
    """An engine that knows no transactions runs no atomic handler, and the remedy is named."""
    engine = sqlalchemy.create_engine(SQLStore_url(postgres_url), isolation_level="AUTOCOMMIT")
    store = SQLStore(engine)
    ran: list[bool] = []
    with pytest.raises(ConfigurationError, match="AUTOCOMMIT"):
        store.atomically(None, "", 60, "h", lambda connection: ran.append(True))
    assert ran == []
    store.close()
    engine.dispose()


@pytest.mark.parametrize("mistake", ["swallowed", "committed"])
def test_a_broken_transaction_is_the_handlers(shop: Any, mistake: str) -> None:
    """A handler that leaves its transaction unusable has failed; the store has not."""
    store, _ = shop

    def handle(event: Any, connection: Any) -> None:
        if mistake == "committed":
            connection.commit()
        else:
            try:
                connection.exec_driver_sql("SELECT * FROM no_such_table")
            except sqlalchemy.exc.SQLAlchemyError:
                return

    outcome = atomic(store, handle).receive(*delivery()).outcome
    assert outcome in (("failed",) if mistake == "committed" else ("failed", "handled"))
    assert "claimed" not in store.stats()


def test_the_applications_engine_after_a_restart(server: Any) -> None:
    """On an application's own engine, too, a restart costs no delivery, and claims are kept."""
    engine = sqlalchemy.create_engine(SQLStore_url(server.database("app")))
    store = SQLStore(engine)
    runs: list[str] = []
    receiver = receiver_on(store, lambda event: runs.append(event.id))
    assert receiver.receive(*delivery(1)).outcome == "handled"
    server.kill()
    server.restart()
    for number in (2, 3, 1):
        receiver.receive(*delivery(number))
        assert receiver.receive(*delivery(number)).outcome == "duplicate"
    assert runs == ["evt_1", "evt_2", "evt_3"]
    store.close()
    engine.dispose()


def test_the_applications_pool_is_its_own(postgres_url: str) -> None:
    """Handlers that hold every connection of the application's pool keep nobody from a claim."""
    engine = sqlalchemy.create_engine(
        SQLStore_url(postgres_url), pool_size=1, max_overflow=0, pool_timeout=0.1
    )
    store = SQLStore(engine)
    with store._session() as execute:
        execute(f"DELETE FROM {EVENTS}", {})
    with engine.connect():
        assert store.claim("k", "d", 60).status == "claimed"
    store.close()
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1
    engine.dispose()


def test_a_database_in_memory_survives_its_store() -> None:
    """An engine that is one connection is shared, and not closed with the store."""
    engine = sqlalchemy.create_engine("sqlite://", poolclass=sqlalchemy.pool.StaticPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE orders (event TEXT)")
    store = SQLStore(engine)
    assert store.claim("k", "d", 60).status == "claimed"
    store.close()
    assert orders(engine) == []
    engine.dispose()


def test_the_applications_words_in_the_repr(postgres_url: str) -> None:
    """The repr shows no query, where a password may stand as well."""
    host = postgres_url.partition("@")[2]
    store = SQLStore(f"postgresql://{host}?user=postgres&password=hunter2")
    assert "hunter2" not in repr(store)
    store.close()


@pytest.mark.parametrize("how", ["select only", "read only"])
def test_a_database_that_may_not_be_written(postgres: Postgres, how: str) -> None:
    """Tables that may be read and not written are told when the store is made."""
    url = postgres.database("not_written")
    SQLStore(url).close()
    if how == "select only":
        run(
            url,
            "DROP ROLE IF EXISTS reader",
            "CREATE ROLE reader LOGIN",
            f"GRANT SELECT ON {EVENTS}, {SCHEMA} TO reader",
        )
        url = url.replace("postgres@", "reader@")
    else:
        run(url, "ALTER DATABASE not_written SET default_transaction_read_only = on")
    with pytest.raises(ConfigurationError, match=r"is not writable.*grant"):
        SQLStore(url)


def test_a_foreign_schema_table_is_left_alone(url: str) -> None:
    """A table of our schema table's name that is not ours is refused, and nothing is made."""
    drop(url, EVENTS, SCHEMA)
    run(url, f"CREATE TABLE {SCHEMA} (what VARCHAR(10))")
    try:
        with pytest.raises(ConfigurationError, match="does not belong to coffrify-webhooks"):
            SQLStore(url)
        with pytest.raises(sqlalchemy.exc.SQLAlchemyError):
            run(url, f"SELECT 1 FROM {EVENTS}")
    finally:
        run(url, f"DROP TABLE {SCHEMA}")


def test_too_many_connections_is_no_mistake(postgres: Postgres) -> None:
    """A server without a free connection is away, not wrongly configured."""
    url = postgres.database("crowded")
    run(url, "DROP ROLE IF EXISTS crowd", "CREATE ROLE crowd LOGIN CONNECTION LIMIT 0")
    store = SQLStore(url.replace("postgres@", "crowd@"))
    assert receiver_on(store).receive(*delivery()).status == 503


def test_mariadb_counts_through_the_end_of_summer(mariadb_url: str) -> None:
    """Where a local hour comes twice, the server's clock does not go back."""
    store = emptied(mariadb_url)
    now = Statements("mysql", pyformat=False, own_clock=False).renew
    expression = now.partition("lease_until = ")[2].partition(" + :lease")[0]
    change = 1_792_890_000  # 25 October 2026, 01:00 UTC: in Berlin, 3:00 becomes 2:00
    with store._session() as execute:
        for second in (change - 3599, change - 1, change, change + 1):
            execute("SET time_zone = 'SYSTEM'", {})
            execute(f"SET timestamp = {second}", {})
            ((found,),) = execute(f"SELECT {expression}", {}).fetchall()
            assert abs(float(found) - second) < 1
        execute("SET timestamp = DEFAULT", {})
    store.close()


# --- forks ------------------------------------------------------------------------------------

FORK = """
import os, sys
from coffrify_webhooks.stores.sql import SQLStore
store = SQLStore(sys.argv[1])
store.claim("before", "d", 60)
child = os.fork()
if child == 0:
    code = store.claim("before", "d", 60).status != "busy"
    code = code or store.claim("child", "d", 60).status != "claimed"
    os._exit(code)
assert os.waitpid(child, 0)[1] == 0
assert store.claim("child", "d", 60).status == "busy"
assert store.claim("after", "d", 60).status == "claimed"
print("ok")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_parent_and_child_share_no_connection(url: str) -> None:
    """Parent and child of a fork do not share a connection."""
    emptied(url).close()
    out = subprocess.run(
        # Python 3.12 and later warn of any fork beside a thread; that is what is tried here.
        [sys.executable, "-W", "ignore:This process", "-c", FORK, url],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (out.stdout, out.stderr) == ("ok\n", "")


@pytest.mark.parametrize(
    ("url", "extra"),
    [
        ("postgres://h/x", "postgresql"),
        ("postgresql://h/x", "postgresql"),
        ("mariadb://h/x", "mysql"),
        ("mysql://h/x", "mysql"),
        ("postgresql+psycopg2://h/x", "sql"),
        ("sqlite+pysqlite:///x.db", "sql"),
    ],
)
def test_the_extra_that_is_named_suffices(
    url: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without SQLAlchemy the error names one extra, which brings the driver of the URL as well."""
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(ConfigurationError, match=rf"coffrify-webhooks\[{extra}\]"):
        open_store(url)


def test_a_store_that_nobody_closed_leaves_no_connection_open(postgres: Postgres) -> None:
    """An application made anew in each test need not close its store, or the driver would warn."""
    store = SQLStore(postgres.database("dropped"))
    assert store.claim("k" * 64, "d", 60).status == "claimed"
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        del store
        gc.collect()
    assert not [each for each in told if "still open" in str(each.message)]
