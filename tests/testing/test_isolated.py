"""isolated(): every receiver has a store, a clock, a secret of its own; then its old ones."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, current_app
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from starlette.applications import Starlette
from starlette.testclient import TestClient
from tests.servers.postgres import Postgres

from coffrify_webhooks import ConfigurationError, Event, Notice, Receiver, Retries, Router
from coffrify_webhooks.asgi import CoffrifyWebhooksMiddleware
from coffrify_webhooks.flask import CoffrifyWebhooks
from coffrify_webhooks.stores.memory import MemoryStore
from coffrify_webhooks.stores.sql import SQLStore
from coffrify_webhooks.testing import deliver, deliver_async, isolated
from coffrify_webhooks.testing.layers import SETTINGS

SECRET = "whsec_" + "5e" * 32


class Engine:
    """A dispatcher that must not be reached."""

    def dispatch(self, message: Any) -> None:
        raise AssertionError("the engine was reached")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory in which no file may be made, and no secret in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in ("COFFRIFY_WEBHOOK_SECRET", "COFFRIFY_WEBHOOKS_STORE"):
        monkeypatch.delenv(name, raising=False)
    yield tmp_path
    assert [each for each in tmp_path.rglob("*") if each.is_file()] == []
    assert {"store", "clock", "verifier", "router"}.isdisjoint(vars(Receiver)), "all is put back"


@pytest.fixture
def seen() -> list[Event]:
    return []


@pytest.fixture
def router(seen: list[Event]) -> Router:
    router = Router()
    router.on("*", name="see")(seen.append)
    return router


@pytest.fixture
def receiver(router: Router) -> Receiver:
    """As a module makes it when it is imported: with the default store, a file."""
    return Receiver(SECRET, router=router)


def settings_of(receiver: Receiver) -> dict[str, Any]:
    return {
        name: getattr(receiver, name)
        for name in ("store", "clock", "verifier", "dispatcher", "first_time", "purge_schedule")
    } | {"all": dict(vars(receiver))}


def test_all_is_as_before_when_it_ends(router: Router) -> None:
    """Store, clock, secrets and dispatcher; and in between they are others."""
    receiver = Receiver(SECRET, router=router, dispatcher=Engine())
    before = settings_of(receiver)
    with isolated() as kit:
        inside = settings_of(receiver)
        assert kit.deliver(receiver, "transfer.created").outcome == "queued"
    assert settings_of(receiver) == before
    assert all(inside[name] is not before[name] for name in before)
    assert inside["all"] == before["all"], "the receiver itself is not touched"


def test_every_setting_that_is_isolated_is_one_of_a_receiver(receiver: Receiver) -> None:
    """So that none is forgotten when it is given another name."""
    assert set(SETTINGS) <= set(vars(receiver))


def test_old_claims_are_not_purged_in_a_test(receiver: Receiver) -> None:
    """There are none, and no thread is to look for them; the own turn stays as it was."""
    with isolated():
        assert not receiver.purge_schedule.is_due()
    assert receiver.purge_schedule.is_due()


def test_an_exception_inside_ends_it_as_well(receiver: Receiver) -> None:
    """And leaves as it came."""
    before = settings_of(receiver)

    def test() -> None:
        with isolated() as kit:
            kit.deliver(receiver, "transfer.created")
            raise LookupError

    with pytest.raises(LookupError):
        test()
    assert settings_of(receiver) == before


def test_every_isolation_begins_empty(receiver: Receiver, seen: list[Event]) -> None:
    """The same event is new in each, and made of the same time; each has a secret of its own."""
    secrets = set()
    for _ in range(2):
        with isolated() as kit:
            assert kit.deliver(receiver, "transfer.created", id="evt_1").outcome == "handled"
            assert kit.deliver(receiver, "transfer.created", id="evt_1").outcome == "duplicate"
            secrets.add(kit.secret)
    assert (len(seen), len(secrets)) == (2, 2)


def test_only_the_receivers_that_are_named_are_isolated(router: Router) -> None:
    """Another one keeps its secret and store, also within."""
    one, other = (Receiver(SECRET, name=name, router=router, store="memory:") for name in "ab")
    store = other.store
    with isolated(one) as kit:
        assert isinstance(one.store, MemoryStore)
        assert other.store is store
        assert kit.deliver(one, "transfer.created").outcome == "handled"
        assert deliver(other, "transfer.created").outcome == "handled"
        assert kit.deliver(one, "ping", secret=SECRET).code == "signature_mismatch"
        assert [notice.receiver for notice in kit.notices if notice.kind == "replied"] == ["a", "a"]


def test_what_is_no_receiver_is_refused() -> None:
    """An application has its receivers isolated when none is named."""
    with pytest.raises(ConfigurationError, match="not a Flask; without any"), isolated(Flask("x")):  # type: ignore[arg-type]
        pass


def test_isolations_nest(receiver: Receiver) -> None:
    """The inner one knows nothing of the outer's events, and gives way to it."""
    with isolated() as outer:
        assert outer.deliver(receiver, "transfer.created", id="evt_1").outcome == "handled"
        outer.clock.advance(50)
        with isolated() as inner:
            result = inner.deliver(receiver, "transfer.created", id="evt_1")
            assert result.outcome == "handled"
            assert outer.deliver(receiver, result.event).outcome == "conflict"
        assert outer.deliver(receiver, "transfer.created", id="evt_1").outcome == "conflict"
        assert len(inner.events) == len(outer.events) == 1
        assert receiver.clock() == outer.clock()


def test_threads_have_isolations_of_their_own(receiver: Receiver) -> None:
    """At the same time, of one receiver, each sees its own events only."""
    everybody = threading.Barrier(4)

    def test(number: int) -> list[Any]:
        with isolated() as kit:
            everybody.wait()
            kit.clock.advance(1000 * number)
            outcomes: list[Any] = [
                kit.deliver(
                    receiver, "transfer.created", case="duplicate", id=f"evt_{each}"
                ).outcome
                for each in range(5)
            ]
            everybody.wait()
            return [*outcomes, len(kit.events), round(kit.clock() - receiver.clock())]

    with ThreadPoolExecutor(4) as pool:
        found = [*pool.map(test, range(4))]
    assert found == [["duplicate"] * 5 + [5, 0]] * 4


def test_tasks_have_isolations_of_their_own(receiver: Receiver, router: Router) -> None:
    """So have tasks of one event loop."""

    @router.on("ping")
    async def wait(event: Event) -> None:
        await asyncio.sleep(0)

    async def test() -> int:
        with isolated() as kit:
            for _ in range(3):
                assert (await kit.deliver_async(receiver, "ping", id="evt_1")).status == 200
                await asyncio.sleep(0)
            return len(kit.events)

    async def run() -> list[int]:
        return [*await asyncio.gather(test(), test(), test())]

    assert asyncio.run(run()) == [1, 1, 1]


def test_a_kit_works_from_a_thread_that_it_did_not_begin_in(receiver: Receiver) -> None:
    """As from a pool that was there before."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        with isolated() as kit, isolated():
            result = pool.submit(kit.deliver, receiver, "transfer.created").result()
        assert (result.outcome, len(kit.events)) == ("handled", 1)


def test_it_may_end_in_another_context(receiver: Receiver) -> None:
    """As a fixture of an async plugin does."""
    from contextvars import copy_context

    manager = isolated()
    kit = copy_context().run(manager.__enter__)
    assert kit.deliver(receiver, "transfer.created").outcome == "handled"
    copy_context().run(manager.__exit__, None, None, None)


def test_the_clock_moves_only_by_hand(receiver: Receiver) -> None:
    """A delivery that waits too long is refused, and a lease runs out."""
    with isolated() as kit:
        start = kit.clock()
        assert receiver.clock() == start
        event = kit.make_event("transfer.created")
        claim = receiver.store.claim("key", "digest", 60)
        kit.clock.advance(61)
        assert claim.status == receiver.store.claim("key", "digest", 60).status == "claimed"
        assert kit.clock() == start + 61
        assert kit.deliver(receiver, event).outcome == "handled", "it is signed when it is sent"
        with pytest.raises(ConfigurationError, match="only goes forward"):
            kit.clock.advance(-1)


# --- receivers that others make -------------------------------------------------------------------


def test_a_receiver_made_meanwhile_needs_no_secret(router: Router) -> None:
    """A factory that is called in the test; afterwards it says that it has none."""
    with isolated() as kit:
        app = Flask("shop")
        app.config["COFFRIFY_WEBHOOKS"] = {"ROUTER": router}
        CoffrifyWebhooks(app)
        assert kit.deliver(app, "transfer.created").outcome == "handled"
    late = deliver(app, "transfer.created", secret=SECRET)
    assert (late.status, late.code) == (503, "secrets_unavailable")
    assert "there is no secret; set COFFRIFY_WEBHOOK_SECRET" in str(late)
    with pytest.raises(ConfigurationError, match="there is no secret"):
        Receiver()


def test_two_made_meanwhile_without_a_secret_are_one_endpoint(router: Router) -> None:
    """As an application that is made anew in each test: they share the store of their place."""
    for _ in range(2):
        with isolated() as kit:
            one, two = Receiver(router=router), Receiver(router=router)
            event = kit.deliver(one, "transfer.created").event
            assert kit.deliver(two, event).outcome == "duplicate"


def test_a_receiver_of_starlette_is_isolated_whenever_it_is_made(router: Router) -> None:
    """The first request makes it; the second test finds it made."""
    app = Starlette()
    app.add_middleware(CoffrifyWebhooksMiddleware)
    from coffrify_webhooks.router import default_router

    default_router.on("transfer.created", name="for this test")(lambda event: None)
    try:
        for _ in range(2):
            with isolated() as kit:
                for target in (app, TestClient(app)):
                    assert kit.deliver(target, "transfer.created", id="evt_1").status == 200
                assert [each.outcome for each in kit.results] == ["handled", "duplicate"]
    finally:
        default_router._handlers.pop("for this test")
        default_router._matches.clear()


def test_handlers_keep_their_application(receiver: Receiver, router: Router) -> None:
    """Flask's context is that of a real delivery, also for what was queued."""
    names: list[str] = []

    @router.on("ping")
    def handle(event: Event) -> None:
        names.append(current_app.name)

    app = Flask("shop")
    CoffrifyWebhooks(app, Receiver(SECRET, router=router, dispatcher=Engine()))
    with isolated() as kit:
        assert kit.deliver(app, "ping").outcome == "queued"
        assert [each.outcome for each in kit.run_queued()] == ["handled"]
    assert names == ["shop"]


# --- what was queued ------------------------------------------------------------------------------


def test_what_was_queued_runs_when_it_is_told_to(router: Router, seen: list[Event]) -> None:
    """Once, through `execute`; a duplicate in between is one."""
    receiver = Receiver(SECRET, router=router, dispatcher=Engine())
    with isolated() as kit:
        assert kit.deliver(receiver, "transfer.created", case="duplicate").outcome == "duplicate"
        assert (seen, kit.events) == ([], [])
        [result] = kit.run_queued()
        assert (result.outcome, result.status, result.event.id) == ("handled", 200, seen[0].id)
        assert [event.id for event in kit.events] == [seen[0].id]
        assert kit.run_queued() == []


def test_a_failure_stays_queued_until_its_attempts_are_spent(router: Router) -> None:
    """The handler's exception is shown; the last one is a dead letter."""

    @router.on("ping")
    def fail(event: Event) -> None:
        raise LookupError("no such customer")

    receiver = Receiver(SECRET, router=router, dispatcher=Engine(), retries=Retries(2))
    with isolated() as kit:
        kit.deliver(receiver, "ping")
        [first], [second] = kit.run_queued(), kit.run_queued()
        assert kit.run_queued() == []
        assert (first.outcome, second.outcome) == ("failed", "dead")
        for result in (first, second):
            assert (result.status, result.code) == (500, "handler_failed")
            assert isinstance(result.error, LookupError)
            assert "no such customer" in str(result)


# --- stores in the application's own database -----------------------------------------------------


def test_atomic_handlers_run_in_a_transaction_of_the_real_database() -> None:
    """What one did before it failed is rolled back; the claims are in memory."""
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE sale (id TEXT)"))
    router = Router()

    @router.on("transfer.created", atomic=True)
    def sell(event: Event, connection: Any) -> None:
        connection.execute(text("INSERT INTO sale VALUES (:id)"), {"id": event.id})
        if event.id == "evt_2":
            raise LookupError

    receiver = Receiver(SECRET, router=router, store=SQLStore(engine))
    with isolated() as kit:
        outcomes = [
            kit.deliver(receiver, "transfer.created", id=f"evt_{number}", case="duplicate").outcome
            for number in (1, 2)
        ]
    assert outcomes == ["duplicate", "failed"]
    with engine.connect() as connection:
        assert [*connection.execute(text("SELECT id FROM sale")).scalars()] == ["evt_1"]
    engine.dispose()


@pytest.mark.parametrize("is_async_caller", [False, True])
def test_async_atomic_handlers_run_in_a_transaction_of_the_real_database(
    postgres: Postgres, *, is_async_caller: bool
) -> None:
    """Of an AsyncEngine, likewise, whoever calls the receiver."""
    url = postgres.url.replace("postgresql:", "postgresql+psycopg:")
    engine, plain = create_async_engine(url, poolclass=NullPool), create_engine(url)
    with plain.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS kit_sale"))
        connection.execute(text("CREATE TABLE kit_sale (id TEXT)"))
    router = Router()

    @router.on("transfer.created", atomic=True)
    async def sell(event: Event, connection: Any) -> None:
        await connection.execute(text("INSERT INTO kit_sale VALUES (:id)"), {"id": event.id})
        if event.id == "evt_2":
            raise LookupError

    receiver, ids = Receiver(SECRET, router=router, store=SQLStore(engine)), (1, 1, 2)

    async def run() -> list[Any]:
        return [
            (await kit.deliver_async(receiver, "transfer.created", id=f"evt_{each}")).outcome
            for each in ids
        ]

    with isolated() as kit:
        if is_async_caller:
            outcomes = asyncio.run(run())
        else:
            outcomes = [
                kit.deliver(receiver, "transfer.created", id=f"evt_{each}").outcome for each in ids
            ]
    assert outcomes == ["handled", "duplicate", "failed"]
    with plain.begin() as connection:
        found = connection.execute(text("SELECT id FROM kit_sale")).scalars().all()
        connection.execute(text("DROP TABLE kit_sale"))
    plain.dispose()
    assert found == ["evt_1"]


# --- what is observed -----------------------------------------------------------------------------


def test_notices_and_events_are_of_this_isolation(router: Router) -> None:
    """And the receiver's own observers are told as ever."""
    own: list[Notice] = []
    receiver = Receiver(SECRET, router=router, observers=[own.append])
    with isolated() as kit:
        kit.deliver(receiver, "transfer.created", data={"notes": "A"})
        kit.deliver(receiver, "transfer.created", case="forged")
        assert kit.notices == [notice for notice in own if notice.phase is None]
        assert [notice.kind for notice in kit.notices] == ["key_matched", "replied", "replied"]
        [event] = kit.events
        assert event.data.notes == "A"
    with isolated() as later:
        assert (later.notices, later.events, later.results) == ([], [], [])


def test_a_loop_of_before_sees_the_isolation(receiver: Receiver) -> None:
    """Tasks of a loop whose context was made before the fixture: the isolation opened last."""
    with asyncio.Runner() as runner:
        runner.run(asyncio.sleep(0))
        with isolated() as kit:
            assert runner.run(deliver_async(receiver, "transfer.created")).outcome == "handled"
            assert len(kit.events) == 1


@contextmanager
def frozen(how: str) -> Iterator[None]:
    if how == "freezegun":
        from freezegun import freeze_time

        with freeze_time("2031-01-01"):
            yield
    else:
        import time_machine

        with time_machine.travel("2031-01-01T00:00:00Z", tick=False):
            yield


@pytest.mark.parametrize("how", ["freezegun", "time-machine"])
def test_a_set_time_works_inside_and_outside(receiver: Receiver, how: str) -> None:
    """Set before it begins, the kit's clock starts there; set later, deliveries still hold."""
    with frozen(how), isolated() as kit:
        assert kit.clock() == 1_924_992_000
        assert kit.deliver(receiver, "transfer.created").outcome == "handled"
    with isolated() as kit, frozen(how):
        assert kit.deliver(receiver, "transfer.created").outcome == "handled"
    with isolated(), frozen(how):
        pass
    memory = Receiver(SECRET, router=receiver.router, store="memory:", name="memory")
    with frozen(how):
        assert deliver(memory, "transfer.created").outcome == "handled"
        assert deliver(memory, "transfer.created", case="stale").code == "timestamp_too_old"


def test_a_kit_whose_isolation_is_over_delivers_nothing() -> None:
    """After its block the receivers have their own stores again, so the kit refuses."""
    receiver = Receiver(SECRET, router=Router(), store="memory:")
    with isolated(receiver) as kit:
        pass
    with pytest.raises(ConfigurationError, match="inside its `with` block"):
        kit.deliver(receiver, "transfer.created")
    assert receiver.store.find() == []
