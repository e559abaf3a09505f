"""Handing events to an engine, and what its worker calls: with an engine that is a list."""

import base64
import json
import threading
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from tests.in_time import in_time

from coffrify_webhooks import (
    Busy,
    ConfigurationError,
    Delivery,
    Event,
    HandlerError,
    Message,
    MessageError,
    Notice,
    Receiver,
    Reply,
    Router,
    StoreUnavailable,
    sign,
)
from coffrify_webhooks import receiver as receiver_module
from coffrify_webhooks.errors import ClaimLost, NoHandlers
from coffrify_webhooks.observe import Facts
from coffrify_webhooks.pipeline.identity import key_of
from coffrify_webhooks.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = "whsec_" + "ab" * 16
NOW = 1_700_000_000.0
KEY = key_of("default", "evt_1")


class Engine:
    """Keeps messages as JSON, as engines do; calls back at the moment of dispatching."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.meanwhile: Callable[[Message], Any] = lambda message: None

    def dispatch(self, message: Message) -> None:
        self.meanwhile(message)
        self.sent.append(json.dumps(message))

    @property
    def last(self) -> Message:
        message: Message = json.loads(self.sent[-1])
        return message


class Rig:
    """A web process and a worker that share a store."""

    def __init__(self, store: MemoryStore | None = None) -> None:
        self.now = NOW
        self.store = store or MemoryStore(clock=lambda: self.now)
        self.engine = Engine()
        self.router = Router()
        self.told: list[Notice] = []
        self.runs: list[str] = []
        self.errors: dict[str, list[Exception]] = {}
        self.web = self.receiver(router=Router(), dispatcher=self.engine)
        self.worker = self.receiver(router=self.router, observers=[Facts(self.told.append)])

    def receiver(self, **options: Any) -> Receiver:
        return Receiver(SECRET, store=self.store, clock=lambda: self.now, **options)

    def handle(self, *names: str, on: str = "*") -> None:
        for name in names:

            def fn(event: Event, name: str = name) -> None:
                self.runs.append(name)
                if self.errors.get(name):
                    raise self.errors[name].pop(0)

            self.router.on(on, name=name)(fn)

    def deliver(self, body: bytes = b'{"id": "evt_1", "type": "ping"}') -> Reply:
        return self.web.receive(body, sign(body, SECRET, timestamp=self.now))

    def status(self) -> str:
        return self.store.claim(KEY, "another digest", 60).status


@pytest.fixture
def rig() -> Rig:
    made = Rig()
    made.handle("one")
    return made


# --- the web process --------------------------------------------------------------------------


def test_an_event_is_handed_over_before_it_is_marked_queued() -> None:
    """The event is claimed, then handed over, then marked queued: never marked first."""
    calls: list[str] = []

    class Traced(MemoryStore):
        def claim(self, *arguments: Any, **options: Any) -> Any:
            calls.append("claim")
            return super().claim(*arguments, **options)

        def queued(self, *arguments: Any) -> bool:
            calls.append("queued")
            return super().queued(*arguments)

    rig = Rig(Traced())
    rig.engine.meanwhile = lambda message: calls.append("dispatch")
    assert rig.deliver().outcome == "queued"
    assert calls == ["claim", "dispatch", "queued"]


def test_message_is_json_and_whole(rig: Rig) -> None:
    """The message survives JSON, and holds the body as it arrived and nothing secret."""
    body = b'{"id": "evt_1",  "type": "ping", "data": "\xc3\xa9\\ud800"}'
    rig.deliver(body)
    assert base64.b64decode(rig.engine.last["body"]) == body
    assert SECRET not in rig.engine.sent[0]
    assert "ab" * 16 not in rig.engine.sent[0]


def test_web_needs_no_handlers(rig: Rig) -> None:
    """With an engine every event is queued, whichever handlers the web process knows."""
    assert len(rig.web.router) == 0
    assert rig.deliver().outcome == "queued"
    assert rig.deliver(b'{"id": "evt_2", "type": "never.heard.of"}').outcome == "queued"


def test_duplicate_while_queued_and_running(rig: Rig) -> None:
    """While the engine has the event, a duplicate is a 200 and is not handed over again."""
    outcomes: list[tuple[int, str]] = []

    def look(event: Event) -> None:
        reply = rig.deliver()
        outcomes.append((reply.status, reply.outcome))

    rig.router.on("*", name="look")(look)
    rig.deliver()
    reply = rig.deliver()
    assert (reply.status, reply.outcome) == (200, "duplicate")
    rig.worker.execute(rig.engine.last)
    assert outcomes == [(200, "duplicate")]
    assert rig.deliver().outcome == "duplicate"
    assert len(rig.engine.sent) == 1


@pytest.mark.parametrize("error", [OSError("hunter2"), StopIteration(), TimeoutError()])
def test_engine_that_raises(rig: Rig, error: Exception) -> None:
    """An engine that did not take the event: 503, the claim is free, the next delivery is taken."""

    def refuse(message: Message) -> None:
        raise error

    rig.engine.meanwhile = refuse
    reply = rig.deliver()
    assert (reply.status, reply.outcome) == (503, "unavailable")
    assert reply.headers["Retry-After"] == "30"
    assert b"hunter2" not in reply.body
    rig.engine.meanwhile = lambda message: None
    assert rig.deliver().outcome == "queued"
    assert rig.worker.execute(rig.engine.last) == "handled"


def test_engine_that_raises_although_it_took_it(rig: Rig) -> None:
    """A message whose delivery was refused, and the one that came after, run the event once."""
    rig.deliver()
    lost = rig.engine.last
    rig.store.forget(KEY)
    rig.deliver()
    outcomes = [rig.worker.execute(message) for message in (lost, rig.engine.last)]
    assert outcomes == ["handled", "duplicate"]
    assert rig.runs == ["one"]


def test_worker_before_queued_is_marked(rig: Rig) -> None:
    """A worker may finish before the web process marks the event queued; it stays done."""
    rig.engine.meanwhile = rig.worker.execute
    assert rig.deliver().outcome == "queued"
    assert rig.runs == ["one"]
    assert rig.deliver().outcome == "duplicate"
    assert rig.status() == "conflict"


def test_worker_running_when_queued_is_marked(rig: Rig) -> None:
    """Marking queued does not take the event from a worker that has begun."""
    rig.engine.meanwhile = lambda message: rig.store.claim(KEY, "d", 60, message["token"])
    assert rig.deliver().outcome == "queued"
    with pytest.raises(Busy):
        rig.worker.execute(rig.engine.last)


def test_store_fails_when_queued_is_marked(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine has the event, so it is acknowledged, and the worker takes the claim over."""

    def broken(*arguments: Any) -> bool:
        raise OSError

    monkeypatch.setattr(rig.store, "queued", broken)
    assert rig.deliver().outcome == "queued"
    assert rig.worker.execute(rig.engine.last) == "handled"


def test_an_event_without_an_id_runs_once_for_each_signature(rig: Rig) -> None:
    """An event without an id is handed over and executed once for each time it was signed."""
    body = b'{"type": "ping"}'
    for moment in (NOW, NOW + 1):
        signed = sign(body, SECRET, timestamp=moment)
        headers = {"X-Coffrify-Signature": signed["X-Coffrify-Signature"]}
        assert rig.web.receive(body, headers).outcome == "queued"
        assert rig.worker.execute(rig.engine.last) == "handled"
        assert rig.web.receive(body, headers).outcome == "duplicate"
    assert rig.runs == ["one", "one"]


# --- the worker -------------------------------------------------------------------------------


def test_the_worker_runs_every_handler_once(rig: Rig) -> None:
    """The worker runs every handler, with the event and the delivery as they arrived, once."""
    seen: list[tuple[Event, Delivery]] = []

    @rig.router.on("*", name="look")
    def look(event: Event, delivery: Delivery) -> None:
        seen.append((event, delivery))

    body = b'{"id": "evt_1", "type": "ping",  "data": 1}'
    rig.deliver(body)
    assert rig.worker.execute(rig.engine.last) == "handled"
    assert rig.worker.execute(rig.engine.last) == "duplicate"
    assert rig.runs == ["one"]
    ((event, delivery),) = seen
    assert (event.id, event.type, event.raw) == ("evt_1", "ping", body)
    assert (delivery.id, delivery.scheme, delivery.timestamp) == ("evt_1", "standard", int(NOW))
    assert [notice.kind for notice in rig.told].count("executed") == 1


def test_execute_async_handler(rig: Rig) -> None:
    """Async handlers run in a worker as well."""

    @rig.router.on("*", name="later")
    async def later(event: Event) -> None:
        rig.runs.append("later")

    rig.deliver()
    rig.worker.execute(rig.engine.last)
    assert rig.runs == ["one", "later"]


def test_held_by_another_worker(rig: Rig) -> None:
    """While another worker has it: Busy; once that one's lease has ended the event runs."""
    rig.deliver()
    message = rig.engine.last
    rig.store.claim(KEY, "d", 60, message["token"])
    with pytest.raises(Busy):
        rig.worker.execute(message)
    assert rig.runs == []
    rig.now += 60
    assert rig.worker.execute(message) == "handled"


def test_only_the_handler_that_failed_runs_again(rig: Rig) -> None:
    """A handler that raises is a HandlerError with its cause; again, only that one runs."""
    rig.handle("bad", "three")
    boom = ValueError("boom")
    rig.errors["bad"] = [boom, ValueError()]
    rig.deliver()
    with pytest.raises(HandlerError) as caught:
        rig.worker.execute(rig.engine.last)
    assert caught.value.__cause__ is boom
    assert rig.runs == ["one", "bad", "three"]
    assert rig.deliver().outcome == "duplicate"
    with pytest.raises(HandlerError):
        rig.worker.execute(rig.engine.last)
    assert rig.worker.execute(rig.engine.last) == "handled"
    assert rig.runs == ["one", "bad", "three", "bad", "bad"]
    assert len(rig.engine.sent) == 1


def test_worker_loses_its_claim(rig: Rig) -> None:
    """A worker cut off past its lease is told so (and spends no attempt), and settles nothing."""

    @rig.router.on("*", name="slow")
    def slow(event: Event) -> None:
        rig.now += 61
        assert rig.store.claim(KEY, "d", 60, "x").status == "claimed"

    rig.deliver()
    with pytest.raises(ClaimLost):
        rig.worker.execute(rig.engine.last)
    with pytest.raises(Busy):
        rig.worker.execute(rig.engine.last)


@pytest.mark.parametrize("method", ["claim", "done"])
def test_store_is_unavailable(rig: Rig, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """A store that fails is StoreUnavailable, and the message can be executed later."""
    rig.deliver()

    def broken(*arguments: Any) -> Any:
        raise OSError("hunter2")

    with monkeypatch.context() as patch:
        patch.setattr(rig.store, method, broken)
        with pytest.raises(StoreUnavailable):
            rig.worker.execute(rig.engine.last)
    rig.now += 61  # a claim that could not be given back ends with its lease
    assert rig.worker.execute(rig.engine.last) == "handled"


def test_worker_without_handlers(rig: Rig) -> None:
    """A worker that imported no handler refuses, rather than losing the event."""
    bare = rig.receiver(router=Router())
    rig.deliver()
    with pytest.raises(NoHandlers):
        bare.execute(rig.engine.last)
    assert rig.worker.execute(rig.engine.last) == "handled"


def test_ignored_by_the_worker() -> None:
    """An event that no handler wants leaves no claim: a replay reaches one deployed since."""
    rig = Rig()
    rig.handle("other", on="transfer.created")
    rig.deliver()
    assert rig.worker.execute(rig.engine.last) == "ignored"
    rig.handle("late")
    assert rig.deliver().outcome == "queued"
    assert rig.worker.execute(rig.engine.last) == "handled"
    assert rig.runs == ["late"]


def test_handlers_not_loaded_in_the_worker() -> None:
    """What the web process wants, and the worker does not know, fails and names the handlers."""
    rig = Rig()
    rig.handle("other", on="transfer.created")
    rig.web.router.on("*", name="shop.billing:book")(lambda event: None)
    rig.deliver()
    with pytest.raises(NoHandlers, match=r"has not loaded shop\.billing:book"):
        rig.worker.execute(rig.engine.last)
    record = rig.store.get(KEY)
    assert record is not None
    assert (record.status, record.error) == ("queued", "not loaded: shop.billing:book")
    rig.handle("shop.billing:book")  # the new release is there
    assert rig.worker.execute(rig.engine.last) == "handled"


def test_handlers_never_loaded() -> None:
    """An event whose handlers no worker ever loads is a dead letter in the end, with the reason."""
    rig = Rig()
    rig.handle("other", on="transfer.created")
    rig.web.router.on("*", name="shop.billing:book")(lambda event: None)
    rig.deliver()
    for _ in range(rig.worker.retries.attempts - 1):
        with pytest.raises(NoHandlers):
            rig.worker.execute(rig.engine.last)
    assert rig.worker.execute(rig.engine.last) == "dead"
    record = rig.store.get(KEY)
    assert record is not None
    assert record.error == "not loaded: shop.billing:book"


def test_the_dead_that_come_back_to_nobody() -> None:
    """A dead letter that is dispatched again where nothing is loaded is not taken as unwanted."""
    rig = Rig()
    rig.handle("other", on="transfer.created")
    rig.deliver()
    record = rig.store.get(KEY)
    assert record is not None
    claim = rig.store.claim(KEY, record.digest, 60, rig.engine.last["token"])
    assert rig.store.dead(KEY, claim.token, "gone")
    assert rig.web.replay("evt_1") == "queued"
    with pytest.raises(NoHandlers, match="any handler"):
        rig.worker.execute(rig.engine.last)


def test_dispatched_again_with_the_same_handlers() -> None:
    """What the engine lost is dispatched again for the handlers that wanted it, no others."""
    rig = Rig()
    rig.handle("other", on="transfer.created")
    rig.deliver()
    assert rig.web.replay("evt_1") == "queued"
    assert rig.worker.execute(rig.engine.last) == "ignored"

    rig.web.router.on("*", name="shop.billing:book")(lambda event: None)
    rig.deliver()
    rig.receiver(router=Router(), dispatcher=rig.engine).replay("evt_1")
    assert rig.engine.last["handlers"] == ["shop.billing:book"]


def test_who_wants_it_is_never_forgotten() -> None:
    """Processes without the handlers, which claim an event meanwhile, do not lose their names."""
    rig = Rig()
    rig.handle("other", on="transfer.created")
    rig.web.router.on("*", name="shop.billing:book")(lambda event: None)
    rig.deliver()
    with pytest.raises(NoHandlers):
        rig.worker.execute(rig.engine.last)  # it lacks them
    bare = rig.receiver(router=Router(), dispatcher=rig.engine)
    for _ in range(2):
        bare.replay("evt_1")
        assert rig.engine.last["handlers"] == ["shop.billing:book"]
    rig.now += 10_000
    assert bare.sweep() == 1
    assert rig.engine.last["handlers"] == ["shop.billing:book"]


def test_some_handlers_not_loaded(rig: Rig) -> None:
    """Where a worker has loaded some of the handlers, they run, and the missing ones are told."""
    rig.web.router.on("*", name="one")(lambda event: None)
    rig.web.router.on("*", name="shop.billing:book")(lambda event: None)
    rig.deliver()
    assert rig.worker.execute(rig.engine.last) == "handled"
    [told] = [notice for notice in rig.told if notice.kind == "handlers_missing"]
    assert "shop.billing:book" in told.text


def test_put_off_is_told(rig: Rig) -> None:
    """Why a worker cannot handle an event now is told, and again each time."""
    bare = rig.receiver(router=Router(), observers=[Facts(rig.told.append)])
    rig.deliver()
    for _ in range(2):
        with pytest.raises(NoHandlers):
            bare.execute(rig.engine.last)
    assert [notice.kind for notice in rig.told] == ["put_off", "put_off"]


def test_no_id_and_a_failing_handler(rig: Rig) -> None:
    """An event without an id is retried and buried like any other, and dispatched again if lost."""
    body = b'{"type": "ping"}'
    headers = {
        "X-Coffrify-Signature": sign(body, SECRET, timestamp=NOW)["X-Coffrify-Signature"],
    }
    assert rig.web.receive(body, headers).outcome == "queued"
    rig.now += 10_000
    assert rig.web.sweep() == 1
    rig.errors["one"] = [ValueError()] * 20
    outcomes = []
    for _ in range(rig.worker.retries.attempts):
        try:
            outcomes.append(str(rig.worker.execute(rig.engine.last)))
        except HandlerError:
            outcomes.append("failed")
    assert outcomes == ["failed"] * 11 + ["dead"]


def test_async_dispatch_is_refused(rig: Rig) -> None:
    """An async dispatch would hand nothing over: it is refused, as a class is."""

    class Async:
        async def dispatch(self, message: Message) -> None: ...

    class Sly:
        def dispatch(self, message: Message) -> Any:
            return Async().dispatch(message)

    for wrong in (Async(), Async, Engine):
        with pytest.raises(ConfigurationError):
            rig.receiver(dispatcher=wrong)
    rig.web = rig.receiver(dispatcher=Sly(), router=Router())
    assert rig.deliver().status == 503


async def test_hanging_engine_keeps_nobody_waiting(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many deliveries wait for an engine that hangs, each is answered within its time."""
    monkeypatch.setattr(receiver_module, "_IN_TIME", 0.2)
    leave = threading.Event()
    rig.engine.meanwhile = lambda message: leave.wait(30)

    async def one(number: int) -> None:
        body = b'{"id": "evt_%d", "type": "ping"}' % number
        with in_time(5):
            reply = await rig.web.receive_async(body, sign(body, SECRET, timestamp=rig.now))
        assert reply.status == 503

    async with anyio.create_task_group() as group:
        for number in range(150):
            group.start_soon(one, number)
    leave.set()


def test_a_dispatcher_is_told_whose_it_is(rig: Rig) -> None:
    """A dispatcher that wants to know is told whose it is, when the Receiver is whole."""
    seen: list[str] = []

    class Curious(Engine):
        def attach(self, receiver: Receiver) -> None:
            seen.append(f"{receiver!r} {receiver.lease}")

    made = rig.receiver(router=Router(), dispatcher=Curious(), name="shop", lease=7)
    assert seen == [f"{made!r} 7"]


# --- messages ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message", [None, 5, "text", [], {}, {"version": 0}, {"version": 2}, {"version": "1"}]
)
def test_no_message_of_this_version(rig: Rig, message: Any) -> None:
    """What is no message, or one of another release, is a MessageError that says so."""
    with pytest.raises(MessageError, match="from the same release"):
        rig.worker.execute(message)


def test_message_for_another_receiver(rig: Rig) -> None:
    """A message of a receiver with another name is refused, naming the setting."""
    rig.deliver()
    other = rig.receiver(router=rig.router, name="other")
    with pytest.raises(MessageError, match=r"Receiver\(name="):
        other.execute(rig.engine.last)
    assert rig.runs == []


FIELDS = [
    *("receiver", "id", "token", "timestamp", "scheme", "key", "encoding", "test"),
    *("handlers", "claim", "body"),
]


@pytest.mark.parametrize("field", FIELDS)
def test_message_without_a_field(rig: Rig, field: str) -> None:
    """A message that lost a field is a MessageError, and the event can still be executed."""
    rig.deliver()
    damaged = {name: value for name, value in rig.engine.last.items() if name != field}
    with pytest.raises(MessageError):
        rig.worker.execute(damaged)
    assert rig.worker.execute(rig.engine.last) == "handled"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", 5),
        ("id", ["x"]),
        ("token", None),
        ("token", 5),
        ("timestamp", "soon"),
        ("timestamp", None),
        ("timestamp", float("inf")),
        ("timestamp", float("nan")),
        ("key", "x"),
        ("key", float("-inf")),
        ("claim", None),
        ("claim", ""),
        ("handlers", None),
        ("handlers", 5),
        ("body", None),
        ("body", 5),
        ("body", "@@@"),
        ("body", "abc"),
        ("body", "\u00e9\u00e9\u00e9\u00e9"),
    ],
)
def test_a_damaged_message_is_a_message_error(rig: Rig, field: str, value: Any) -> None:
    """A message with a field of another kind is a MessageError, whatever the value."""
    rig.deliver()
    with pytest.raises(MessageError, match="damaged"):
        rig.worker.execute({**rig.engine.last, field: value})
    assert rig.runs == []


def test_message_with_a_cut_body(rig: Rig) -> None:
    """A body that is no event any more is a MessageError, and nothing runs."""
    rig.deliver()
    with pytest.raises(MessageError, match="damaged"):
        rig.worker.execute({**rig.engine.last, "body": base64.b64encode(b'{"ty').decode()})
    assert rig.runs == []


def test_another_body_of_a_done_event_is_buried(rig: Rig) -> None:
    """A message whose event was done meanwhile with another body is kept as a dead letter."""
    rig.deliver()
    message = rig.engine.last
    assert rig.worker.execute(message) == "handled"
    other = {
        **message,
        "body": base64.b64encode(b'{"id": "evt_1", "type": "ping", "x": 1}').decode(),
    }
    assert rig.worker.execute(other) == "conflict"
    assert rig.store.stats() == {"conflict": 1, "done": 1}
    assert rig.runs == ["one"]


def test_the_message_says_when_the_delivery_came(rig: Rig) -> None:
    """A message holds the time of its hand-over."""
    rig.deliver()
    assert rig.engine.last["received_at"] == NOW
