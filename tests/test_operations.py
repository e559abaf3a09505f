"""Operations: each is told when it starts and when it ends, whoever drives, wherever it runs."""

import asyncio
import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import anyio
import pytest
import trio
from tests.dispatch.kept_messages import Engine
from tests.stores.async_memory import AsyncMemoryStore

from coffrify_webhooks import (
    ConfigurationError,
    Delivery,
    Event,
    HandlerError,
    Message,
    Notice,
    Receiver,
    Reply,
    Router,
    StoreUnavailable,
    sign,
)
from coffrify_webhooks.dispatch.message import unpack
from coffrify_webhooks.http.trace_context import trace_context
from coffrify_webhooks.observe import OPERATIONS, Facts
from coffrify_webhooks.retries import Retries
from coffrify_webhooks.stores.memory import MemoryStore
from coffrify_webhooks.stores.sqlite import SQLiteStore
from coffrify_webhooks.wsgi import headers_for

SECRET = "whsec_" + "ab" * 16
NOW = 1_700_000_000
PATIENCE = 20.0
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
DRIVERS = pytest.mark.parametrize("driver", ["sync", "asyncio", "trio"])
HANDLERS = pytest.mark.parametrize("kind", ["sync", "async"])

current: ContextVar[str] = ContextVar("current", default="")


class Rig:
    """A receiver, its notices, and what a handler saw."""

    def __init__(self, **options: Any) -> None:
        self.router = Router()
        self.notices: list[Notice] = []
        options = {"observers": [self.notices.append], "store": MemoryStore(), **options}
        self.receiver = Receiver(SECRET, router=self.router, clock=lambda: NOW + 7, **options)

    def on(self, act: Callable[[Event], Any], kind: str = "sync", name: str = "one") -> None:
        async def handle(event: Event) -> None:
            await anyio.lowlevel.checkpoint()
            act(event)

        plain: Any = lambda event: act(event)  # noqa: E731, PLW0108 - never a coroutine function
        self.router.on("*", name=name, allow_unknown=True)(handle if kind == "async" else plain)

    def deliver(self, driver: str = "sync", secret: str = SECRET, **more: str) -> Reply:
        body = b'{"id": "evt_1", "type": "ping"}'
        headers = {**sign(body, secret, timestamp=NOW), **more}
        if driver == "sync":
            return self.receiver.receive(body, headers)
        if driver == "asyncio":
            return asyncio.run(self.receiver.receive_async(body, headers))
        return trio.run(self.receiver.receive_async, body, headers)

    def steps(self) -> list[str]:
        """What was told of operations: `handler one+` for a start, `-` for the end, `!` failed."""
        marks = {"started": "+", "completed": "-", "failed": "!"}
        return [
            " ".join(filter(None, (each.kind, each.handler or each.method))) + marks[each.phase]
            for each in self.notices
            if each.phase is not None
        ]

    def last(self, kind: str) -> Notice:
        return [each for each in self.notices if each.kind == kind][-1]


def fail(event: Event) -> None:
    raise LookupError(f"private {event.id}")


VERIFIED = ["delivery+", "verify+", "verify-"]
CLAIMED = [*VERIFIED, "store claim+", "store claim-"]


@DRIVERS
@HANDLERS
def test_every_operation_of_a_delivery_is_told_in_its_order(driver: str, kind: str) -> None:
    """Each start has its end, those inside before those around."""
    rig = Rig()
    rig.on(lambda event: None, kind)
    assert rig.deliver(driver).outcome == "handled"
    handler = ["handler one+", "handler one-"]
    assert rig.steps() == [*CLAIMED, *handler, "store done+", "store done-", "delivery-"]


@DRIVERS
@pytest.mark.parametrize("store", ["sqlite", "async"])
def test_operations_are_told_alike_whatever_the_store(
    driver: str, store: str, tmp_path: Path
) -> None:
    """One that blocks is called from a thread, an async one on the loop."""
    stores: dict[str, Any] = {
        "sqlite": SQLiteStore(tmp_path / "webhooks.db"),
        "async": AsyncMemoryStore(),
    }
    rig = Rig(store=stores[store])
    rig.on(lambda event: None)
    assert rig.deliver(driver).outcome == "handled"
    handler = ["handler one+", "handler one-"]
    assert rig.steps() == [*CLAIMED, *handler, "store done+", "store done-", "delivery-"]
    rig.receiver.store.close()


@DRIVERS
def test_a_handler_that_raises_fails_its_operation_and_the_delivery(driver: str) -> None:
    """The error names the handler's own as its cause, and its text has nothing of it."""
    rig = Rig()
    rig.on(fail)
    assert rig.deliver(driver).status == 500
    failed = ["handler one+", "handler one!", "store failed+", "store failed-", "delivery!"]
    assert rig.steps() == [*CLAIMED, *failed]
    error = rig.last("handler").error
    assert isinstance(error, HandlerError)
    assert isinstance(error.__cause__, LookupError)
    assert "private" not in rig.last("handler").text + str(error)
    delivery = rig.last("delivery")
    assert (delivery.outcome, delivery.reply and delivery.reply.status) == ("failed", 500)


@DRIVERS
def test_a_forged_delivery_fails_its_verification(driver: str) -> None:
    """Nothing is known of it but the error."""
    rig = Rig()
    assert rig.deliver(driver, "whsec_" + "cd" * 16).status == 400
    assert rig.steps() == ["delivery+", "verify+", "verify!", "delivery!"]
    ended = rig.last("delivery")
    assert ended.error is not None
    assert (ended.error.code, ended.outcome) == ("signature_mismatch", "rejected")
    assert (ended.delivery, ended.event, ended.age) == (None, None, None)


def test_a_request_refused_before_its_body_is_a_delivery_too() -> None:
    """Whoever counts deliveries by their code has those without a signature as well."""
    rig = Rig()
    assert rig.receiver.refuse_early({}) is not None
    assert rig.steps() == ["delivery+", "delivery!"]
    assert rig.last("delivery").outcome == "rejected"
    assert rig.last("replied").outcome == "rejected"


def test_an_end_knows_how_long_it_took_and_which_attempt_it_was() -> None:
    """Seconds, attempt, age, event and outcome; a start has no seconds, a fact has none of it."""
    rig = Rig()
    rig.on(fail)
    rig.deliver()
    rig.deliver()
    ended = rig.last("handler")
    assert (ended.attempt, ended.age, ended.phase) == (2, 7, "failed")
    assert ended.seconds is not None
    assert 0 <= ended.seconds < PATIENCE
    assert ended.event is not None
    assert ended.event.id == "evt_1"
    started = [each for each in rig.notices if each.phase == "started"]
    assert all(each.seconds is None for each in started)
    fact = rig.last("replied")
    assert (fact.phase, fact.seconds, fact.attempt, fact.age) == (None, None, None, None)


def test_operations_leave_what_counts_facts_as_it_was(caplog: pytest.LogCaptureFixture) -> None:
    """No kind of an operation is that of a fact, and the log has one line for each delivery."""
    rig = Rig()
    rig.on(lambda event: None)
    with caplog.at_level(logging.DEBUG, "coffrify_webhooks"):
        rig.deliver()
    facts = [each.kind for each in rig.notices if each.phase is None]
    assert facts == ["key_matched", "replied"]
    assert [each.__dict__["webhook_kind"] for each in caplog.records] == facts
    assert {each.kind for each in rig.notices if each.phase} <= set(OPERATIONS)
    assert set(OPERATIONS).isdisjoint(facts)


def test_no_notice_is_made_where_nobody_observes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log, and who wants facts alone, are nobody: no operation is looked at for them."""
    made: list[str] = []
    monkeypatch.setattr(
        "coffrify_webhooks.drivers.operations.Notice", lambda kind, *a, **k: made.append(kind)
    )
    kept: list[Notice] = []
    for observers in ([], [Facts(kept.append)]):
        rig = Rig(observers=observers)
        rig.on(lambda event: None)
        assert not rig.receiver.tells_operations
        assert rig.deliver(traceparent=PARENT).outcome == "handled"
    assert made == []
    assert [each.kind for each in kept] == ["key_matched", "replied"]
    assert all(not each.delivery.trace_context for each in kept if each.delivery)


# --- contexts ---------------------------------------------------------------------------------


def spans(left: list[str]) -> Callable[[Notice], Any]:
    """Return an observer that sets a variable to the path of the operations around."""

    @contextmanager
    def span(notice: Notice) -> Iterator[None]:
        token = current.set(f"{current.get()}/{notice.kind}")
        try:
            yield
        finally:
            left.append(current.get())
            current.reset(token)  # ValueError in another context than it was set in

    return lambda notice: span(notice) if notice.phase == "started" else None


@DRIVERS
@HANDLERS
@pytest.mark.parametrize("store", ["memory", "sqlite", "async"])
def test_what_an_observer_sets_is_seen_in_the_handler(
    driver: str, kind: str, store: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """On whatever thread or loop it runs; afterwards all is as it was, in the caller too."""
    stores: dict[str, Callable[[], Any]] = {
        "memory": MemoryStore,
        "sqlite": lambda: SQLiteStore(tmp_path / "webhooks.db"),
        "async": AsyncMemoryStore,
    }
    left: list[str] = []
    seen: list[str] = []
    rig = Rig(observers=[spans(left)], store=stores[store]())
    rig.on(lambda event: seen.append(current.get()), kind, "one")
    rig.on(lambda event: seen.append(current.get()), kind, "two")
    assert rig.deliver(driver).outcome == "handled"
    assert seen == ["/delivery/handler"] * 2
    stored = "/delivery/store"
    assert left == [
        *("/delivery/verify", stored, "/delivery/handler", stored, "/delivery/handler", stored),
        "/delivery",
    ]
    assert current.get() == ""
    assert [each for each in caplog.records if each.exc_info] == []
    rig.receiver.store.close()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_deliveries_side_by_side_do_not_see_each_others_context() -> None:
    """Each has its own, though they share one event loop."""
    seen: dict[str, str] = {}
    inside = asyncio.Semaphore(0)
    everyone = asyncio.Event()

    @contextmanager
    def number(_notice: Notice) -> Iterator[None]:
        token = current.set(f"{len(seen)}")
        seen[current.get()] = ""
        yield
        current.reset(token)

    def observe(notice: Notice) -> Any:
        return number(notice) if notice.kind == "delivery" and notice.phase == "started" else None

    router = Router()

    @router.on("*", allow_unknown=True)
    async def handle(event: Event) -> None:
        inside.release()
        await everyone.wait()
        seen[current.get()] = str(event.id)

    receiver = Receiver(SECRET, router=router, store=MemoryStore(), observers=[observe])
    bodies = [json.dumps({"id": f"evt_{each}", "type": "ping"}).encode() for each in range(3)]
    async with asyncio.TaskGroup() as tasks:
        for body in bodies:
            tasks.create_task(receiver.receive_async(body, sign(body, SECRET)))
        for _ in bodies:
            await inside.acquire()
        everyone.set()
    assert sorted(seen.values()) == ["evt_0", "evt_1", "evt_2"]
    assert current.get() == ""


@pytest.mark.parametrize("where", ["call", "enter", "exit", "end"])
@DRIVERS
def test_an_observer_that_raises_changes_nothing(
    driver: str, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whenever it does; the log tells of it."""

    class Raises:
        def __enter__(self) -> None:
            if where == "enter":
                raise LookupError

        def __exit__(self, *_: object) -> bool:
            if where == "exit":
                raise LookupError
            return True  # as if it had dealt with the error: it has not

    def observe(notice: Notice) -> Raises | None:
        if where == "call" or (where == "end" and notice.phase in ("completed", "failed")):
            raise LookupError
        return Raises() if notice.phase == "started" else None

    rig = Rig(observers=[observe])
    rig.on(lambda event: None, name="one")
    assert rig.deliver(driver).outcome == "handled"
    assert "an observer raised on 'handler'" in caplog.text
    rig = Rig(observers=[observe])
    rig.on(fail)
    assert rig.deliver(driver).outcome == "failed"


@pytest.mark.parametrize("error", [asyncio.CancelledError, GeneratorExit, trio.Cancelled])
@pytest.mark.parametrize("where", ["call", "exit"])
@DRIVERS
def test_an_observer_that_raises_a_cancellation_changes_nothing(
    driver: str, where: str, error: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    """As one that has waited for something which was cancelled: nothing of ours was."""

    class Raises:
        def __enter__(self) -> None: ...

        def __exit__(self, *_: object) -> None:
            raise error.__new__(error)

    def observe(notice: Notice) -> Raises | None:
        if where == "call":
            raise error.__new__(error)
        return Raises() if notice.phase == "started" else None

    runs: list[str | None] = []
    rig = Rig(observers=[observe])
    rig.on(lambda event: runs.append(event.id))
    assert rig.deliver(driver).outcome == "handled"
    assert rig.deliver(driver).outcome == "duplicate"
    assert runs == ["evt_1"]
    assert "an observer raised on 'handler'" in caplog.text


@DRIVERS
def test_a_coroutine_that_an_observer_returns_is_told_in_the_log(
    driver: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody would await it; where it can be seen in advance the observer is refused."""

    async def observe(_notice: Notice) -> None: ...

    def unseen(notice: Notice) -> object:
        return observe(notice)

    rig = Rig(observers=[unseen])
    rig.on(lambda event: None)
    assert rig.deliver(driver).outcome == "handled"
    assert "write `def`" in caplog.text
    for refused in (observe, 5):
        with pytest.raises(ConfigurationError, match=r"^observers (must be functions|are called)"):
            rig.receiver.add_observer(refused)  # type: ignore[arg-type]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_an_observer_that_blocks_loses_nothing() -> None:
    """It holds up its own delivery; the event is handled once, and answered."""
    go_on = threading.Event()

    def observe(notice: Notice) -> None:
        if notice.kind == "store" and notice.phase == "started":
            assert go_on.wait(PATIENCE)

    runs: list[str | None] = []
    rig = Rig(observers=[observe])
    rig.on(lambda event: runs.append(event.id))
    waiting = asyncio.create_task(asyncio.to_thread(rig.deliver))
    threading.Timer(0.01, go_on.set).start()
    assert (await waiting).outcome == "handled"
    assert runs == ["evt_1"]
    assert rig.deliver().outcome == "duplicate"


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_operations_end_though_the_caller_is_cancelled() -> None:
    """A client that hangs up leaves no operation open: they end when the handler does."""
    rig = Rig()
    begun, leave = asyncio.Event(), asyncio.Event()
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()

    def observe(notice: Notice) -> None:
        if notice.kind == "delivery" and notice.phase == "completed":
            loop.call_soon(ended.set)

    rig.receiver.add_observer(observe)

    async def handle(_event: Event) -> None:
        begun.set()
        await leave.wait()

    rig.router.on("*", name="one", allow_unknown=True)(handle)
    body = b'{"id": "evt_1", "type": "ping"}'
    task = asyncio.create_task(rig.receiver.receive_async(body, sign(body, SECRET, timestamp=NOW)))
    await begun.wait()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert rig.steps()[-1] == "handler one+"
    leave.set()
    await asyncio.wait_for(ended.wait(), PATIENCE)
    assert rig.steps()[-1] == "delivery-"


# --- engines ----------------------------------------------------------------------------------


def test_an_engines_attempts_are_told_until_the_last() -> None:
    """Queued, tried, tried again, dead: with the attempt's number, and what came of it."""
    engine = Engine()
    rig = Rig(dispatcher=engine, retries=Retries(attempts=2))
    rig.on(fail)
    assert rig.deliver().outcome == "queued"
    queued = ["dispatch+", "dispatch-", "store queued+", "store queued-", "delivery-"]
    assert rig.steps() == [*CLAIMED, *queued]
    message = json.loads(engine.sent[0])
    claimed = ["execute+", "store claim+", "store claim-", "handler one+", "handler one!"]
    rig.notices.clear()
    with pytest.raises(HandlerError):
        rig.receiver.execute(message)
    assert rig.steps() == [*claimed, "store queued+", "store queued-", "execute!"]
    assert (rig.last("execute").attempt, rig.last("execute").outcome) == (1, "failed")
    rig.notices.clear()
    assert rig.receiver.execute(message) == "dead"
    assert rig.steps() == [*claimed, "store dead+", "store dead-", "execute!"]
    ended = rig.last("execute")
    assert (ended.attempt, ended.outcome, ended.error) == (2, "dead", None)


def test_an_engine_that_fails_fails_the_dispatch() -> None:
    """Its own error is the cause of ours."""

    class Broken:
        def dispatch(self, message: Message) -> None:
            raise LookupError

    rig = Rig(dispatcher=Broken())
    rig.on(lambda event: None)
    assert rig.deliver().status == 503
    error = rig.last("dispatch").error
    assert error is not None
    assert error.code == "dispatch_failed"
    assert rig.last("delivery").phase == "failed"


def test_a_store_that_fails_fails_its_operation() -> None:
    """Whatever it raised, it is unavailable to us."""

    class Broken(MemoryStore):
        def claim(self, *_: Any, **__: Any) -> Any:
            raise LookupError

    rig = Rig(store=Broken())
    rig.on(lambda event: None)
    assert rig.deliver().status == 503
    assert isinstance(rig.last("store").error, StoreUnavailable)
    assert rig.steps() == [*VERIFIED, "store claim+", "store claim!", "delivery!"]


def test_the_contexts_of_sender_and_web_process_reach_the_worker() -> None:
    """The sender's as sent; what an observer adds at `dispatch` as its own."""
    engine = Engine()
    rig = Rig(dispatcher=engine)
    found: list[Delivery | None] = []

    def observe(notice: Notice) -> None:
        if notice.kind == "dispatch" and notice.phase == "started" and notice.delivery:
            notice.delivery.dispatch_context["web"] = "1"
        if notice.kind == "execute" and notice.phase == "completed":
            found.append(notice.delivery)

    rig.receiver.add_observer(observe)
    rig.on(lambda event: None)
    rig.deliver(traceparent=PARENT, tracestate="vendor=1")
    assert rig.receiver.execute(json.loads(engine.sent[0])) == "handled"
    [delivery] = found
    assert delivery is not None
    assert delivery.trace_context == {"traceparent": PARENT, "tracestate": "vendor=1"}
    assert delivery.dispatch_context == {"web": "1"}


@pytest.mark.parametrize("spoilt", [None, 1, [], {"traceparent": 1}, {1: "x"}, {"x": "y" * 5000}])
def test_a_message_without_good_contexts_is_still_executed(spoilt: Any) -> None:
    """As one of the release before; no event is lost for a trace."""
    engine = Engine()
    rig = Rig(dispatcher=engine, observers=[])
    rig.on(lambda event: None)
    rig.deliver()
    message = json.loads(engine.sent[0])
    assert "trace_context" not in message
    assert "dispatch_context" not in message
    if spoilt is not None:
        message["trace_context"] = message["dispatch_context"] = spoilt
    delivery = unpack(message, rig.receiver).delivery
    assert (delivery.trace_context, delivery.dispatch_context) == ({}, {})
    assert rig.receiver.execute(message) == "handled"


# --- the sender's trace -----------------------------------------------------------------------

GOOD = {"traceparent": PARENT, "tracestate": "a=1,b@c= 2"}


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        (GOOD, GOOD),
        ([(b"TraceParent", PARENT.encode())], {"traceparent": PARENT}),
        ({"traceparent": PARENT, "tracestate": "\n"}, {"traceparent": PARENT}),
        ({"traceparent": PARENT, "tracestate": "a=" + "x" * 600}, {"traceparent": PARENT}),
        ({"tracestate": "a=1"}, {}),
        ({"traceparent": PARENT + "\n"}, {}),
        ({"traceparent": PARENT.upper()}, {}),
        ({"traceparent": "00-" + "0" * 32 + "-b7ad6b7169203331-01"}, {}),
        ({"traceparent": "ff" + PARENT[2:]}, {}),
        ({"traceparent": "x" * 100_000}, {}),
        ([("traceparent", PARENT), ("traceparent", PARENT)], {}),
    ],
)
def test_a_trace_is_believed_only_as_the_specification_writes_it(
    headers: Any, found: dict[str, str]
) -> None:
    """W3C Trace Context; of a malformed one nothing is kept."""
    assert trace_context(headers) == found


@DRIVERS
def test_the_senders_trace_is_read_where_somebody_observes(driver: str) -> None:
    """An adapter hands it on for them alone."""
    rig = Rig()
    rig.on(lambda event: None)
    rig.deliver(driver, **GOOD)
    delivery = rig.last("delivery").delivery
    assert delivery is not None
    assert delivery.trace_context == GOOD
    environ = {"HTTP_TRACEPARENT": PARENT, "HTTP_WEBHOOK_ID": "evt_1"}
    assert headers_for(rig.receiver, environ) == {"traceparent": PARENT, "webhook-id": "evt_1"}
    assert headers_for(Rig(observers=[]).receiver, environ) == {"webhook-id": "evt_1"}
