"""Events of one object in order: `key=`, `order=` and `version=` of `on`."""

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
from tests.in_time import in_time
from tests.stores.async_memory import AsyncMemoryStore

from coffrify_webhooks import (
    Busy,
    ConfigurationError,
    Event,
    HandlerError,
    Message,
    Notice,
    Receiver,
    Reply,
    Retries,
    Router,
    Store,
    StoreUnavailable,
    sign,
)
from coffrify_webhooks.stores import Lock, OrderedStore
from coffrify_webhooks.stores.blocking import METHODS
from coffrify_webhooks.stores.memory import MemoryStore
from coffrify_webhooks.stores.sqlite import SQLiteStore

SECRET = "whsec_" + "ab" * 16
NOW = 1_700_000_000.0
PATIENCE = 20


def by_id(event: Event) -> Any:
    return event.data["id"]


def by_version(event: Event) -> Any:
    return event.data["v"]


class Recording(MemoryStore):
    """Writes down which methods are called, and can be told to fail."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.calls: list[str] = []
        self.fails: set[str] = set()
        self.marks: list[str] = []
        self.renewed = threading.Event()

    def claim(self, *arguments: Any, **options: Any) -> Any:
        self.calls.append("claim")
        return super().claim(*arguments, **options)

    def done(self, key: str, token: str) -> bool:
        self.calls.append("done")
        return super().done(key, token)

    def checkpoint(self, key: str, token: str, handler: str) -> bool:
        self.calls.append("checkpoint")
        if "checkpoint" in self.fails:
            raise StoreUnavailable("no answer")
        return super().checkpoint(key, token, handler)

    def lock(self, mark: str, lease: float) -> Lock | None:
        self.calls.append("lock")
        self.marks.append(mark)
        return super().lock(mark, lease)

    def renew_lock(self, mark: str, token: str, lease: float, state: str | None = None) -> bool:
        if state is not None:
            self.calls.append("begin")
            return super().renew_lock(mark, token, lease, state)
        held = super().renew_lock(mark, token, lease)
        self.renewed.set()
        return held

    def unlock(self, mark: str, token: str, state: str | None = None) -> bool:
        self.calls.append("move" if state else "unlock")
        if "move" in self.fails and state:
            raise StoreUnavailable("no answer")
        return super().unlock(mark, token, state)


class Rig:
    """A receiver whose handlers write down what they were given."""

    def __init__(self, store: Any = None, **options: Any) -> None:
        self.now = NOW
        self.store = store or Recording(clock=self.clock)
        self.router = Router()
        self.told: list[Notice] = []
        self.runs: list[Any] = []
        self.failing: list[Any] = []
        """Versions for which the next run fails."""
        self.receiver = self.make(**options)
        self.events = 0

    def clock(self) -> float:
        return self.now

    def make(self, **options: Any) -> Receiver:
        known: dict[str, Any] = {
            "store": self.store,
            "router": self.router,
            "clock": self.clock,
            "observers": [self.told.append],
        }
        made = Receiver(SECRET, **known | options)
        made.drifts._allowed = float("-inf")  # the calls are counted, and no type here is known
        return made

    def handle(self, name: str = "one", **options: Any) -> None:
        usual: dict[str, Any] = {"key": by_id, "order": "latest", "version": by_version}

        def fn(event: Event) -> None:
            version = event.data["v"]
            if version in self.failing:
                self.failing.remove(version)
                raise ValueError(version)
            self.runs.append(version)

        self.router.on("*", name=name, **usual | options)(fn)

    def body(self, version: Any, *, of: Any = "a", **more: Any) -> bytes:
        self.events += 1
        data = {"id": of, "v": version}
        event = {"id": f"evt_{self.events}", "type": "thing.changed", "data": data, **more}
        return json.dumps(event).encode()

    def send(self, body: bytes, receiver: Receiver | None = None) -> Reply:
        headers = sign(body, SECRET, timestamp=self.now)
        return (receiver or self.receiver).receive(body, headers)

    def deliver(self, version: Any, **more: Any) -> Reply:
        return self.send(self.body(version, **more))

    def outcomes(self, *versions: Any) -> list[str]:
        return [self.deliver(version).outcome for version in versions]


@pytest.fixture(params=["memory", "sqlite", "async"])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    """One for each way to a store: in place, with a wait, awaited."""
    made: Any = None
    if request.param == "sqlite":
        made = SQLiteStore(tmp_path / "store.db")
    elif request.param == "async":
        made = AsyncMemoryStore()
    rig = Rig(made)
    yield rig
    rig.receiver.store.close()


@pytest.fixture
def on_memory() -> Rig:
    return Rig()


# --- latest -----------------------------------------------------------------------------------


def test_what_is_older_is_skipped(rig: Rig) -> None:
    """An event older than the newest one of its object runs no handler, and is settled."""
    rig.handle()
    assert rig.outcomes(2, 1, 3, 2) == ["handled", "superseded", "handled", "superseded"]
    assert rig.runs == [2, 3]


def test_what_was_skipped_is_a_duplicate(rig: Rig) -> None:
    """It is answered 200, told, and not looked at again."""
    rig.handle()
    rig.deliver(2)
    body = rig.body(1)
    reply = rig.send(body)
    assert (reply.status, reply.body) == (200, b'{"outcome": "superseded"}')
    [notice] = [notice for notice in rig.told if notice.kind == "superseded"]
    assert notice.handler == "one"
    assert "one skipped 'thing.changed' 'evt_2'" in notice.text
    assert rig.send(body).outcome == "duplicate"


def test_what_is_equal_is_not_older(rig: Rig) -> None:
    """Two events of one version are both handled."""
    rig.handle()
    assert rig.outcomes(1, 1) == ["handled", "handled"]


def test_each_object_has_its_own_order(rig: Rig) -> None:
    """Another object's events, and another handler's, do not count."""
    rig.handle("one")
    assert rig.deliver(5, of="a").outcome == "handled"
    assert rig.deliver(1, of="b").outcome == "handled"
    rig.handle("two")
    assert rig.deliver(1, of="a").outcome == "handled"
    assert rig.runs == [5, 1, 1]  # the last by `two`


def test_a_handler_of_another_name_begins_anew(on_memory: Rig) -> None:
    """One that was renamed, and another receiver on the store, know nothing of before."""
    on_memory.handle("before")
    on_memory.deliver(5)
    on_memory.router = Router()
    on_memory.handle("after")
    body = on_memory.body(1)
    assert on_memory.send(body, on_memory.make()).outcome == "handled"
    assert on_memory.send(body, on_memory.make(name="other")).outcome == "handled"


def test_a_failure_moves_no_mark(rig: Rig) -> None:
    """After a handler raised, an older event is handled; the newer one when it comes again."""
    rig.handle()
    rig.failing = [2]
    newer = rig.body(2)
    assert rig.send(newer).outcome == "failed"
    assert rig.deliver(1).outcome == "handled"
    assert rig.send(newer).outcome == "handled"
    assert rig.runs == [1, 2]


def test_one_handler_of_two_skips(rig: Rig) -> None:
    """An event is superseded only if each handler that wants it has skipped it."""
    rig.handle("one")
    rig.handle("serial", order="serial", version=None)
    assert rig.outcomes(2, 1) == ["handled", "handled"]
    assert rig.runs == [2, 2, 1]


def test_a_crash_before_the_mark_runs_it_again(on_memory: Rig) -> None:
    """The handler's finish is recorded after the mark: at least once, and never backwards."""
    on_memory.handle()
    on_memory.handle("after")
    on_memory.store.fails = {"move"}
    body = on_memory.body(2)
    assert on_memory.send(body).outcome == "unavailable"
    on_memory.store.fails = set()
    on_memory.now += 60
    assert on_memory.send(body).outcome == "handled"
    assert on_memory.runs == [2, 2, 2]
    assert on_memory.outcomes(1) == ["superseded"]


def crash(rig: Rig, version: Any) -> bytes:
    """Let a process die when the handler of an event has finished; its leases are over then."""
    body = rig.body(version)
    rig.store.fails = {"move"}
    assert rig.send(body).outcome == "unavailable"
    rig.store.fails = set()
    rig.now += 60
    return body


def test_after_a_crash_what_is_older_waits(on_memory: Rig) -> None:
    """What the dead process has done is not undone: the older event is put off until then."""
    on_memory.handle()
    newer, older = crash(on_memory, 2), on_memory.body(1)
    assert on_memory.send(older).outcome == "busy"
    assert on_memory.send(older).outcome == "busy"
    assert on_memory.send(newer).outcome == "handled"
    assert on_memory.send(older).outcome == "superseded"
    assert on_memory.runs == [2, 2]


def test_after_a_crash_what_is_newer_runs(on_memory: Rig) -> None:
    """It supersedes the one that crashed."""
    on_memory.handle()
    crashed = crash(on_memory, 2)
    assert on_memory.outcomes(3) == ["handled"]
    assert on_memory.send(crashed).outcome == "superseded"


def test_a_crash_is_not_forgotten_by_a_failure(on_memory: Rig) -> None:
    """A newer event whose handler raises leaves the one that crashed to be waited for."""
    on_memory.handle()
    crash(on_memory, 2)
    on_memory.failing = [3]
    assert on_memory.outcomes(3, 1) == ["failed", "busy"]


def test_an_event_that_was_put_off_is_still_waited_for(on_memory: Rig) -> None:
    """One that crashed, came again while the lock was taken, and was given back without a trace."""
    on_memory.handle()
    newer, older = crash(on_memory, 2), on_memory.body(1)
    [mark] = set(on_memory.store.marks)
    lock = on_memory.store.lock(mark, 60)
    assert lock is not None
    assert on_memory.send(newer).outcome == "busy"
    assert on_memory.store.find() == []
    assert on_memory.store.unlock(mark, lock.token)
    assert on_memory.send(older).outcome == "busy"


def test_several_crashes_are_waited_for(on_memory: Rig) -> None:
    """The newest of them first; then its failure does not hide the one before."""
    on_memory.handle()
    two = crash(on_memory, 2)
    three, one = crash(on_memory, 3), on_memory.body(1)
    on_memory.failing = [3]
    assert [on_memory.send(body).outcome for body in (two, three, one)] == [
        *("busy", "failed", "busy")
    ]
    assert [on_memory.send(body).outcome for body in (two, one)] == ["handled", "superseded"]


def test_nobody_waits_for_a_dead_letter(on_memory: Rig) -> None:
    """An event that crashed and will not be tried again by itself is not waited for."""
    on_memory.handle()
    crash(on_memory, 2)
    older = on_memory.body(1)
    assert on_memory.send(older).outcome == "busy"
    record = on_memory.store.find()[0]
    token = on_memory.store.claim(record.key, record.digest, 60).token
    assert on_memory.store.dead(record.key, token, "why")
    assert on_memory.send(older).outcome == "handled"


def test_nobody_waits_longer_than_the_sender_retries(on_memory: Rig) -> None:
    """After its 72 hours an event that crashed is not waited for."""
    on_memory.handle()
    crash(on_memory, 2)
    on_memory.now += 72 * 3600 - 61
    assert on_memory.outcomes(1) == ["busy"]
    on_memory.now += 1
    assert on_memory.outcomes(1) == ["handled"]


def test_a_crash_after_the_mark_runs_it_again(on_memory: Rig) -> None:
    """Nothing older can run in between, and the same event is not older than itself."""
    on_memory.handle()
    on_memory.handle("after")
    on_memory.store.fails = {"checkpoint"}
    body = on_memory.body(2)
    assert on_memory.send(body).outcome == "unavailable"
    on_memory.store.fails = set()
    on_memory.now += 60
    assert on_memory.outcomes(1) == ["handled"]  # by `after` alone
    assert on_memory.send(body).outcome == "handled"
    assert on_memory.runs == [2, 1, 2, 2]


def test_a_forgotten_event_is_no_newer(rig: Rig) -> None:
    """A replay of what was forgotten runs if it is the newest; else it is still superseded."""
    rig.handle()
    older, newest = rig.body(1), rig.body(2)
    rig.send(older)
    rig.send(newest)
    assert rig.receiver.forget("evt_1")
    assert rig.receiver.forget("evt_2")
    assert rig.send(older).outcome == "superseded"
    assert rig.send(newest).outcome == "handled"
    assert rig.runs == [1, 2, 2]


# --- versions ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        (9, 10),
        (1, 1.5),
        (-1, 0),
        (10**30, 10**30 + 1),
        ("a", "b"),
        ("10", "9"),
        ("", "\ud800"),
        (datetime(2026, 1, 1, 12, tzinfo=UTC), datetime.fromisoformat("2026-01-01T13:30+01:00")),
        (datetime(2026, 1, 1, 11), datetime(2026, 1, 1, 12, tzinfo=UTC)),  # noqa: DTZ001
        (0, datetime(2026, 1, 1, tzinfo=UTC)),
    ],
    ids=repr,
)
def test_versions_compare_by_what_they_are(on_memory: Rig, earlier: Any, later: Any) -> None:
    """Numbers by their value, times as instants, texts by their characters."""
    found = {1: earlier, 2: later}
    on_memory.handle(version=lambda event: found[event.data["v"]])
    assert on_memory.outcomes(2, 1, 2) == ["handled", "superseded", "handled"]


@pytest.mark.parametrize("name", ["timestamp", "created_at", "occurred_at", "time"])
def test_without_a_version_the_events_time_counts(on_memory: Rig, name: str) -> None:
    """As an instant, whatever zone it is written in."""
    on_memory.handle(version=None)

    def at(moment: str) -> str:
        return on_memory.deliver(moment, **{name: moment}).outcome

    assert at("2026-01-01T12:00:00Z") == "handled"
    assert at("2026-01-01T12:30:00+01:00") == "superseded"
    assert at("2026-01-01T11:30:00-01:00") == "handled"
    assert at("2026-01-01T12:30:00.000001Z") == "handled"
    assert at("2026-01-01T12:30:00Z") == "superseded"


@pytest.mark.parametrize("more", [{}, {"created_at": "yesterday"}, {"timestamp": 4242}])
def test_without_any_time_the_signed_one_counts(on_memory: Rig, more: Any) -> None:
    """When the sender signed the delivery."""
    on_memory.handle(version=None)
    assert on_memory.deliver(1, **more).outcome == "handled"
    on_memory.now -= 1
    assert on_memory.deliver(2, **more).outcome == "superseded"
    on_memory.now += 1
    assert on_memory.deliver(3, **more).outcome == "handled"


@pytest.mark.parametrize(
    "version", [None, True, [1], float("nan"), float("inf"), b"1", object(), "x" * 255]
)
def test_what_is_no_version_is_the_handlers_failure(on_memory: Rig, version: Any) -> None:
    """It is told by name, and spoils nothing: the lock is free."""
    on_memory.handle("of orders", version=lambda event: version)
    body = on_memory.body(1)
    reply = on_memory.send(body)
    assert (reply.outcome, reply.status) == ("failed", 500)
    assert "of orders raised" in cast("Any", reply.error).reason
    assert on_memory.store.calls == ["claim"]


def test_versions_of_two_kinds_are_the_handlers_failure(on_memory: Rig) -> None:
    """A number cannot be older than a text; the mark and the lock are as before."""
    on_memory.handle("of orders")
    assert on_memory.outcomes(1, "2", 3) == ["handled", "failed", "handled"]
    [failure] = [notice.error for notice in on_memory.told if notice.kind == "handler_failed"]
    assert failure is not None
    assert "of handler of orders returned a text for this event" in str(failure.__cause__)


# --- keys -------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [None, True, 1.0, (), ("a", None), {"id": 1}, b"a", object()])
def test_what_is_no_key_is_the_handlers_failure(on_memory: Rig, key: Any) -> None:
    """It is told by name, and the other handlers run."""
    on_memory.handle("of orders", key=lambda event: key)
    on_memory.handle("other")
    reply = on_memory.deliver(1)
    assert (reply.outcome, on_memory.runs) == ("failed", [1])
    assert cast("Any", reply.error).reason.startswith("of orders raised TypeError")


def test_a_key_that_raises_is_the_handlers_failure(on_memory: Rig) -> None:
    """As when the field is missing that it looks up."""
    on_memory.handle("of orders", key=lambda event: event.data["nothing"])
    reply = on_memory.deliver(1)
    assert reply.outcome == "failed"
    assert "of orders raised KeyError at test_order.py:" in cast("Any", reply.error).reason


def test_keys_are_told_apart_by_value_and_kind(on_memory: Rig) -> None:
    """1 is not "1"; a UUID is its text; a tuple is all of its parts."""
    one = uuid.uuid4()
    keys = [1, "1", ("1",), ("1", "2"), "12", one, str(one), (one, 3), "\ud800", ""]
    on_memory.handle(key=lambda event: keys[event.data["id"]])
    for place in range(len(keys)):
        on_memory.deliver(1, of=place)
    marks = on_memory.store.marks
    assert marks[5] == marks[6]
    assert len(set(marks)) == len(keys) - 1
    assert all(len(mark) == 64 for mark in marks)


# --- one at a time ----------------------------------------------------------------------------


class Gate:
    """A handler that begins, and waits until it may go on."""

    def __init__(self, rig: Rig, name: str = "gate", **options: Any) -> None:
        self.begun = threading.Event()
        self.may_end = threading.Event()
        self.rig = rig
        usual: dict[str, Any] = {"key": by_id, "order": "serial"}
        rig.router.on("*", name=name, **usual | options)(self.run)

    def run(self, event: Event) -> None:
        self.rig.runs.append(("begin", event.data["v"]))
        if event.data["v"] == "slow":
            self.begun.set()
            assert self.may_end.wait(PATIENCE)
        self.rig.runs.append(("end", event.data["v"]))

    def deliver(self) -> Callable[[], Reply]:
        """Deliver an event that stays in the handler; returns what lets it go on, to its reply."""
        replies: list[Reply] = []
        body = self.rig.body("slow")
        thread = threading.Thread(target=lambda: replies.append(self.rig.send(body)))
        thread.start()
        assert self.begun.wait(PATIENCE)

        def finish() -> Reply:
            self.may_end.set()
            thread.join(PATIENCE)
            [reply] = replies
            return reply

        return finish


@pytest.mark.parametrize("order", ["serial", "latest"])
def test_two_events_of_one_object_never_overlap(rig: Rig, order: str) -> None:
    """While one is in the handler the other is busy, and one of another object is not."""
    gate = Gate(rig, order=order)
    finish = gate.deliver()
    body = rig.body("next")
    reply = rig.send(body)
    assert (reply.outcome, reply.status) == ("busy", 503)
    assert reply.headers["Retry-After"] == "5"
    assert rig.deliver("other", of="b").outcome == "handled"
    assert finish().outcome == "handled"
    assert rig.send(body).outcome == "handled"
    whole = [("begin", "slow"), ("begin", "other"), ("end", "other"), ("end", "slow")]
    assert rig.runs == [*whole, ("begin", "next"), ("end", "next")]


def test_the_other_handlers_need_not_wait(rig: Rig) -> None:
    """Those that are free run, are recorded, and do not run again with the one that was busy."""
    gate = Gate(rig)
    rig.handle("free", key=None, order=None, version=None)
    finish = gate.deliver()
    body = rig.body("next")
    assert rig.send(body).outcome == "busy"
    assert rig.runs == [("begin", "slow"), "next"]
    finish()
    assert rig.send(body).outcome == "handled"
    assert rig.runs.count("next") == 1


def test_two_ordered_handlers_hold_one_lock_each_time(on_memory: Rig) -> None:
    """The lock of the first is given back before the second is taken: no two wait in a circle."""
    on_memory.handle("one")
    on_memory.handle("two")
    on_memory.deliver(1)
    calls = ["lock", "begin", "move", "checkpoint", "lock", "begin", "move"]
    assert on_memory.store.calls == ["claim", *calls, "done"]


async def test_async_handlers_take_turns() -> None:
    """Under the async driver too, where an async handler gives way to the other delivery."""
    for store in (Recording(), AsyncMemoryStore()):
        rig = Rig(store)
        begun, may_end = anyio.Event(), anyio.Event()

        async def handle(
            event: Event, rig: Rig = rig, begun: Any = begun, may_end: Any = may_end
        ) -> None:
            rig.runs.append(event.data["v"])
            begun.set()
            await may_end.wait()

        rig.router.on("*", key=by_id, order="latest", version=by_version)(handle)
        replies: list[str] = []

        async def receive(body: bytes, rig: Rig = rig, replies: list[str] = replies) -> None:
            headers = sign(body, SECRET, timestamp=rig.now)
            replies.append((await rig.receiver.receive_async(body, headers)).outcome)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(receive, rig.body(2))
            await begun.wait()
            await receive(rig.body(3))
            may_end.set()
        await receive(rig.body(1))
        assert replies == ["busy", "handled", "superseded"]
        assert rig.runs == [2]


# --- leases -----------------------------------------------------------------------------------


def test_a_long_handler_keeps_its_lock() -> None:
    """The lock is renewed while the handler runs."""
    store = Recording()
    rig = Rig(store, lease=0.3)

    def handle(event: Event) -> None:
        for _ in range(3):
            store.renewed.clear()
            assert store.renewed.wait(PATIENCE)
        assert store.lock(store.marks[0], 60) is None

    rig.router.on("*", key=by_id, order="serial")(handle)
    with in_time(PATIENCE):
        assert rig.deliver(1).outcome == "handled"


def test_whoever_lost_the_lock_moves_no_mark(rig: Rig) -> None:
    """The reply is busy, and what the heir has recorded stays."""
    if isinstance(rig.store, SQLiteStore):
        rig.store._clock = rig.clock
    elif isinstance(rig.store, AsyncMemoryStore):
        rig.store.memory = MemoryStore(clock=rig.clock)
    stalls = [2]

    def handle(event: Event) -> None:
        version = event.data["v"]
        rig.runs.append(version)
        if version in stalls:
            stalls.remove(version)
            rig.now += 61
            assert rig.deliver(3).outcome == "handled"

    rig.router.on("*", key=by_id, order="latest", version=by_version)(handle)
    body = rig.body(2)
    reply = rig.send(body)
    assert (reply.outcome, cast("Any", reply.error).code) == ("busy", "claim_lost")
    rig.now += 61
    assert rig.send(body).outcome == "superseded"
    assert rig.runs == [2, 3]


def test_the_lock_of_a_dead_process_ends_with_its_lease(on_memory: Rig) -> None:
    """Another event of the object is busy until then."""
    on_memory.handle()
    on_memory.deliver(1)
    assert on_memory.store.lock(on_memory.store.marks[0], 60)
    assert on_memory.outcomes(2) == ["busy"]
    on_memory.now += 60
    assert on_memory.outcomes(3) == ["handled"]


# --- on an engine -----------------------------------------------------------------------------


class Queue:
    def __init__(self) -> None:
        self.sent: list[Message] = []

    def dispatch(self, message: Message) -> None:
        self.sent.append(message)


def test_on_an_engine_no_attempt_is_spent(rig: Rig) -> None:
    """What is busy is put off for a moment, as often as need be, and is no dead letter."""
    gate = Gate(rig)
    queue = Queue()
    web = rig.make(dispatcher=queue)
    worker = rig.make(retries=Retries(attempts=1))
    finish = gate.deliver()
    assert rig.send(rig.body("next"), web).outcome == "queued"
    for _ in range(3):
        with pytest.raises(Busy) as caught:
            worker.execute(queue.sent[0])
        assert 0 < caught.value.retry_after < 5
    record = rig.receiver.store.find(limit=1)[0]
    assert (record.status, record.attempts) == ("queued", 0)
    finish()
    assert worker.execute(queue.sent[0]) == "handled"
    assert worker.execute(queue.sent[0]) == "duplicate"


def test_on_an_engine_what_is_older_is_superseded(rig: Rig) -> None:
    """The outcome says so."""
    rig.handle()
    queue = Queue()
    web = rig.make(dispatcher=queue)
    for version in (2, 1):
        rig.send(rig.body(version), web)
    assert [rig.receiver.execute(each) for each in queue.sent] == ["handled", "superseded"]


def test_a_handler_that_waits_is_not_buried_with_one_that_failed(rig: Rig) -> None:
    """At the last attempt one handler fails and another is busy: the event is no dead letter."""
    gate = Gate(rig)
    rig.handle("other", key=None, order=None, version=None)
    rig.failing = ["next", "next"]
    queue = Queue()
    worker = rig.make(retries=Retries(attempts=1))
    finish = gate.deliver()
    rig.send(rig.body("next"), rig.make(dispatcher=queue))
    with pytest.raises(HandlerError):
        worker.execute(queue.sent[0])
    assert rig.receiver.store.find(limit=1)[0].status == "queued"
    finish()
    rig.failing.clear()
    assert worker.execute(queue.sent[0]) in ("handled", "dead")


# --- what it costs ----------------------------------------------------------------------------


def test_a_handler_without_order_costs_no_call(on_memory: Rig) -> None:
    """The store is asked what it was asked before."""
    on_memory.handle(key=None, order=None, version=None)
    on_memory.deliver(1)
    assert on_memory.store.calls == ["claim", "done"]


# --- mistakes ---------------------------------------------------------------------------------


def takes_two(event: Event, other: Event) -> str:
    return f"{event}{other}"


async def is_async(event: Event) -> str:
    return str(event.id)


def yields(event: Event) -> Iterator[str]:
    yield str(event.id)


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ({"order": "serial"}, r"which object.*key=lambda event: event\.data\.id"),
        ({"key": by_id}, r"order= is missing: give order=\"serial\""),
        ({"version": by_version}, "order= is missing"),
        ({"key": by_id, "order": "newest"}, r"order='newest': give order=\"serial\""),
        ({"key": by_id, "order": True}, "order=True"),
        ({"key": by_id, "order": ["latest"]}, "order=<list>"),
        ({"key": by_id, "order": "serial", "version": by_version}, r"or give order=\"latest\""),
        ({"key": "data.id", "order": "serial"}, "key='data.id': give a function"),
        ({"key": str, "order": "serial"}, "key=<type>: give a function"),
        ({"key": is_async, "order": "serial"}, "key is async"),
        ({"key": yields, "order": "serial"}, "key is async or has a yield"),
        ({"key": partial(is_async), "order": "serial"}, "key is async"),
        ({"key": takes_two, "order": "serial"}, "key cannot be called with an event"),
        ({"key": lambda: "a", "order": "serial"}, "key cannot be called with an event"),
        ({"key": by_id, "order": "latest", "version": 3}, "version=3: give a function"),
        ({"key": by_id, "order": "latest", "version": is_async}, "version is async"),
    ],
    ids=count(),
)
def test_a_mistake_is_told_at_registration(options: Any, remedy: str) -> None:
    """With what to do."""
    with pytest.raises(ConfigurationError, match=remedy):
        Router().on("*", **options)


def test_a_handler_has_one_order() -> None:
    """A second registration that asks for something else is refused; the same again is not."""
    router = Router()

    def handle(event: Event) -> None: ...

    def register(event: str, order: Any = "latest", **more: Any) -> None:
        router.on(event, key=lambda event: event.data.id, order=order, **more)(handle)

    register("transfer.created")
    register("transfer.deleted")
    for again in (
        lambda: register("ping", order="serial"),
        lambda: register("ping", version=by_version),
        lambda: router.on("ping")(handle),
    ):
        with pytest.raises(ConfigurationError, match="registered twice, with another key="):
            again()
    [handler] = router.handlers
    assert handler.patterns == ("transfer.created", "transfer.deleted")


class Plain:
    """A store by the protocol of before: what is not in it is not there."""

    def __init__(self) -> None:
        self.memory = MemoryStore()
        for name in METHODS:
            setattr(self, name, getattr(self.memory, name))


def plain_store() -> Store:
    kind = type("PlainStore", (Plain,), {name: getattr(MemoryStore, name) for name in METHODS})
    return cast("Store", kind())


def test_a_store_that_keeps_no_order_is_refused_at_the_start() -> None:
    """By the handler's name, with what to do; without such a handler it is as good as any."""
    router = Router()
    router.on("*", name="plain")(print)
    store = plain_store()
    assert not isinstance(store, OrderedStore)
    Receiver(SECRET, store=store, router=router)
    router.on("*", name="of orders", key=by_id, order="serial")(repr)
    with pytest.raises(ConfigurationError, match=r"of orders asks for order=.*Receiver\(store="):
        Receiver(SECRET, store=store, router=router)


def test_a_store_that_keeps_no_order_is_told_at_the_first_event() -> None:
    """Where the handler was registered after the receiver was made."""
    rig = Rig(plain_store())
    rig.handle("of orders")
    reply = rig.deliver(1)
    assert (reply.outcome, reply.status) == ("misconfigured", 500)
    assert "OrderedStore" in str(reply.error)
