"""Flask: the application's context, in every way a handler can be run."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event as Event_
from threading import Thread
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from flask import Flask, current_app, g, has_app_context, has_request_context
from tests.adapters.suite import PATH, SECRET, make_body

from coffrify_webhooks import (
    ConfigurationError,
    Event,
    HandlerError,
    Notice,
    Receiver,
    Router,
    sign,
)
from coffrify_webhooks.drivers import drive as drivers
from coffrify_webhooks.flask import CoffrifyWebhooks
from coffrify_webhooks.stores import Filter


class Engine:
    """Keeps what it is given; `work` is a worker's thread."""

    def __init__(self) -> None:
        self.took: list[dict[str, Any]] = []

    def dispatch(self, message: dict[str, Any]) -> None:
        self.took.append(message)


class Shop:
    """A Flask application, its receiver, and what its handlers and contexts saw."""

    def __init__(self, name: str = "shop", receiver: Receiver | None = None) -> None:
        self.router = Router()
        self.receiver = receiver or Receiver(SECRET, router=self.router, store="memory:")
        self.app = Flask(name)
        self.seen: list[tuple[str, bool]] = []
        self.ended: list[object] = []
        CoffrifyWebhooks(self.app, self.receiver)
        self.app.teardown_appcontext(self.ended.append)

    def see(self, _event: Event) -> None:
        """Note the application, and whether another handler has used this context."""
        self.seen.append((current_app.name, "used" in g))
        g.used = True

    async def see_later(self, event: Event) -> None:
        await anyio.lowlevel.checkpoint()
        self.see(event)

    def see_by_awaitable(self, event: Event) -> Any:
        return self.see_later(event)

    def post(self) -> Any:
        body = make_body()
        return self.app.test_client().post(PATH, data=body, headers=sign(body, SECRET))


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture(autouse=True)
def nothing_left_open() -> Iterator[None]:
    """No context outlives the handler for which it was opened."""
    yield
    assert not has_app_context()


def receive(receiver: Receiver) -> None:
    body = make_body()
    assert receiver.receive(body, sign(body, SECRET)).outcome == "handled"


def receive_in_a_thread(receiver: Receiver) -> None:
    thread = Thread(target=receive, args=(receiver,))
    thread.start()
    thread.join()


def execute(receiver: Receiver) -> None:
    receiver.dispatcher = Engine()
    body = make_body()
    assert receiver.receive(body, sign(body, SECRET)).outcome == "queued"
    assert receiver.execute(receiver.dispatcher.took[0]) == "handled"


def receive_async(backend: str) -> Callable[[Receiver], None]:
    async def main(receiver: Receiver) -> None:
        body = make_body()
        assert (await receiver.receive_async(body, sign(body, SECRET))).outcome == "handled"

    return lambda receiver: anyio.run(main, receiver, backend=backend)


WAYS: dict[str, Callable[[Receiver], None]] = {
    "receive": receive,
    "thread": receive_in_a_thread,
    "execute": execute,
    "asyncio": receive_async("asyncio"),
    "trio": receive_async("trio"),
}


@pytest.mark.parametrize("kind", ["see", "see_later", "see_by_awaitable"])
@pytest.mark.parametrize("way", WAYS)
def test_a_handler_outside_of_a_request_has_a_context_of_its_own(
    shop: Shop, way: str, kind: str
) -> None:
    """Each call of a handler, sync or async, gets current_app and a fresh g, which end with it."""
    for name in ("one", "two"):
        shop.router.on("*", name=name)(getattr(shop, kind))
    WAYS[way](shop.receiver)
    assert shop.seen == [("shop", False)] * 2
    assert len(shop.ended) >= 2


def test_a_replay_has_the_context_of_the_application(shop: Shop) -> None:
    """Receiver.replay, as `events replay` calls it, runs handlers inside the application."""
    errors: list[Exception] = [LookupError()]

    @shop.router.on("*")
    def handler(event: Event) -> None:
        if errors:
            raise errors.pop()
        shop.see(event)

    assert shop.post().status_code == 500
    assert shop.receiver.replay("evt_1") == "handled"
    assert shop.seen == [("shop", False)]


def test_an_atomic_handler_has_the_context_of_the_application(tmp_path: Path) -> None:
    """So does one in a transaction with the record of its finish."""
    sqlalchemy = pytest.importorskip("sqlalchemy")
    from coffrify_webhooks.stores.sql import SQLStore

    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'shop.db'}")
    store = SQLStore(engine)
    router = Router()
    shop = Shop(receiver=Receiver(SECRET, router=router, store=store))
    router.on("*", atomic=True)(shop.see)
    receive(shop.receiver)
    assert shop.seen == [("shop", False)]
    store.close()
    engine.dispose()


def test_handlers_within_a_request_share_its_context(shop: Shop) -> None:
    """No second context is opened: the handlers see the request's g, and one another's."""
    shop.app.before_request(lambda: setattr(g, "used", True))
    shop.router.on("*", name="sync")(shop.see)
    shop.router.on("*", name="async")(shop.see_later)
    shop.router.on("*", name="request")(
        lambda event: shop.seen.append(("request", has_request_context()))
    )
    assert shop.post().status_code == 200
    assert shop.seen == [("shop", True), ("shop", True), ("request", True)]
    assert len(shop.ended) == 1


def test_a_context_that_is_open_is_kept(shop: Shop) -> None:
    """Who opens the application's context around a replay or a receive gives it to the handlers."""
    shop.router.on("*")(shop.see)
    with shop.app.app_context():
        g.used = True
        receive(shop.receiver)
        assert shop.ended == []
    assert shop.seen == [("shop", True)]


def test_the_context_of_another_application_is_not_taken(shop: Shop) -> None:
    """A handler sees its own application, also when another one runs the receiver."""
    shop.router.on("*")(shop.see)
    with Flask("other").app_context():
        receive(shop.receiver)
        assert current_app.name == "other"
    assert shop.seen == [("shop", False)]


def test_a_receiver_of_two_applications_keeps_the_one_that_is_asked(shop: Shop) -> None:
    """In a request it is that one's context; outside, that of the last one initialised."""
    last = Shop("last", shop.receiver)
    shop.router.on("*")(shop.see)
    assert shop.post().status_code == 200
    shop.receiver.forget("evt_1")
    assert last.post().status_code == 200
    shop.receiver.forget("evt_1")
    receive(shop.receiver)
    assert [name for name, _ in shop.seen] == ["shop", "last", "last"]


def test_what_a_handler_raises_reaches_teardown_and_the_record(shop: Shop) -> None:
    """The context ends with the exception, and the record names the handler's own line."""

    @shop.router.on("*", name="handler")
    def handler(event: Event) -> None:
        raise LookupError(event.id)

    with pytest.raises(HandlerError):
        execute(shop.receiver)
    assert isinstance(shop.ended[0], LookupError)
    (record,) = shop.receiver.store.find(Filter())
    assert "handler raised LookupError at test_flask_context.py" in record.error


def test_a_teardown_that_raises_is_the_handlers_failure(shop: Shop) -> None:
    """As a commit at the end of a context: the event is not handled, and comes again."""
    shop.router.on("*", name="handler")(lambda event: None)

    @shop.app.teardown_appcontext
    def commit(error: BaseException | None) -> None:
        raise sqlite3.OperationalError("database is locked")

    body = make_body()
    reply = shop.receiver.receive(body, sign(body, SECRET))
    assert reply.outcome == "failed"


@pytest.mark.parametrize("kind", ["see", "see_later", "see_by_awaitable"])
@pytest.mark.parametrize("way", WAYS)
def test_an_async_teardown_runs_after_each_handler(shop: Shop, way: str, kind: str) -> None:
    """Also where the handler's context ends on an event loop, as it never does in a request."""
    shop.router.on("*")(getattr(shop, kind))
    done: list[tuple[str, bool]] = []

    @shop.app.teardown_appcontext
    async def close(error: BaseException | None) -> None:
        await asyncio.sleep(0)
        done.append((current_app.name, "used" in g))

    WAYS[way](shop.receiver)
    assert ("shop", True) in done
    assert shop.seen == [("shop", False)]


def test_an_async_teardown_leaves_the_event_loop_usable(shop: Shop) -> None:
    """Its handler's loop is still the running one afterwards."""
    shop.router.on("*")(shop.see_later)

    @shop.app.teardown_appcontext
    async def close(error: BaseException | None) -> None:
        await asyncio.sleep(0)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        body = make_body()
        assert (await shop.receiver.receive_async(body, sign(body, SECRET))).outcome == "handled"
        assert asyncio.get_running_loop() is loop
        await asyncio.sleep(0)

    asyncio.run(main())


def test_the_warning_of_a_slow_handler_names_the_setting(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A receiver made of app.config is told there how to get an engine."""
    told = Event_()

    def observe(notice: Notice) -> None:
        if notice.kind == "slow_handler":
            told.set()

    router = Router()
    app = Flask("example", instance_path=str(tmp_path))
    app.config["COFFRIFY_WEBHOOKS"] = {
        "SECRETS": SECRET,
        "STORE": "memory:",
        "ROUTER": router,
        "SENDER_TIMEOUT": 0.05,
        "OBSERVERS": [observe],
    }
    CoffrifyWebhooks(app)
    router.on("*", name="slow")(lambda event: told.wait(60))
    body = make_body()
    assert app.test_client().post(PATH, data=body, headers=sign(body, SECRET)).status_code == 200
    (text,) = (each.getMessage() for each in caplog.records if "still running" in each.getMessage())
    assert 'to an engine, app.config["COFFRIFY_WEBHOOKS"] = {"DISPATCHER": ...}, or' in text


def test_the_error_of_full_places_names_the_setting(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a handler holds up the others, a receiver made of app.config is told there."""
    monkeypatch.setattr(drivers, "_BEGIN_WITHIN", 0.1)
    router, entered, leave = Router(), Event_(), Event_()
    app = Flask("example", instance_path=str(tmp_path))
    app.config["COFFRIFY_WEBHOOKS"] = {"SECRETS": SECRET, "STORE": "memory:", "ROUTER": router}
    receiver = CoffrifyWebhooks(app).receiver
    assert receiver

    async def blocks(event: Event) -> None:
        entered.set()
        assert leave.wait(60)

    router.on("*", name="shop:blocks")(blocks)
    first, late = make_body(), make_body(event_id="evt_late")
    holding = Thread(target=receiver.receive, args=(first, sign(first, SECRET)))
    holding.start()
    try:
        assert entered.wait(60)
        answer = app.test_client().post(PATH, data=late, headers=sign(late, SECRET))
        assert answer.status_code == 503
    finally:
        leave.set()
        holding.join()
    (text,) = (each.getMessage() for each in caplog.records if "not begin" in each.getMessage())
    assert 'to an engine, app.config["COFFRIFY_WEBHOOKS"] = {"DISPATCHER": ...}, or' in text
    assert "Receiver(" not in text


def test_the_error_of_two_endpoints_of_one_name_names_the_setting(tmp_path: Path) -> None:
    """What is wrong while the receiver is made speaks of app.config too."""
    store = f"sqlite:///{tmp_path}/shared.db"
    first = Receiver("another-secret-of-16", router=Router(), store=store)
    app = Flask("example", instance_path=str(tmp_path))
    app.config["COFFRIFY_WEBHOOKS"] = {"SECRETS": SECRET, "STORE": store}
    with pytest.raises(ConfigurationError) as raised:
        CoffrifyWebhooks(app)
    assert str(raised.value).endswith('app.config["COFFRIFY_WEBHOOKS"] = {"NAME": ...}')
    assert first.name == "default"


def test_the_error_of_missing_handlers_names_the_setting(tmp_path: Path) -> None:
    """A receiver made of app.config is told to name the module there."""
    app = Flask("example", instance_path=str(tmp_path))
    app.config["COFFRIFY_WEBHOOKS"] = {"SECRETS": SECRET, "STORE": "memory:", "ROUTER": Router()}
    CoffrifyWebhooks(app)
    body = make_body()
    answer = app.test_client().post(PATH, data=body, headers=sign(body, SECRET))
    assert answer.status_code == 503
    hint = 'app.config["COFFRIFY_WEBHOOKS"] = {"HANDLERS": ["myapp.webhooks"]}'
    assert hint in answer.get_json()["error"]["message"]


def test_the_error_of_missing_handlers_names_the_receivers_option(shop: Shop) -> None:
    """A Receiver of the user's own is made elsewhere: its own option is named."""
    answer = shop.post()
    assert 'Receiver(handlers=["myapp.webhooks"])' in answer.get_json()["error"]["message"]
