"""Claims behind a real PgBouncer that gives connections away, and what proxies make of them."""

import logging
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import pytest
import sqlalchemy
from django.db import connections
from pymysql.constants import CLIENT
from tests.django_databases import migrated
from tests.servers.mariadb import MariaDB
from tests.servers.pgbouncer import PgBouncer
from tests.servers.postgres import Postgres

from coffrify_webhooks.stores import Store
from coffrify_webhooks.stores.sql import SQLStore
from coffrify_webhooks.stores.statements import Dialect, Statements
from coffrify_webhooks_django import DjangoStore

CLIENTS, EVENTS = 6, 40
_numbers = count()
# Django binds on the client's side otherwise, and no statement is the same twice.
PREPARING = {"prepare_threshold": 2, "server_side_binding": True}


@pytest.fixture(scope="module")
def pooler(postgres: Postgres) -> Iterator[PgBouncer]:
    with PgBouncer(postgres) as made:
        yield made


@pytest.fixture
def url(pooler: PgBouncer, postgres: Postgres) -> str:
    """The URL of an empty database behind the pooler."""
    name = f"pooled{next(_numbers)}"
    postgres.database(name)
    return pooler.url(name)


def engine_on(url: str, **options: Any) -> sqlalchemy.Engine:
    return sqlalchemy.create_engine(
        url.replace("postgresql:", "postgresql+psycopg:"), connect_args=options
    )


def settle(store: Store, key: str, *, atomic: bool) -> bool:
    """Claim an event and record that it is done, by changing ways."""
    token = store.claim(key, "d", 60.0).token
    ways: list[Callable[[], object]] = [
        lambda: store.renew(key, token, 60.0),
        lambda: store.checkpoint(key, token, "handler"),
        lambda: store.get(key),
        lambda: store.claim(key, "d", 60.0),
    ]
    if atomic and isinstance(store, SQLStore):
        ways = [lambda: store.atomically(key, token, 60.0, "handler", lambda connection: True)]
    for way in random.Random(key).sample(ways, len(ways)):
        assert way()
    return store.done(key, token)


def use(make: Callable[[], Store], client: int, *, atomic: bool) -> None:
    store = make()
    try:
        for event in range(EVENTS):
            key = f"{client} {event}"
            assert settle(store, key, atomic=atomic)
            record = store.get(key)
            assert record is not None
            assert record.status == "done"
    finally:
        store.close()
        connections.close_all()


def use_by_all(make: Callable[[], Store], *, atomic: bool = False) -> None:
    """Let each client do its work; raise what one of them raised."""
    with ThreadPoolExecutor(CLIENTS) as pool:
        work = [pool.submit(use, make, client, atomic=atomic) for client in range(CLIENTS)]
    for each in work:
        each.result()


def test_no_statement_of_a_url_runs_as_another(url: str) -> None:
    """Six clients on two connections: each call does what it says, and none fails."""
    SQLStore(url).close()
    use_by_all(lambda: SQLStore(url))


@pytest.mark.parametrize("atomic", [False, True])
def test_no_statement_of_an_engine_runs_as_another(url: str, *, atomic: bool) -> None:
    """So it is with engines whose other statements psycopg prepares at the sixth time."""
    SQLStore(url).close()
    engines: list[sqlalchemy.Engine] = []

    def make() -> Store:
        engines.append(engine_on(url))
        return SQLStore(engines[-1])

    try:
        use_by_all(make, atomic=atomic)
    finally:
        for engine in engines:
            engine.dispose()


def test_no_statement_of_django_runs_as_another(url: str) -> None:
    """So it is with a database of Django's whose OPTIONS let psycopg prepare."""
    with migrated("postgres", url, CONN_MAX_AGE=None, OPTIONS=PREPARING):
        use_by_all(lambda: DjangoStore("postgres"))


@pytest.mark.parametrize("threshold", [5, None])
def test_an_engine_that_prepares_is_noticed(
    url: str, threshold: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Behind a pooler, an engine whose own statements psycopg prepares is told with the remedy."""
    engine = engine_on(url, prepare_threshold=threshold)
    with caplog.at_level(logging.WARNING, "coffrify_webhooks"):
        SQLStore(engine).close()
    assert ('connect_args={"prepare_threshold": None}' in caplog.text) == (threshold is not None)
    engine.dispose()


def test_without_a_pooler_nothing_is_told(
    postgres: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    """An engine that is connected to PostgreSQL itself may prepare its statements."""
    engine = engine_on(postgres.database("unpooled"))
    with caplog.at_level(logging.WARNING, "coffrify_webhooks"):
        SQLStore(engine).close()
    assert caplog.text == ""
    engine.dispose()


def test_django_options_that_prepare_are_noticed(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Likewise for a database of Django's whose OPTIONS let psycopg prepare."""
    with migrated("postgres", url, OPTIONS=PREPARING):
        with caplog.at_level(logging.WARNING, "coffrify_webhooks"):
            DjangoStore("postgres").claim("k", "d", 60.0)
        assert "no prepare_threshold" in caplog.text


# --- proxies that send reads to replicas, or that share connections ---------------------------


@pytest.mark.parametrize("dialect", ["postgresql", "mysql"])
def test_what_decides_on_a_claim_is_read_of_the_primary(dialect: Dialect) -> None:
    """pgpool-II, ProxySQL and MaxScale send a SELECT to a replica, which may lag, but for this."""
    statements = Statements(dialect, pyformat=True, own_clock=False)
    assert statements.look.endswith("FOR UPDATE")


def test_rows_may_be_counted_as_found_or_as_changed(mariadb: MariaDB) -> None:
    """PyMySQL is told to count what was found, by a flag that a proxy need not pass on."""
    engine = sqlalchemy.create_engine(
        mariadb.database("counted").replace("mysql:", "mysql+pymysql:")
    )

    @sqlalchemy.event.listens_for(engine, "do_connect")
    def count_changed(_dialect: Any, _record: Any, _words: Any, options: dict[str, Any]) -> None:
        options["client_flag"] &= ~CLIENT.FOUND_ROWS

    for atomic in (False, True):
        store = SQLStore(engine)
        assert settle(store, f"key {atomic}", atomic=atomic)
        store.close()
    engine.dispose()
