"""Claims that outlive their lease: handlers that take long, claims that are lost. Real time."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.stores.faults import failing_thread

from coffrify_webhooks import Event, Receiver, Reply, Router, Store, StoreUnavailable, sign
from coffrify_webhooks.concurrency import lease_keeper as leases
from coffrify_webhooks.concurrency.timers import Alarms
from coffrify_webhooks.errors import ClaimLost, NotBegun
from coffrify_webhooks.pipeline.identity import key_of
from coffrify_webhooks.stores.memory import MemoryStore
from coffrify_webhooks.stores.sqlite import SQLiteStore

SECRET = "whsec_" + "ab" * 16
LEASE = 0.3
PATIENCE = 20.0
KEY = key_of("default", "evt")


class Renewing(MemoryStore):
    """A memory store that counts renewals, and fails those that it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.renewals: list[float] = []
        self.failing: list[Exception] = []

    def renew(self, key: str, token: str, lease: float) -> bool:
        self.renewals.append(time.monotonic())
        if self.failing:
            raise self.failing.pop(0)
        return super().renew(key, token, lease)


def request(event_id: str = "evt") -> tuple[bytes, dict[str, str]]:
    body = json.dumps({"id": event_id, "type": "ping"}).encode()
    return body, sign(body, SECRET)


def receiver_on(store: Store, *handlers: Callable[[Event], Any], lease: float = LEASE) -> Receiver:
    router = Router()
    for number, handler in enumerate(handlers):
        router.on("*", name=f"handler{number}")(handler)
    return Receiver(SECRET, router=router, store=store, lease=lease)


def deliver(receiver: Receiver, driver: str) -> Reply:
    if driver == "sync":
        return receiver.receive(*request())
    return asyncio.run(receiver.receive_async(*request()))


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Store]:
    store = SQLiteStore(tmp_path / "store.db")
    yield store
    store.close()


class Ticking(SQLiteStore):
    """A store whose clock goes on only when the test says so; counts renewals."""

    def __init__(self, path: Path) -> None:
        self.now = 1_700_000_000.0
        self.renewed = threading.Event()
        super().__init__(path, clock=lambda: self.now)

    def renew(self, key: str, token: str, lease: float) -> bool:
        ours = super().renew(key, token, lease)
        self.renewed.set()
        return ours


@pytest.mark.parametrize("driver", ["sync", "async"])
@pytest.mark.parametrize("handler", ["sync", "async"])
def test_outliving_three_leases(tmp_path: Path, driver: str, handler: str) -> None:
    """A handler that takes over three leases keeps its claim all the while, and runs once."""
    runs: list[str | None] = []
    entered, leave = threading.Event(), threading.Event()
    store = Ticking(tmp_path / "store.db")

    def slow(event: Event) -> None:
        runs.append(event.id)
        entered.set()
        assert leave.wait(PATIENCE)

    async def slow_async(event: Event) -> None:
        await asyncio.to_thread(slow, event)

    receiver = receiver_on(store, slow if handler == "sync" else slow_async)
    replies: list[Reply] = []
    first = threading.Thread(target=lambda: replies.append(deliver(receiver, driver)))
    first.start()
    assert entered.wait(PATIENCE)
    for _ in range(10):
        store.renewed.clear()
        assert store.renewed.wait(PATIENCE)
        store.now += LEASE / 3
        assert receiver.receive(*request()).outcome == "busy"
    leave.set()
    first.join(PATIENCE)
    assert [reply.outcome for reply in replies] == ["handled"]
    assert runs == ["evt"]
    assert receiver.receive(*request()).outcome == "duplicate"
    store.close()


def test_renewed_at_a_third() -> None:
    """A running handler's claim is renewed about each third of its lease, neither more nor less."""
    store = Renewing()
    started = time.monotonic()
    receiver = receiver_on(store, lambda event: time.sleep(1.1 * LEASE))
    assert receiver.receive(*request()).outcome == "handled"
    assert store.renewals
    before = started
    for renewal in store.renewals:
        assert renewal - before >= LEASE / 3 * 0.99
        before = renewal


def test_a_store_that_hangs_costs_another_nothing() -> None:
    """While one store does not answer, the claims of another are renewed."""
    stuck, leave = threading.Event(), threading.Event()

    class Hanging(Renewing):
        def renew(self, key: str, token: str, lease: float) -> bool:
            stuck.set()
            assert leave.wait(PATIENCE)
            return super().renew(key, token, lease)

    healthy = Renewing()

    def wait(event: Event) -> None:
        assert leave.wait(PATIENCE)

    def renewed(event: Event) -> None:
        assert stuck.wait(PATIENCE)
        give_up = time.monotonic() + PATIENCE
        while len(healthy.renewals) < 3 and time.monotonic() < give_up:
            time.sleep(0.001)
        leave.set()

    first = threading.Thread(target=lambda: receiver_on(Hanging(), wait).receive(*request()))
    first.start()
    assert receiver_on(healthy, renewed).receive(*request()).outcome == "handled"
    first.join()
    assert len(healthy.renewals) >= 3


def test_renewals_of_a_slow_store_overlap() -> None:
    """A store that takes long to renew is asked for several leases at a time."""
    together = threading.Barrier(8)

    class Slow(Renewing):
        def renew(self, key: str, token: str, lease: float) -> bool:
            together.wait(PATIENCE)  # returns once eight renewals are under way
            return super().renew(key, token, lease)

    store = Slow()
    receiver = receiver_on(store, lambda event: wait_for(store, 8))
    threads = [
        threading.Thread(target=receiver.receive, args=request(f"evt{number}"))
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert not together.broken
    assert len(store.renewals) >= 8


def wait_for(store: Renewing, renewals: int) -> None:
    give_up = time.monotonic() + PATIENCE
    while len(store.renewals) < renewals and time.monotonic() < give_up:
        time.sleep(0.001)


def test_a_renewing_thread_that_cannot_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """A claim that no thread can renew is given back; the next one is renewed again."""
    store = Renewing()
    start = threading.Thread.start
    refused: list[str] = []

    def start_one_later(thread: threading.Thread) -> None:
        if not refused and thread.name.startswith("coffrify-webhooks-leases"):
            refused.append(thread.name)
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_one_later)
    receiver = receiver_on(store, lambda event: wait_for(store, 1))
    assert receiver.receive(*request()).outcome in ("unavailable", "failed")
    assert refused
    assert store.renewals == []
    assert receiver.receive(*request()).outcome == "handled"
    assert store.renewals


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_an_engines_event_stays_on_record_while_no_thread_can_keep_its_claim(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was acknowledged: if the engine loses its message too, only the record brings it back."""
    store: Store = MemoryStore() if kind == "memory" else SQLiteStore(tmp_path / "store.db")
    taken: list[dict[str, Any]] = []

    class Engine:
        def dispatch(self, message: dict[str, Any]) -> None:
            taken.append(message)

    handled: list[str | None] = []
    router = Router()

    @router.on("*", name="handler")
    def handle(event: Event) -> None:
        handled.append(event.id)

    receiver = Receiver(SECRET, router=router, store=store, dispatcher=Engine())
    assert receiver.receive(*request()).outcome == "queued"
    monkeypatch.setattr(leases, "_alarms_of", lambda _store: Alarms("leases"))
    with failing_thread(monkeypatch, 0) as asked, pytest.raises(NotBegun):
        receiver.execute(taken[0])
    assert asked == [True]
    record = store.get(KEY)
    assert record is not None
    assert (record.status, record.body) == ("queued", request()[0])
    assert handled == []
    assert receiver.execute(taken[0]) == "handled"
    assert handled == ["evt"]
    store.close()


def test_an_alarm_survives_whatever_another_raises() -> None:
    """An action that ends its thread, as `sys.exit` does, costs the other alarms nothing."""
    from coffrify_webhooks.concurrency.timers import Alarm, Alarms

    rung = threading.Event()
    alarms = Alarms("test")

    def leave() -> None:
        raise SystemExit

    alarms.set(Alarm(leave), 0.0)
    alarms.set(Alarm(rung.set), 0.01)
    assert rung.wait(PATIENCE)


def test_a_store_that_cannot_be_hashed() -> None:
    """A store that is no key for a dictionary has its claims renewed all the same."""

    class Odd(Renewing):
        __hash__ = None  # type: ignore[assignment]

    store = Odd()

    def act(event: Event) -> None:
        give_up = time.monotonic() + PATIENCE
        while not store.renewals and time.monotonic() < give_up:
            time.sleep(0.001)

    assert receiver_on(store, act).receive(*request()).outcome == "handled"
    assert store.renewals


def test_threads_that_nobody_needs_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that is no longer used leaves no thread behind, and the next claim starts one."""
    from coffrify_webhooks.concurrency import timers as alarms

    monkeypatch.setattr(alarms, "_IDLE", 0.05)
    store = Renewing()
    for event_id in ("one", "two"):
        receiver = receiver_on(store, lambda event: time.sleep(LEASE / 2))
        assert receiver.receive(*request(event_id)).outcome == "handled"
        give_up = time.monotonic() + PATIENCE
        while leases.alarms[store]._thread is not None and time.monotonic() < give_up:
            time.sleep(0.001)
        assert leases.alarms[store]._thread is None
    assert len(store.renewals) >= 2


def test_quick_handlers_are_not_renewed() -> None:
    """A handler that ends within a third of its lease costs no renewal."""
    store = Renewing()
    receiver = receiver_on(store, lambda event: None, lease=60)
    assert receiver.receive(*request()).outcome == "handled"
    assert store.renewals == []
    assert leases.alarms[store].waiting == set()


@pytest.mark.parametrize("error", [None, ValueError("no"), KeyboardInterrupt()], ids=repr)
def test_renewals_stop_with_the_handler(error: BaseException | None) -> None:
    """Once the handler returned or raised, nothing is renewed any more."""
    store = Renewing()
    renewed = threading.Event()

    def act(event: Event) -> None:
        while not store.renewals:
            renewed.wait(0.001)
        if error:
            raise error

    receiver = receiver_on(store, act)
    try:
        receiver.receive(*request())
    except KeyboardInterrupt:
        assert isinstance(error, KeyboardInterrupt)
    assert leases.alarms[store].waiting == set()
    count = len(store.renewals)
    time.sleep(LEASE)
    assert len(store.renewals) in (count, count + 1)  # one may have been under way
    if isinstance(error, KeyboardInterrupt):
        time.sleep(LEASE / 2)
        assert store.claim(KEY, "d", 60).status == "claimed"


@pytest.mark.parametrize("error", [StoreUnavailable("gone"), OSError("no")], ids=repr)
def test_renewal_that_fails_once(error: Exception) -> None:
    """A store that fails at a renewal is asked again before the lease is over."""
    store = Renewing()
    store.failing.append(error)
    outcomes: list[str] = []

    def act(event: Event) -> None:
        time.sleep(2.2 * LEASE)
        outcomes.append(receiver.receive(*request()).outcome)

    receiver = receiver_on(store, act)
    assert receiver.receive(*request()).outcome == "handled"
    assert outcomes == ["busy"]


@pytest.mark.parametrize("driver", ["sync", "async"])
def test_a_lost_claim_settles_and_renews_nothing(driver: str) -> None:
    """Whose claim was taken over is told `busy`; its settlement and renewals do nothing."""
    store = Renewing()

    def act(event: Event) -> None:
        store.forget(KEY)
        assert store.claim(KEY, "d", 60).status == "claimed"
        until = time.monotonic() + LEASE
        while time.monotonic() < until:
            time.sleep(0.01)

    receiver = receiver_on(store, act)
    reply = deliver(receiver, driver)
    assert (reply.status, reply.outcome) == (503, "busy")
    assert reply.error is not None
    assert reply.error.code == "claim_lost"
    assert len(store.renewals) == 1
    assert store.claim(KEY, "d", 60).status == "busy"


def test_lost_claim_stops_the_later_handlers() -> None:
    """After a claim was lost no further handler begins here: its heir runs them."""
    runs: list[str] = []
    store = MemoryStore()

    def act(event: Event) -> None:
        runs.append("first")
        store.forget(KEY)
        store.claim(KEY, "d", 60)

    receiver = receiver_on(store, act, lambda event: runs.append("second"))
    assert receiver.receive(*request()).outcome == "busy"
    assert runs == ["first"]


class Late(MemoryStore):
    """Answers a call only when its lease has passed, and another has handled the event."""

    def __init__(self, method: str) -> None:
        super().__init__()
        self.method = method
        self.meanwhile: Callable[[], object] = bool

    def claim(self, *arguments: Any, **options: Any) -> Any:
        return self._late("claim", super().claim(*arguments, **options))

    def lock(self, *arguments: Any, **options: Any) -> Any:
        return self._late("lock", super().lock(*arguments, **options))

    def _late(self, method: str, answer: Any) -> Any:
        if method == self.method:
            self.method = ""
            time.sleep(LEASE)
            self.meanwhile()
        return answer


class Engine:
    """Keeps what it is handed."""

    def __init__(self) -> None:
        self.messages: list[Any] = []

    def dispatch(self, message: Any) -> None:
        self.messages.append(message)


@pytest.mark.parametrize("driver", ["sync", "async", "worker"])
@pytest.mark.parametrize("method", ["claim", "lock"])
def test_no_handler_begins_on_a_claim_that_was_lost_on_the_way(method: str, driver: str) -> None:
    """A store may answer after the lease has ended: whoever handled the event since is believed."""
    runs: list[str] = []
    store = Late(method)
    router = Router()
    options: dict[str, Any] = (
        {"key": lambda event: 1, "order": "serial"} if method == "lock" else {}
    )

    @router.on("*", **options)
    def act(event: Event) -> None:
        runs.append(event.id or "")

    engine = Engine() if driver == "worker" else None
    receiver, other = (
        Receiver(SECRET, router=router, store=store, lease=LEASE, dispatcher=engine)
        for _ in range(2)
    )
    if engine is not None:
        store.method = ""
        assert receiver.receive(*request()).outcome == "queued"
        store.method = method
        store.meanwhile = lambda: other.execute(engine.messages[0])
        with pytest.raises(ClaimLost):
            receiver.execute(engine.messages[0])
    else:
        store.meanwhile = lambda: other.receive(*request())
        reply = deliver(receiver, driver)
        assert reply.error is not None
        assert (reply.status, reply.error.code) == (503, "claim_lost")
    assert runs == ["evt"]
    assert other.receive(*request()).outcome == "duplicate"


def test_failing_after_the_claim_was_lost() -> None:
    """A handler that fails after it lost its claim does not free the event for a third."""
    store = MemoryStore()

    def act(event: Event) -> None:
        store.forget(KEY)
        store.claim(KEY, "d", 60)
        raise ValueError

    receiver = receiver_on(store, act)
    assert receiver.receive(*request()).outcome == "failed"
    assert store.claim(KEY, "d", 60).status == "busy"


def test_many_handlers_at_once() -> None:
    """Thirty slow handlers of thirty events all keep their claims."""
    store = MemoryStore()
    gate = threading.Barrier(31)

    def act(event: Event) -> None:
        gate.wait(PATIENCE)
        gate.wait(PATIENCE)

    lease = 1.0  # thirty threads on a busy machine: a third of it is long enough to renew
    receiver = receiver_on(store, act, lease=lease)
    outcomes: list[str] = []

    def work(number: int) -> None:
        outcomes.append(receiver.receive(*request(f"evt{number}")).outcome)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(30)]
    for thread in threads:
        thread.start()
    gate.wait(PATIENCE)
    time.sleep(1.5 * lease)
    statuses = {store.claim(key_of("default", f"evt{n}"), "d", 60).status for n in range(30)}
    gate.wait(PATIENCE)
    for thread in threads:
        thread.join(PATIENCE)
    assert statuses == {"busy"}
    assert outcomes == ["handled"] * 30


def test_an_endless_lease_harms_no_event() -> None:
    """A lease longer than any thread can wait harms neither its own event nor later ones."""
    endless = receiver_on(MemoryStore(), lambda event: time.sleep(0.02), lease=1e14)
    assert endless.receive(*request()).outcome == "handled"
    test_renewal_that_fails_once(OSError())


@pytest.mark.parametrize("failing", [False, True], ids=["finishing", "failing"])
def test_many_short_handlers_in_a_row(*, failing: bool) -> None:
    """Handlers that are each quicker than a third of the lease, and together longer, keep it."""
    store = MemoryStore()
    statuses: list[str] = []

    def short(event: Event) -> None:
        time.sleep(0.28 * LEASE)
        if failing:
            raise ValueError

    def last(event: Event) -> None:
        statuses.append(store.claim(KEY, "d", 60).status)

    receiver = receiver_on(store, *(_named(short) for _ in range(5)), last)
    receiver.receive(*request())
    assert statuses == ["busy"]


def _named(handler: Callable[[Event], Any]) -> Callable[[Event], Any]:
    def same(event: Event) -> None:
        handler(event)

    return same
