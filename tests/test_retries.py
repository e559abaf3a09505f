"""Attempts on an engine: how often, how long in between, and what comes after the last."""

import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coffrify_webhooks import ConfigurationError, Event, Receiver, Router, sign
from coffrify_webhooks.errors import Busy, HandlerError, MessageError, StoreUnavailable
from coffrify_webhooks.observe import Notice
from coffrify_webhooks.pipeline.identity import key_of
from coffrify_webhooks.retries import Retries
from coffrify_webhooks.stores import Record
from coffrify_webhooks.stores.memory import MemoryStore

SECRET = "whsec_" + "ab" * 32
KEY = key_of("default", "evt_1")
BODY = b'{"id": "evt_1", "type": "ping"}'


class Engine:
    """Keeps messages, or refuses them, or hangs."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.fault: Exception | None = None

    def dispatch(self, message: dict[str, Any]) -> None:
        if self.fault:
            raise self.fault
        self.messages.append(message)


class Rig:
    def __init__(self, **options: Any) -> None:
        self.now = 1_700_000_000.0
        self.store = MemoryStore(clock=lambda: self.now)
        self.engine = Engine()
        self.broken: BaseException | None = ValueError("hush")
        self.runs = 0
        self.notices: list[Notice] = []
        router = Router()
        router.on("*", name="one", allow_unknown=True)(self.handle)
        self.receiver = Receiver(
            SECRET,
            router=router,
            store=self.store,
            dispatcher=self.engine,
            clock=lambda: self.now,
            observers=[self.notices.append],
            **options,
        )

    def handle(self, event: Event) -> None:
        self.runs += 1
        if self.broken:
            raise self.broken

    def deliver(self) -> str:
        return self.receiver.receive(BODY, sign(BODY, SECRET, timestamp=self.now)).outcome

    def work(self, message: int = -1) -> str:
        return self.receiver.execute(self.engine.messages[message])

    @property
    def record(self) -> Record:
        record = self.store.get(KEY)
        assert record is not None
        return record


# --- the policy -------------------------------------------------------------------------------


@given(
    st.integers(1, 10**6),
    st.floats(0, 1e6),
    st.floats(1, 100),
    st.floats(0, 1e6),
    st.floats(0, 3),
)
def test_waits_stay_within_their_bounds(
    attempt: int, first: float, factor: float, longest: float, jitter: float
) -> None:
    """Any wait is at least its base, at most the longest and its jitter, and never shrinks."""
    retries = Retries(12, first, factor, longest, jitter)
    base = Retries(12, first, factor, longest, 0)
    assert base.wait(attempt) <= retries.wait(attempt) <= retries.longest_wait(attempt)
    assert retries.longest_wait(attempt) <= longest * (1 + jitter)
    assert base.wait(attempt) <= base.wait(attempt + 1)


def test_each_wait_is_twice_the_one_before() -> None:
    """Unless told otherwise a wait is twice the one before."""
    retries = Retries(first=10, jitter=0, longest=100)
    assert [retries.wait(attempt) for attempt in range(1, 7)] == [10, 20, 40, 80, 100, 100]


@pytest.mark.parametrize(
    "options",
    [
        {"attempts": 0},
        {"attempts": 1.5},
        {"first": -1},
        {"factor": 0.5},
        {"longest": float("inf")},
        {"jitter": "1"},
    ],
    ids=repr,
)
def test_a_policy_that_cannot_be(options: dict[str, Any]) -> None:
    """A value that makes no sense is refused by its name."""
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        Retries(**options)


def test_a_policy_is_wanted() -> None:
    """Something else than a policy is refused."""
    with pytest.raises(ConfigurationError, match="retries="):
        Rig(retries=12)


# --- attempts ---------------------------------------------------------------------------------


def test_tried_until_dead() -> None:
    """After the last attempt the event is dead, with its error and body, and observers hear it."""
    rig = Rig(retries=Retries(attempts=3, first=7, jitter=0))
    assert rig.deliver() == "queued"
    for wait in (7, 14):
        with pytest.raises(HandlerError) as caught:
            rig.work()
        assert caught.value.retry_after == wait
        assert rig.record.status == "queued"
    assert rig.work() == "dead"
    assert rig.runs == 3
    record = rig.record
    assert (record.status, record.attempts, record.body) == ("dead", 3, BODY)
    assert "one raised ValueError" in record.error
    assert [notice.kind for notice in rig.notices].count("dead") == 1
    assert "hush" not in "".join(notice.text for notice in rig.notices)


def test_the_dead_come_back() -> None:
    """A replay of a dead event goes through the engine, with all its attempts again."""
    rig = Rig(retries=Retries(attempts=1))
    rig.deliver()
    assert rig.work() == "dead"
    rig.broken = None
    assert rig.receiver.replay("evt_1") == "queued"
    assert rig.work() == "handled"
    assert rig.record.status == "done"


def test_a_worker_that_dies_each_time() -> None:
    """An event that takes its worker along is dead after its attempts, and runs no more."""
    rig = Rig(retries=Retries(attempts=2))
    rig.broken = None
    rig.deliver()
    digest, token = rig.record.digest, rig.engine.messages[0]["token"]
    for _ in range(2):
        assert rig.store.claim(KEY, digest, 60, token).status == "claimed"
        rig.now += 60
    assert rig.work() == "dead"
    assert rig.runs == 0
    assert rig.record.error == "its worker died while handling it, or could not record the result"


def test_busy_spends_no_attempt() -> None:
    """A message that finds its event being handled is asked to come later, and costs nothing."""
    rig = Rig()
    rig.deliver()
    rig.store.claim(KEY, rig.record.digest, 60, rig.engine.messages[0]["token"])
    for _ in range(20):
        with pytest.raises(Busy) as caught:
            rig.work()
        assert caught.value.retry_after > 0
    assert rig.record.attempts == 1


def test_an_unavailable_store_spends_no_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that is away leaves the event as it was."""
    rig = Rig()
    rig.deliver()
    before = rig.record

    def away(*_: Any, **__: Any) -> Any:
        raise StoreUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(rig.store, "claim", away)
        with pytest.raises(StoreUnavailable):
            rig.work()
    assert rig.record == before


# --- the hand-over ----------------------------------------------------------------------------


def test_an_engine_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that does not answer in time is 503, and the next delivery is accepted."""
    from coffrify_webhooks import receiver

    monkeypatch.setattr(receiver, "_IN_TIME", 0.05)
    rig = Rig()
    leave = threading.Event()
    dispatch = rig.engine.dispatch
    monkeypatch.setattr(rig.engine, "dispatch", lambda message: leave.wait(20))
    reply = rig.receiver.receive(BODY, sign(BODY, SECRET, timestamp=rig.now))
    assert (reply.status, reply.outcome) == (503, "unavailable")
    assert "in time" in str(reply.error)
    leave.set()
    monkeypatch.setattr(rig.engine, "dispatch", dispatch)
    assert rig.deliver() == "queued"


# --- the sweep --------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["queued", "running", "in hand", "failed once"])
def test_what_an_engine_lost_is_dispatched_again(state: str) -> None:
    """Whatever an engine or a process lost is handed over again when its time is over."""
    rig = Rig(retries=Retries(first=10, jitter=0), lost_after=300)
    rig.deliver()
    if state == "running":
        rig.store.claim(KEY, rig.record.digest, 60, rig.engine.messages[0]["token"])
    elif state == "in hand":
        rig.store.claim(KEY, rig.record.digest, 60, "")
    elif state == "failed once":
        with pytest.raises(HandlerError):
            rig.work()
    rig.engine.messages.clear()
    rig.broken = None
    rig.now += 305
    assert rig.receiver.sweep() == 0
    rig.now += 30
    assert rig.receiver.sweep() == 1
    assert rig.record.status == "queued"
    assert rig.receiver.sweep() == 0
    assert rig.work() == "handled"
    assert [notice.kind for notice in rig.notices].count("swept") == 1


def test_the_sweep_leaves_what_is_in_order() -> None:
    """What runs, is done, dead or new is not dispatched again."""
    rig = Rig(retries=Retries(attempts=1), lost_after=300)
    rig.deliver()
    assert rig.work() == "dead"
    other = b'{"id": "evt_2", "type": "ping"}'
    rig.receiver.receive(other, sign(other, SECRET, timestamp=rig.now))
    key = key_of("default", "evt_2")
    token = rig.engine.messages[1]["token"]
    rig.now += 10_000
    record = rig.store.get(key)
    assert record is not None
    rig.store.claim(key, record.digest, 1e6, token)
    rig.now += 10_000
    assert rig.receiver.sweep() == 0


@pytest.mark.parametrize("error", [SystemExit(2), GeneratorExit(), BaseException()], ids=repr)
def test_the_sweep_adds_nothing_for_what_a_handler_raises(error: BaseException) -> None:
    """An event whose handler raises no Exception waits, and dies, like any: no sweep copies it."""
    rig = Rig(retries=Retries(attempts=3, first=10, jitter=0), lost_after=300)
    rig.broken = error
    rig.deliver()
    for _ in range(2):
        with pytest.raises(HandlerError):
            rig.work()
        rig.now += 15
        assert [rig.receiver.sweep() for _ in range(3)] == [0, 0, 0]
    assert rig.work() == "dead"
    for _ in range(3):
        rig.now += 100_000
        assert rig.receiver.sweep() == 0
    assert len(rig.engine.messages) == 1
    assert rig.runs == 3


def test_the_sweep_sees_beyond_those_that_wait(caplog: pytest.LogCaptureFixture) -> None:
    """However many events wait for their next attempt, one that is lost is found behind them."""
    caplog.set_level("CRITICAL")  # the tracebacks of 150 failures take their time
    rig = Rig(retries=Retries(first=3000, jitter=0, longest=3000), lost_after=300)
    rig.deliver()
    rig.now += 1000
    for number in range(150):
        body = b'{"id": "evt_w%d", "type": "ping"}' % number
        rig.receiver.receive(body, sign(body, SECRET, timestamp=rig.now))
        with pytest.raises(HandlerError):
            rig.work()
    rig.engine.messages.clear()
    rig.now += 2400
    assert rig.receiver.sweep(limit=1) == 1
    assert [message["id"] for message in rig.engine.messages] == ["evt_1"]


def test_one_bad_record_does_not_stop_the_sweep() -> None:
    """An event that this receiver cannot read is told, and the others are dispatched again."""
    rig = Rig(lost_after=300)
    bad = b'{"id": "evt_bad", "type": "transfer.created", "data": 5}'
    rig.receiver.receive(bad, sign(bad, SECRET, timestamp=rig.now))
    rig.deliver()
    rig.now += 10_000
    rig.engine.messages.clear()
    rig.receiver.strict = True
    assert rig.receiver.sweep() == 1
    assert [message["id"] for message in rig.engine.messages] == ["evt_1"]
    assert any("evt_bad" in notice.text for notice in rig.notices)


def test_a_worker_that_cannot_read_an_event() -> None:
    """A message that only a stricter worker refuses is none for it; the event stays queued."""
    rig = Rig()
    bad = b'{"id": "evt_1", "type": "transfer.created", "data": 5}'
    rig.receiver.receive(bad, sign(bad, SECRET, timestamp=rig.now))
    rig.receiver.strict = True
    with pytest.raises(MessageError, match="strict"):
        rig.work()
    assert rig.record.status == "queued"


def test_a_sweep_loses_nothing_when_the_engine_is_away() -> None:
    """An engine that refuses leaves the event on record as it was, for the next sweep."""
    rig = Rig(lost_after=300)
    rig.deliver()
    rig.now += 10_000
    rig.engine.fault = OSError("away")
    from coffrify_webhooks.errors import DispatchError

    with pytest.raises(DispatchError):
        rig.receiver.sweep()
    assert (rig.record.status, rig.record.attempts, rig.record.body) == ("queued", 0, BODY)
    rig.engine.fault = None
    rig.now += 10_000
    assert rig.receiver.sweep() == 1


def test_without_an_engine_nothing_is_swept() -> None:
    """A receiver that handles inline has nothing to sweep."""
    assert Receiver(SECRET, store="memory:").sweep() == 0
