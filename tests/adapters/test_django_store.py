"""Django's own database as the store: which one, and how requests and transactions fare with it."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import DatabaseError, IntegrityError, connections, transaction
from django.http import HttpRequest, HttpResponse
from django.test import AsyncRequestFactory, Client, override_settings
from tests.adapters.suite import PATH, SECRET, make_body
from tests.django_databases import migrated, named

from coffrify_webhooks import ConfigurationError, Event, Receiver, Router, sign
from coffrify_webhooks.errors import ClaimLost, StoreUnavailable
from coffrify_webhooks.stores import Record, Store
from coffrify_webhooks_django import DjangoStore
from coffrify_webhooks_django.conf import current_endpoint
from coffrify_webhooks_django.models import WebhookEvent

OURS = "coffrify_webhooks.django.CoffrifyWebhooksMiddleware"
BODY = make_body()


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    current_endpoint.cache_clear()
    yield
    current_endpoint.cache_clear()
    connections.close_all()


@pytest.fixture
def router() -> Router:
    return Router()


@pytest.fixture(params=["file", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database with our tables and one of the application's; every request is a transaction."""
    alias = request.param
    where: Any = tmp_path / "db"
    if alias == "postgres":
        where = request.getfixturevalue("postgres").url
    options = {"timeout": 0.2} if alias == "file" else {}
    with migrated(alias, where, ATOMIC_REQUESTS=True, OPTIONS=options):
        with connections[alias].cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS shop_effects")
            cursor.execute("CREATE TABLE shop_effects (event_id TEXT PRIMARY KEY)")
        yield alias


@pytest.fixture(params=["middleware", "urls"])
def configured(
    request: pytest.FixtureRequest, router: Router, database: str
) -> Iterator[dict[str, Any]]:
    """Settings by which the endpoint keeps its claims in that database."""
    options = {"SECRETS": SECRET, "STORE": f"django:{database}", "ROUTER": router, "LEASE": 60}
    middleware = [OURS] if request.param == "middleware" else []
    with override_settings(COFFRIFY_WEBHOOKS=options, MIDDLEWARE=middleware):
        yield options


def post(body: bytes = BODY) -> dict[str, Any]:
    response = Client().post(PATH, body, "application/json", headers=sign(body, SECRET))
    answer: dict[str, Any] = response.json()
    return {"status": response.status_code, **answer}


async def post_async(body: bytes = BODY) -> dict[str, Any]:
    from coffrify_webhooks.django import CoffrifyWebhooksMiddleware

    async def get_response(request: HttpRequest) -> HttpResponse:
        return HttpResponse(status=404)

    middleware: Any = CoffrifyWebhooksMiddleware(get_response)
    request = AsyncRequestFactory().post(PATH, body, "application/json", headers=sign(body, SECRET))
    response = await middleware(request)
    return {"status": response.status_code, **json.loads(response.content)}


SENDERS: list[Callable[[], dict[str, Any]]] = [post, lambda: asyncio.run(post_async())]
EACH_WAY = pytest.mark.parametrize("send", SENDERS, ids=["sync", "async"])


def write(database: str, event_id: str = "evt_1") -> None:
    """Have an effect."""
    with connections[database].cursor() as cursor:
        cursor.execute("INSERT INTO shop_effects VALUES (%s)", [event_id])


def written(database: str) -> list[str]:
    with connections[database].cursor() as cursor:
        cursor.execute("SELECT event_id FROM shop_effects ORDER BY event_id")
        return [each for (each,) in cursor.fetchall()]


def store() -> Store:
    return current_endpoint().receiver.store


def the_record() -> Record:
    (record,) = store().find()
    return record


def elsewhere(function: Callable[[], Any]) -> Any:
    """Call a function in another thread, with a connection of its own."""
    results: list[Any] = []

    def work() -> None:
        try:
            results.append(function())
        except StoreUnavailable as error:
            results.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return results[0]


# --- which store ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "variable", "expected"),
    [
        ({}, None, "DjangoStore('default')"),
        ({"STORE": None}, None, "DjangoStore('default')"),
        ({"STORE": "django:"}, None, "DjangoStore('default')"),
        ({"STORE": "django:file"}, None, "DjangoStore('file')"),
        ({"STORE": DjangoStore("file")}, None, "DjangoStore('file')"),
        ({}, "django:file", "DjangoStore('file')"),
        ({}, "memory:", "MemoryStore"),
        ({"STORE": "memory:"}, "django:", "MemoryStore"),
    ],
)
def test_the_store_is_the_applications_database(
    options: dict[str, Any],
    variable: str | None,
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Unless the settings or the variable name another, or another alias."""
    monkeypatch.delenv("COFFRIFY_WEBHOOKS_STORE", raising=False)
    if variable:
        monkeypatch.setenv("COFFRIFY_WEBHOOKS_STORE", variable)
    with override_settings(COFFRIFY_WEBHOOKS={"SECRETS": SECRET, **options}):
        assert expected in repr(store())


class ToTheFile:
    """A database router that keeps our tables apart."""

    def db_for_write(self, model: Any, **_: Any) -> str | None:
        return "file" if model._meta.app_label == "coffrify_webhooks" else None


def test_database_routers_are_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default database is the one that DATABASE_ROUTERS has for our tables."""
    monkeypatch.delenv("COFFRIFY_WEBHOOKS_STORE", raising=False)
    with override_settings(COFFRIFY_WEBHOOKS={"SECRETS": SECRET}, DATABASE_ROUTERS=[ToTheFile()]):
        assert repr(store()) == "DjangoStore('file')"


def test_only_as_a_middleware_a_file_is_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the app is not installed, so that `migrate` makes no tables, a file in BASE_DIR is."""
    monkeypatch.delenv("COFFRIFY_WEBHOOKS_STORE", raising=False)
    options = {"SECRETS": SECRET}
    with override_settings(COFFRIFY_WEBHOOKS=options, BASE_DIR=tmp_path, INSTALLED_APPS=[]):
        assert repr(store()) == f"SQLiteStore({str(tmp_path / 'coffrify-webhooks.db')!r})"


def test_without_a_database_a_file_is_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A project without DATABASES works as well."""
    monkeypatch.delenv("COFFRIFY_WEBHOOKS_STORE", raising=False)
    before = connections["default"]
    connections["default"] = connections.create_connection("default")
    connections["default"].vendor = "unknown"  # as that of Django's dummy engine
    try:
        with override_settings(COFFRIFY_WEBHOOKS={"SECRETS": SECRET}, BASE_DIR=tmp_path):
            assert repr(store()).startswith("SQLiteStore(")
    finally:
        connections["default"] = before


def test_an_unknown_alias_is_a_system_check() -> None:
    """A STORE that names no database fails `manage.py check`."""
    options = {"SECRETS": SECRET, "STORE": "django:nowhere"}
    with (
        override_settings(COFFRIFY_WEBHOOKS=options),
        pytest.raises(SystemCheckError, match=r"settings\.DATABASES has no 'nowhere'"),
    ):
        call_command("check", databases=["default"])


def test_a_database_that_may_hang_is_told_before_deployment(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`check --deploy` says W002 for a server database without a connect_timeout."""
    for options, told in ({}, True), ({"connect_timeout": 2}, False):
        with (
            named("postgres", OPTIONS=options),
            override_settings(COFFRIFY_WEBHOOKS={"SECRETS": SECRET, "STORE": "django:postgres"}),
        ):
            call_command("check", deploy=True, databases=["default"])
            assert ("coffrify_webhooks.W002" in capsys.readouterr().err) is told


def test_before_migrate_deliveries_are_unavailable(
    router: Router, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Without tables the answer is 503 with Retry-After, and the log says what to run."""
    router.on("*")(lambda event: None)
    options = {"SECRETS": SECRET, "STORE": "django:file", "ROUTER": router}
    with (
        named("file", NAME=str(tmp_path / "new")),
        override_settings(COFFRIFY_WEBHOOKS=options, MIDDLEWARE=[OURS]),
    ):
        response = Client().post(PATH, BODY, "application/json", headers=sign(BODY, SECRET))
    assert response.status_code == 503
    assert response.headers["Retry-After"]
    assert "manage.py migrate" in caplog.text


# --- requests ---------------------------------------------------------------------------------


def test_a_failure_is_on_record(router: Router, configured: dict[str, Any], database: str) -> None:
    """With ATOMIC_REQUESTS too, a handler that raises leaves a failed event, and what it wrote."""

    @router.on("*")
    def handler(event: Event) -> None:
        assert not connections[database].in_atomic_block
        write(database)
        raise LookupError

    assert post()["status"] == 500
    assert (the_record().status, the_record().attempts) == ("failed", 1)
    assert written(database) == ["evt_1"]


def test_a_second_delivery_is_busy_at_once(
    router: Router, configured: dict[str, Any], database: str
) -> None:
    """With ATOMIC_REQUESTS too, who comes while the handler runs hears so, and does not wait."""
    second: list[dict[str, Any]] = []

    @router.on("*")
    def handler(event: Event) -> None:
        write(database)
        second.append(elsewhere(post))

    assert post()["status"] == 200
    assert (second[0]["status"], second[0]["error"]["code"]) == (503, "busy")
    assert post() == {"status": 200, "outcome": "duplicate"}


def test_a_second_delivery_is_busy_while_a_transaction_writes(
    router: Router, configured: dict[str, Any], database: str
) -> None:
    """An atomic handler keeps nobody waiting either, though SQLite has one writer only."""
    second: list[dict[str, Any]] = []

    @router.on("*", atomic=True)
    def handler(event: Event) -> None:
        write(database)
        second.append(elsewhere(post))

    assert post()["status"] == 200
    assert (second[0]["status"], second[0]["error"]["code"]) == (503, "busy")


# --- atomic handlers --------------------------------------------------------------------------


@EACH_WAY
@pytest.mark.parametrize("configured", ["middleware"], indirect=True)
def test_effect_and_finish_are_committed_together(
    router: Router,
    configured: dict[str, Any],
    database: str,
    send: Callable[[], dict[str, Any]],
) -> None:
    """An atomic handler writes in one transaction with the record that it has finished."""

    @router.on("*", atomic=True, name="writer")
    def handler(event: Event, connection: Any) -> None:
        assert connection is connections[database]
        assert connection.in_atomic_block
        write(database)
        assert elsewhere(lambda: written(database)) == []
        assert elsewhere(the_record).finished == frozenset()

    assert send() == {"status": 200, "outcome": "handled"}
    assert written(database) == ["evt_1"]
    assert the_record().status == "done"
    assert the_record().finished == {"writer"}


@EACH_WAY
@pytest.mark.parametrize("configured", ["middleware"], indirect=True)
def test_an_async_atomic_handler_is_in_the_transaction(
    router: Router,
    configured: dict[str, Any],
    database: str,
    send: Callable[[], dict[str, Any]],
) -> None:
    """What it awaits of the ORM is committed with its finish, or rolled back, under each server."""
    attempts: list[bool] = []

    @router.on("*", atomic=True, name="writer")
    async def handler(event: Event) -> None:
        await WebhookEvent.objects.using(database).acount()
        await sync_to_async(write)(database)
        attempts.append(await sync_to_async(lambda: connections[database].in_atomic_block)())
        if len(attempts) == 1:
            raise LookupError

    assert send()["status"] == 500
    assert written(database) == []
    assert send() == {"status": 200, "outcome": "handled"}
    assert send() == {"status": 200, "outcome": "duplicate"}
    assert written(database) == ["evt_1"]
    assert the_record().finished == {"writer"}
    assert attempts == [True, True]


def test_an_async_atomic_handler_that_takes_the_connection_is_refused(
    router: Router, database: str
) -> None:
    """Django's connection cannot be used in async code: told when the Receiver is made."""

    @router.on("*", atomic=True)
    async def handler(event: Event, connection: Any) -> None: ...

    with pytest.raises(ConfigurationError, match="drop the parameter `connection` and await"):
        Receiver(SECRET, router=router, store=DjangoStore(database))


def test_an_async_atomic_handler_within_a_running_loop(database: str) -> None:
    """In the thread of a running loop nothing could come back to the transaction; it is told."""
    store = DjangoStore(database)

    async def call() -> None:
        with pytest.raises(TypeError, match="call receive_async there"):
            store.run_in_transaction(asyncio.sleep, 0)

    asyncio.run(call())


@EACH_WAY
@pytest.mark.parametrize("configured", ["middleware"], indirect=True)
def test_what_an_atomic_handler_wrote_before_it_raised_is_gone(
    router: Router,
    configured: dict[str, Any],
    database: str,
    send: Callable[[], dict[str, Any]],
) -> None:
    """The event failed; its retry finds nothing of the first attempt, and has its effect once."""
    attempts: list[str] = []

    @router.on("*", atomic=True)
    def handler(event: Event) -> None:
        write(database)
        attempts.append(str(event.id))
        if len(attempts) == 1:
            raise LookupError

    assert send()["status"] == 500
    assert written(database) == []
    assert (the_record().status, the_record().finished) == ("failed", frozenset())
    assert send() == {"status": 200, "outcome": "handled"}
    assert written(database) == ["evt_1"]


@EACH_WAY
@pytest.mark.parametrize("configured", ["middleware"], indirect=True)
def test_only_what_has_not_finished_runs_again(
    router: Router,
    configured: dict[str, Any],
    database: str,
    send: Callable[[], dict[str, Any]],
) -> None:
    """Of two handlers one fails: the retry runs that one, and the other's effect is there once."""
    failures = [LookupError()]

    @router.on("*", atomic=True, name="good")
    def good(event: Event) -> None:
        write(database)

    @router.on("*", atomic=True, name="bad")
    def bad(event: Event) -> None:
        write(database, "evt_2")
        if failures:
            raise failures.pop()

    assert send()["status"] == 500
    assert written(database) == ["evt_1"]
    assert the_record().finished == {"good"}
    assert send()["status"] == 200
    assert written(database) == ["evt_1", "evt_2"]


@EACH_WAY
@pytest.mark.parametrize("configured", ["middleware"], indirect=True)
@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_a_lost_claim_takes_the_effect_along(
    router: Router,
    configured: dict[str, Any],
    database: str,
    send: Callable[[], dict[str, Any]],
) -> None:
    """Whoever lost the claim while handling rolls back, answers busy, and settles nothing."""

    @router.on("*", atomic=True)
    def handler(event: Event) -> None:
        write(database)
        key = elsewhere(the_record).key
        elsewhere(lambda: store().forget(key))
        elsewhere(lambda: store().claim(key, "d", 60.0))

    answer = send()
    assert (answer["status"], answer["error"]["code"]) == (503, "claim_lost")
    assert written(database) == []
    assert (the_record().status, the_record().finished) == ("claimed", frozenset())


@pytest.mark.parametrize("configured", ["middleware"], indirect=True)
def test_a_transaction_that_the_handler_broke_is_a_failure(
    router: Router, configured: dict[str, Any], database: str
) -> None:
    """A handler that swallows an error, which spoiled its transaction, has not finished."""

    @router.on("*", atomic=True)
    def handler(event: Event) -> None:
        write(database)
        with suppress(IntegrityError), transaction.atomic(database, savepoint=False):
            write(database)

    assert post()["status"] == 500
    assert written(database) == []
    assert the_record().status == "failed"


@pytest.mark.parametrize("configured", ["middleware"], indirect=True)
@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_what_postgresql_aborted_is_a_failure(
    router: Router, configured: dict[str, Any], database: str
) -> None:
    """So is one whose error PostgreSQL remembers: it is the handler's fault, not the store's."""

    @router.on("*", atomic=True)
    def handler(event: Event) -> None:
        write(database)
        with suppress(DatabaseError):
            write(database)

    assert post()["status"] == 500
    assert (written(database), the_record().status) == ([], "failed")


@pytest.mark.parametrize("configured", ["middleware"], indirect=True)
def test_a_constraint_that_fails_at_the_commit_is_a_failure(
    router: Router, configured: dict[str, Any], database: str
) -> None:
    """A deferred constraint is the handler's matter too."""
    with connections[database].cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS shop_lines")
        cursor.execute(
            "CREATE TABLE shop_lines (event_id TEXT REFERENCES shop_effects (event_id) "
            "DEFERRABLE INITIALLY DEFERRED)"
        )

    @router.on("*", atomic=True)
    def handler(event: Event) -> None:
        with connections[database].cursor() as cursor:
            cursor.execute("INSERT INTO shop_lines VALUES ('none')")

    try:
        assert post()["status"] == 500
        assert the_record().status == "failed"
    finally:
        with connections[database].cursor() as cursor:
            cursor.execute("DROP TABLE shop_lines")


@pytest.mark.parametrize("configured", ["middleware"], indirect=True)
@pytest.mark.parametrize("database", ["file"], indirect=True)
def test_on_sqlite_the_transaction_is_the_lease(
    router: Router, configured: dict[str, Any], database: str
) -> None:
    """Nobody takes the event from a transaction, however late, and renewing harms nothing."""
    now = [1_700_000_000.0]
    configured["STORE"] = DjangoStore(database, clock=lambda: now[0])
    current_endpoint.cache_clear()
    seen: list[Any] = []

    @router.on("*", atomic=True)
    def handler(event: Event) -> None:
        assert written(database) == []  # reads first: SQLite refuses to let such a one write later
        now[0] += 1000
        record = elsewhere(the_record)
        token = elsewhere(lambda: token_of(database))
        seen.append(elsewhere(lambda: store().renew(record.key, token, 60.0)))
        seen.append(elsewhere(lambda: store().claim(record.key, record.digest, 60.0)))
        write(database)

    assert post() == {"status": 200, "outcome": "handled"}
    assert [type(each) for each in seen] == [StoreUnavailable, StoreUnavailable]
    assert (written(database), the_record().status) == (["evt_1"], "done")


def token_of(database: str) -> str:
    with connections[database].cursor() as cursor:
        cursor.execute("SELECT token FROM coffrify_webhooks_events")
        return str(cursor.fetchone()[0])


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_a_lease_is_renewed_while_a_transaction_is_open(
    router: Router, configured: dict[str, Any], database: str
) -> None:
    """On a server the row is locked at the very end only, so that the lease can be renewed."""
    renewed: list[bool] = []

    @router.on("*", atomic=True)
    def handler(event: Event) -> None:
        write(database)
        token, record = elsewhere(lambda: token_of(database)), elsewhere(the_record)
        renewed.append(elsewhere(lambda: store().renew(record.key, token, 60.0)))

    assert post()["status"] == 200
    assert renewed == [True]


def test_within_a_transaction_it_is_a_savepoint(database: str) -> None:
    """Inside a transaction of the application, a lost claim undoes the handler's part only."""
    ours = DjangoStore(database)
    token = ours.claim("k", "d", 60.0).token
    with transaction.atomic(database):
        write(database, "outside")
        with pytest.raises(ClaimLost):
            ours.atomically("k", "stale", 60, "handler", lambda _: write(database, "inside"))
        assert ours.atomically("k", token, 60, "handler", lambda _: 42) == 42
        record = ours.get("k")
        assert record is not None
        assert record.lease_until > record.touched_at + 59  # held for a lease from the commit on
    assert written(database) == ["outside"]
    record = ours.get("k")
    assert record is not None
    assert record.finished == {"handler"}


def test_without_a_key_nothing_is_recorded(database: str) -> None:
    """An event without an id is handled in a transaction all the same."""
    ours = DjangoStore(database)

    def fail(_: Any) -> None:
        write(database)
        raise LookupError

    with pytest.raises(LookupError):
        ours.atomically(None, "", 60, "handler", fail)
    assert written(database) == []
    ours.atomically(None, "", 60, "handler", lambda _: write(database))
    assert written(database) == ["evt_1"]
    assert ours.find() == []


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_a_database_that_goes_away_in_between_is_unavailable(
    router: Router, configured: dict[str, Any], database: str
) -> None:
    """If the connection ends before the commit, the answer is 503; the handler is not to blame."""

    @router.on("*", atomic=True)
    def handler(event: Event) -> None:
        write(database)
        connection: Any = connections[database]
        pid = connection.connection.info.backend_pid
        elsewhere(lambda: end(database, pid))

    answer = post()
    assert (answer["status"], answer["error"]["code"]) == (503, "store_unavailable")
    assert (written(database), the_record().status) == ([], "claimed")


def end(database: str, pid: int) -> None:
    with connections[database].cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
