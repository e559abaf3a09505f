"""Claims in Django's own database: SQLite, PostgreSQL and MariaDB; the servers are real."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections, transaction
from tests.django_databases import migrated, named
from tests.in_time import in_time
from tests.servers.mariadb import MariaDB
from tests.servers.postgres import Postgres
from tests.servers.process import free_port
from tests.stores.phases import expected, run_phases
from tests.stores.test_contract import Clock, Clocked

from coffrify_webhooks import ConfigurationError, StoreUnavailable
from coffrify_webhooks.stores import About, Store
from coffrify_webhooks.stores.sql import SQLStore
from coffrify_webhooks.stores.sqlite import SQLiteStore
from coffrify_webhooks.stores.sqlite_file import write_ahead
from coffrify_webhooks.stores.statements import EVENTS, SCHEMA, VERSION
from coffrify_webhooks_django import DjangoStore

URLS = {"postgres": "postgresql://postgres", "mariadb": "mysql://root"}


@pytest.fixture(params=["file", "postgres", "mariadb"])
def database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The alias of a database with our tables, empty."""
    where: Any = tmp_path_factory.getbasetemp() / "django.db"
    if request.param != "file":
        where = request.getfixturevalue(request.param).url
    with migrated(request.param, where):
        yield request.param


@pytest.fixture
def on_postgres(postgres: Postgres) -> Iterator[DjangoStore]:
    with migrated("postgres", postgres.url):
        yield DjangoStore("postgres")


@pytest.fixture
def on_file(tmp_path: Path) -> Iterator[DjangoStore]:
    with migrated("file", tmp_path / "db"):
        yield DjangoStore("file")


def url_of(alias: str) -> str:
    """The URL by which a SQLStore finds the same database."""
    chosen = connections.settings[alias]
    if alias == "file":
        return f"sqlite+pysqlite:///{chosen['NAME']}"
    return f"{URLS[alias]}@127.0.0.1:{chosen['PORT']}/{chosen['NAME']}"


def in_thread(function: Callable[[], Any], name: str | None = None) -> Any:
    """Call a function in a thread, and close the connections that it has opened."""
    results: list[Any] = []

    def work() -> None:
        try:
            results.append(function())
        except BaseException as error:  # raised again below
            results.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=work, name=name)
    thread.start()
    thread.join()
    if isinstance(results[0], BaseException):
        raise results[0]
    return results[0]


class TestContract(Clocked):
    """The public suite, on each database."""

    @pytest.fixture
    def store(self, database: str, clock: Clock) -> Store:
        return DjangoStore(database, clock=clock)


@pytest.mark.parametrize("database", ["file", "postgres"], indirect=True)
def test_of_eight_processes_one_claims_each_id(database: str) -> None:
    """Eight processes claim the same ids through six phases: each id has exactly one claimant."""
    chosen = connections.settings[database]
    changes = {name: chosen[name] for name in ("NAME", "HOST", "PORT", "USER", "OPTIONS")}
    if database == "file":  # as the page on Django advises; it is `migrate` that turns the file
        changes["OPTIONS"] = {"init_command": "PRAGMA journal_mode = WAL", "timeout": 20}
        with closing(sqlite3.connect(chosen["NAME"])) as file:
            write_ahead(file)
    assert run_phases("tests.django_databases:store_in", database, changes) == expected()


# --- clocks -----------------------------------------------------------------------------------


def test_leases_count_by_the_servers_clock(database: str) -> None:
    """Without a clock the database's own counts, and it tells the time of now."""
    store = DjangoStore(database)
    store.claim("k", "d", 60.0)
    assert store.claim("k", "d", 60.0).status == "busy"
    store.claim("gone", "d", -1.0)
    assert store.claim("gone", "d", 60.0).status == "claimed"
    record = store.get("k")
    assert record is not None
    assert abs(record.received_at - time.time()) < 60


def test_server_side_binding(postgres: Postgres) -> None:
    """Parameters that PostgreSQL binds itself have types that it can tell."""
    with migrated("postgres", postgres.url, OPTIONS={"server_side_binding": True}):
        store = DjangoStore("postgres")
        token = store.claim("k", "d", 60.0, None, About("r", "i", "t"), None).token
        assert store.renew("k", token, 60.0)
        assert store.checkpoint("k", token, "one")
        assert store.queued("k", token)
        token = store.claim("k", "d", 60.0, token).token
        assert store.failed("k", token, "why", b"\0")
        assert [record.key for record in store.find()] == ["k"]
        assert store.purge(0.0) in (0, 1)


# --- the tables -------------------------------------------------------------------------------


def test_nothing_is_left_to_migrate() -> None:
    """The shipped migration makes the models as they are."""
    call_command("makemigrations", check=True, verbosity=0)


def test_another_store_takes_the_tables_over(database: str) -> None:
    """A SQLStore on the same database accepts what `migrate` made, and finds the events."""
    ours = DjangoStore(database)
    ours.done("k", ours.claim("k", "d", 60.0).token)
    other = SQLStore(url_of(database))
    try:
        assert other.claim("k", "d", 60.0).status == "done"
    finally:
        other.close()


@pytest.mark.parametrize("kind", ["file", "postgres", "mariadb"])
def test_migrate_takes_over_the_tables_of_another_store(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    """Tables that a SQLStore made stay as they are, their events too, when `migrate` comes."""
    changes: dict[str, Any] = {"NAME": str(tmp_path / "db")}
    if kind != "file":
        server = request.getfixturevalue(kind)
        server.database("taken_over")
        user = {"postgres": "postgres", "mariadb": "root"}[kind]
        changes = {"NAME": "taken_over", "HOST": "127.0.0.1", "PORT": server.port, "USER": user}
    with named(kind, **changes):
        other = SQLStore(url_of(kind))
        other.done("k", other.claim("k", "d", 60.0).token)
        other.close()
        call_command("migrate", database=kind, verbosity=0, skip_checks=True)
        assert DjangoStore(kind).claim("k", "d", 60.0).status == "done"


def test_migrate_takes_over_an_sqlite_store(tmp_path: Path) -> None:
    """So does it with the file that was the default store before."""
    other = SQLiteStore(tmp_path / "db")
    other.done("k", other.claim("k", "d", 60.0).token)
    other.close()
    with migrated("file", tmp_path / "db"):
        pass
    with named("file", NAME=str(tmp_path / "db")):
        call_command("migrate", database="file", verbosity=0, skip_checks=True)
        with connections["file"].cursor() as cursor:
            cursor.execute(f"SELECT version FROM {SCHEMA}")
            assert cursor.fetchall() == [(VERSION,)]


def test_migrations_can_be_undone(database: str) -> None:
    """`migrate coffrify_webhooks zero` drops the tables, and `migrate` makes them again."""
    options: dict[str, Any] = {"database": database, "verbosity": 0, "skip_checks": True}
    call_command("migrate", "coffrify_webhooks", "zero", **options)
    assert EVENTS not in connections[database].introspection.table_names()
    call_command("migrate", **options)
    assert DjangoStore(database).claim("k", "d", 60.0).status == "claimed"


def test_a_table_that_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    """`migrate` refuses a table of our name with other columns, and does not touch it."""
    with sqlite3.connect(tmp_path / "db") as other:
        other.execute(f"CREATE TABLE {EVENTS} (mine TEXT)")
    other.close()
    with (
        named("file", NAME=str(tmp_path / "db")),
        pytest.raises(ConfigurationError, match="does not belong to coffrify-webhooks"),
    ):
        call_command("migrate", database="file", verbosity=0, skip_checks=True)
    with sqlite3.connect(tmp_path / "db") as other:
        assert [row[1] for row in other.execute(f"PRAGMA table_info({EVENTS})")] == ["mine"]
    other.close()


def test_a_later_versions_tables_are_refused(on_file: DjangoStore) -> None:
    """Tables of a later schema are not written to; the error says to upgrade."""
    with connections["file"].cursor() as cursor:
        cursor.execute(f"INSERT INTO {SCHEMA} (version) VALUES ({VERSION + 1})")
    with pytest.raises(ConfigurationError, match="upgrade coffrify-webhooks"):
        on_file.claim("k", "d", 60.0)


def test_before_migrate_the_store_is_unavailable(tmp_path: Path) -> None:
    """Without tables a delivery is answered 503, the error names `migrate`, and then it works."""
    with named("file", NAME=str(tmp_path / "new")):
        store = DjangoStore("file")
        with pytest.raises(StoreUnavailable, match=r"manage\.py migrate"):
            store.claim("k", "d", 60.0)
        call_command("migrate", database="file", verbosity=0, skip_checks=True)
        assert store.claim("k", "d", 60.0).status == "claimed"


def test_tables_without_a_version_will_do(on_file: DjangoStore) -> None:
    """A test runner that makes tables without migrations, or flushes them, is no obstacle."""
    with connections["file"].cursor() as cursor:
        cursor.execute(f"DELETE FROM {SCHEMA}")
    assert on_file.claim("k", "d", 60.0).status == "claimed"


# --- settings that cannot work ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("alias", "changes", "hint"),
    [
        ("nowhere", {}, "settings.DATABASES has no 'nowhere'"),
        ("file", {"AUTOCOMMIT": False}, "AUTOCOMMIT"),
        ("file", {"ENGINE": "django.db.backends.dummy"}, "SQLite, PostgreSQL, MySQL and MariaDB"),
        ("file", {"ENGINE": "django.db.backends.oracle"}, "cannot be used"),
    ],
)
def test_a_database_that_cannot_be_used_is_refused(
    alias: str, changes: dict[str, Any], hint: str
) -> None:
    """An unknown alias, one without autocommit, and an unknown engine are told at once."""

    def make() -> None:
        with pytest.raises(ConfigurationError, match=hint):
            DjangoStore(alias)

    if alias == "nowhere":
        make()
        return
    with named(alias, **changes):
        in_thread(make)  # whose connection is made by the changed settings


# --- the application's transactions -----------------------------------------------------------


def test_in_a_transaction_nothing_is_committed_by_us(database: str) -> None:
    """A claim made inside the application's transaction goes with it when that is rolled back."""
    store = DjangoStore(database)
    with transaction.atomic(database):
        store.claim("k", "d", 60.0)
        transaction.set_rollback(True, database)  # noqa: FBT003 - Django's signature
    assert store.get("k") is None


def test_by_hand_neither(database: str) -> None:
    """Nor while the application has switched autocommit off."""
    store = DjangoStore(database)
    store.get("k")
    transaction.set_autocommit(False, database)  # noqa: FBT003
    try:
        store.claim("k", "d", 60.0)
        transaction.rollback(database)
    finally:
        transaction.set_autocommit(True, database)  # noqa: FBT003
    assert store.get("k") is None


def test_an_error_of_ours_leaves_the_transaction_whole(on_postgres: DjangoStore) -> None:
    """A statement that PostgreSQL refuses does not abort the transaction around it."""
    with transaction.atomic("postgres"):
        on_postgres.claim("k", "d", 60.0)
        with pytest.raises(StoreUnavailable):
            on_postgres.claim("a key that is too long for its column" * 3, "d", 60.0)
    assert on_postgres.claim("k", "d", 60.0).status == "busy"


# --- servers that go away ---------------------------------------------------------------------


def test_an_unreachable_server_is_store_unavailable(postgres: Postgres) -> None:
    """A server that cannot be reached is StoreUnavailable, without the database's own text."""
    with migrated("postgres", postgres.url), named("postgres", PORT=free_port()):
        with in_time(5), pytest.raises(StoreUnavailable) as caught:
            DjangoStore("postgres").claim("k", "d", 60.0)
        assert str(caught.value) == "the database failed (OperationalError)"


def test_a_connection_that_was_closed_is_replaced(on_postgres: DjangoStore) -> None:
    """One whose server process ended is replaced in the same call, and nobody notices."""
    on_postgres.get("k")
    connection: Any = connections["postgres"]
    pid = connection.connection.info.backend_pid

    def end_it() -> None:
        with connections["postgres"].cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])

    in_thread(end_it)
    assert on_postgres.claim("k", "d", 60.0).status == "claimed"


def test_recovers_when_the_database_comes_back(
    on_postgres: DjangoStore, postgres: Postgres
) -> None:
    """After kill -9 of the server calls fail; after its restart they work, in the same thread."""
    token = on_postgres.claim("k", "d", 60.0).token
    postgres.kill()
    try:
        with pytest.raises(StoreUnavailable):
            on_postgres.get("k")
    finally:
        postgres.restart()
    assert on_postgres.done("k", token)


def test_a_server_that_does_not_answer(on_postgres: DjangoStore, postgres: Postgres) -> None:
    """A connected server that hangs is given up within five seconds; later all is well again."""
    on_postgres.get("k")
    postgres.pause()
    try:
        with in_time(5), pytest.raises(StoreUnavailable):
            on_postgres.claim("k", "d", 60.0)
    finally:
        postgres.resume()
    assert on_postgres.claim("k2", "d", 60.0).status == "claimed"


def test_a_server_that_accepts_and_never_answers(postgres: Postgres) -> None:
    """A server that hangs before it greets is given up after the settings' connect_timeout."""
    with migrated("postgres", postgres.url, OPTIONS={"connect_timeout": 2}):
        connections["postgres"].close()
        postgres.pause()
        try:
            with in_time(5), pytest.raises(StoreUnavailable):
                DjangoStore("postgres").claim("k", "d", 60.0)
        finally:
            postgres.resume()


@pytest.mark.parametrize(
    "options",
    [{}, {"connect_timeout": 300}, {"pool": {"min_size": 1, "max_size": 1, "timeout": 300}}],
    ids=["default", "connect_timeout", "pool"],
)
@pytest.mark.parametrize("health_checks", [False, True])
def test_any_options_end_in_time(
    postgres: Postgres, options: dict[str, Any], *, health_checks: bool
) -> None:
    """Whatever a database's OPTIONS allow, a server that hangs is StoreUnavailable soon."""
    changes = {"OPTIONS": options, "CONN_HEALTH_CHECKS": health_checks}
    _ends_in_time(postgres, "postgres", changes)


@pytest.mark.parametrize(
    "options",
    [{}, {"connect_timeout": 300}, {"read_timeout": 300, "write_timeout": 300}],
    ids=["default", "connect_timeout", "read_timeout"],
)
def test_any_options_of_mariadb_end_in_time(mariadb: MariaDB, options: dict[str, Any]) -> None:
    """So too on MariaDB, which can hang before its greeting, where connect_timeout is over."""
    _ends_in_time(mariadb, "mariadb", {"OPTIONS": options})


def _ends_in_time(server: Postgres | MariaDB, alias: str, changes: dict[str, Any]) -> None:
    with migrated(alias, server.url, **changes):
        DjangoStore(alias).get("k")
        connections[alias].close()
        ended: list[str] = []

        def claim() -> None:
            with pytest.raises(StoreUnavailable) as caught:
                DjangoStore(alias).claim("k", "d", 60.0)
            ended.append(str(caught.value))
            connections[alias].close()

        asking = threading.Thread(target=claim, daemon=True)
        server.pause()
        try:
            asking.start()
            asking.join(25)  # far less than the options' 300 seconds
            assert ended
        finally:
            server.resume()
        asking.join()
        assert DjangoStore(alias).claim("k", "d", 60.0).status in ("claimed", "busy")
        connection: Any = connections[alias]
        connection.close()
        if changes["OPTIONS"].get("pool"):
            connection.close_pool()


@pytest.mark.parametrize("thread", ["coffrify-webhooks-stores_0", "coffrify-webhooks-leases"])
def test_threads_of_ours_keep_no_connection(database: str, thread: str) -> None:
    """In threads that serve no request, a connection is closed when CONN_MAX_AGE says so."""
    store = DjangoStore(database)

    def work() -> bool:
        store.claim("k", "d", 60.0)
        return connections[database].connection is None

    assert in_thread(work, thread)
    assert not in_thread(work, "a request")
