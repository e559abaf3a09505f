"""A server that becomes read-only, and tables that vanish: the next delivery finds its way."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis
import sqlalchemy
from django.db import connections
from tests.django_databases import migrated
from tests.servers.mariadb import MariaDB
from tests.servers.postgres import Postgres
from tests.servers.switch import Switch
from tests.servers.valkey import Valkey

from coffrify_webhooks import ConfigurationError, Receiver, Router, StoreUnavailable, sign
from coffrify_webhooks.stores import Store
from coffrify_webhooks.stores.redis import RedisStore
from coffrify_webhooks.stores.sql import SQLStore
from coffrify_webhooks.stores.statements import EVENTS, SCHEMA
from coffrify_webhooks_django import DjangoStore

SECRET = "whsec_" + "ab" * 32
READ_ONLY = "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"
"""What a session on a demoted PostgreSQL is like, while new ones reach the new primary."""


def delivery(number: int) -> tuple[bytes, dict[str, str]]:
    body = b'{"id": "evt_%d", "type": "ping"}' % number
    return body, sign(body, SECRET)


def receiver_on(store: Store, handler: Callable[..., None], **options: Any) -> Receiver:
    router = Router()
    router.on("*", name="handler", **options)(handler)
    receiver = Receiver(SECRET, store=store, router=router)
    receiver.purge_schedule._next = float("inf")  # its thread would take a pool's only connection
    return receiver


def ignore(event: Any) -> None:
    """Do nothing."""


def outcomes(receiver: Receiver, *numbers: int) -> list[str]:
    return [receiver.receive(*delivery(number)).outcome for number in numbers]


def fill(store: SQLStore, statement: str, connections: int = 4) -> None:
    """Let so many connections of the store's pool have executed a statement."""
    lent = [store._lend_connection() for _ in range(connections)]
    for each in lent:
        cursor = each.__enter__().cursor()
        cursor.execute(statement)
        cursor.close()
    for each in lent:
        each.__exit__(None, None, None)


def engine_on(url: str) -> sqlalchemy.Engine:
    return sqlalchemy.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))


# --- a server that may not be written any more --------------------------------------------------


@pytest.mark.parametrize("whose", ["ours", "the application's"])
def test_postgresql_that_became_read_only(postgres: Postgres, whose: str) -> None:
    """Of a pool full of connections to a demoted server none is used twice."""
    url = postgres.database("failover")
    engine = engine_on(url)
    store = SQLStore(url if whose == "ours" else engine)
    receiver = receiver_on(store, ignore)
    assert outcomes(receiver, 1) == ["handled"]
    fill(store, READ_ONLY)
    assert outcomes(receiver, 2, 2, 1) == ["unavailable", "handled", "duplicate"]
    store.close()
    engine.dispose()


def test_an_atomic_handler_after_a_failover(postgres: Postgres) -> None:
    """The application's own pool, too, is left by connections that cannot write any more."""
    engine = engine_on(postgres.database("failover"))
    store = SQLStore(engine)

    def handler(event: Any, connection: Any) -> None:
        connection.exec_driver_sql("SELECT 1")

    receiver = receiver_on(store, handler, atomic=True)
    held = [engine.connect() for _ in range(3)]
    for connection in held:
        connection.exec_driver_sql(READ_ONLY)
        connection.commit()
        connection.close()
    reply = receiver.receive(*delivery(1))
    assert (reply.status, reply.outcome) == (503, "unavailable")
    store.forget(store.find()[0].key)  # its claim is left to its lease
    assert outcomes(receiver, 1) == ["handled"]
    store.close()
    engine.dispose()


@contextmanager
def read_only(server: MariaDB) -> Iterator[str]:
    """A database whose user was let write only by sessions that begin now."""
    url = server.database("failover")
    server._execute(
        "CREATE OR REPLACE USER app@localhost",
        "CREATE OR REPLACE USER app@'127.0.0.1'",
        "GRANT ALL ON failover.* TO app@'127.0.0.1'",
        "GRANT ALL ON failover.* TO app@localhost",
    )
    try:
        yield url.replace("root@", "app@")
    finally:
        server._execute("SET GLOBAL read_only = 0", "DROP USER app@localhost, app@'127.0.0.1'")


def test_mariadb_that_became_read_only(mariadb: MariaDB) -> None:
    """Error 1290 drops the connections; new ones, which may write, are used."""
    with read_only(mariadb) as url:
        store = SQLStore(url)
        receiver = receiver_on(store, ignore)
        assert outcomes(receiver, 1) == ["handled"]
        fill(store, "SELECT 1")
        mariadb._execute(
            "SET GLOBAL read_only = 1",
            "GRANT READ_ONLY ADMIN ON *.* TO app@'127.0.0.1'",
            "GRANT READ_ONLY ADMIN ON *.* TO app@localhost",
        )
        assert outcomes(receiver, 2, 2, 1) == ["unavailable", "handled", "duplicate"]
        store.close()


def test_valkey_that_became_a_replica() -> None:
    """After a failover the next delivery reaches the new master, which knows what was handled."""
    at_once = ("--repl-diskless-sync-delay", "0")
    with Valkey(*at_once) as first, Valkey() as second, Switch(first.port) as switch:
        old, new = redis.Redis(port=first.port), redis.Redis(port=second.port)
        new.replicaof("127.0.0.1", first.port)
        store = RedisStore(f"redis://127.0.0.1:{switch.port}/0")
        receiver = receiver_on(store, ignore)
        assert outcomes(receiver, 1) == ["handled"]
        old.set("marker", "1")
        while not new.get("marker"):  # then all that was written before it is there too
            continue
        new.replicaof("NO", "ONE")
        old.replicaof("127.0.0.1", second.port)
        switch.target = second.port
        assert outcomes(receiver, 2, 2, 1) == ["unavailable", "handled", "duplicate"]
        for each in (store, old, new):
            each.close()


@pytest.mark.parametrize("options", [{}, {"pool": {"min_size": 1, "max_size": 1}}])
def test_django_that_became_read_only(postgres: Postgres, options: dict[str, Any]) -> None:
    """A persistent or pooled connection of Django's is replaced in the same call."""
    age = 0 if options else None
    with migrated("postgres", postgres.url, CONN_MAX_AGE=age, OPTIONS=options):
        store = DjangoStore("postgres")
        receiver = receiver_on(store, ignore)
        with connections["postgres"].cursor() as cursor:
            cursor.execute(READ_ONLY)
        try:
            assert outcomes(receiver, 1, 1) == ["handled", "duplicate"]
        finally:
            close_pool()


def test_a_transaction_of_django_after_a_failover(postgres: Postgres) -> None:
    """An atomic handler's persistent connection is dropped as well."""
    with migrated("postgres", postgres.url, CONN_MAX_AGE=None):
        store = DjangoStore("postgres")
        token = store.claim("k", "d", 60.0).token
        with connections["postgres"].cursor() as cursor:
            cursor.execute(READ_ONLY)
        with pytest.raises(StoreUnavailable):
            store.atomically("k", token, 60.0, "handler", lambda connection: None)
        assert store.atomically("k", token, 60.0, "handler", lambda connection: True)
        assert store.done("k", token)


def close_pool() -> None:
    close: Callable[[], None] | None = getattr(connections["postgres"], "close_pool", None)
    connections["postgres"].close()
    if close is not None:
        close()


# --- tables that are gone -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["postgres", "mariadb", "sqlite"])
def test_dropped_tables_are_made_anew(
    request: pytest.FixtureRequest, tmp_path: Any, kind: str
) -> None:
    """A store whose tables are dropped in use makes them again for the next delivery."""
    url = f"sqlite+pysqlite:///{tmp_path}/store.db"
    if kind != "sqlite":
        url = request.getfixturevalue(kind).database("dropped")
    store = SQLStore(url)
    receiver = receiver_on(store, ignore)
    assert outcomes(receiver, 1) == ["handled"]
    with store._engine.connect() as connection:
        for table in (EVENTS, SCHEMA):
            connection.exec_driver_sql(f"DROP TABLE {table}")
    assert outcomes(receiver, 2, 2, 2) == ["unavailable", "handled", "duplicate"]
    store.close()


def test_tables_that_come_back_need_no_restart(postgres: Postgres) -> None:
    """Django's store, which makes no tables, goes on when `migrate` or a restore has made them."""
    with migrated("postgres", postgres.url):
        receiver = receiver_on(DjangoStore("postgres"), ignore)
        assert outcomes(receiver, 1) == ["handled"]
        with connections["postgres"].cursor() as cursor:
            cursor.execute(f"ALTER TABLE {EVENTS} RENAME TO elsewhere")
        try:
            assert outcomes(receiver, 2) == ["unavailable"]
        finally:
            with connections["postgres"].cursor() as cursor:
                cursor.execute(f"ALTER TABLE elsewhere RENAME TO {EVENTS}")
        assert outcomes(receiver, 2) == ["handled"]


def test_tables_of_a_later_version_are_unavailable_not_an_error(postgres: Postgres) -> None:
    """What is a mistake at the start is 503 later: the deployment is under way."""
    store = SQLStore(postgres.database("later"))
    receiver = receiver_on(store, ignore)
    with store._engine.connect() as connection:
        connection.exec_driver_sql(f"INSERT INTO {SCHEMA} VALUES (99)")
        connection.exec_driver_sql(f"ALTER TABLE {EVENTS} RENAME COLUMN digest TO sha")
    assert outcomes(receiver, 1, 1) == ["unavailable", "unavailable"]
    with pytest.raises(ConfigurationError, match="upgrade"):
        SQLStore(store._engine.url)
    store.close()
