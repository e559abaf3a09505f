"""Replays: an event that failed is handled again, from the body that the store kept."""

from collections.abc import Callable
from typing import Any

import pytest

from coffrify_webhooks import Event, Receiver, Router, sign
from coffrify_webhooks.errors import Busy, HandlerError, NotReplayable
from coffrify_webhooks.pipeline.identity import key_of
from coffrify_webhooks.stores import Filter, Record
from coffrify_webhooks.stores.memory import MemoryStore

SECRET = "whsec_" + "ab" * 32
KEY = key_of("default", "evt_1")


class Rig:
    """A receiver with two handlers, of which `two` fails while `broken` is set."""

    def __init__(self, **options: Any) -> None:
        self.runs: list[str] = []
        self.events: list[Event] = []
        self.broken: Exception | None = ValueError("hush")
        self.store = MemoryStore()
        self.router = Router()
        self.router.on("ping", name="one")(self.one)
        self.router.on("ping", name="two")(self.two)
        self.options = {"store": self.store, "router": self.router, **options}
        self.receiver = Receiver(SECRET, **self.options)

    def one(self, event: Event) -> None:
        self.runs.append("one")

    def two(self, event: Event) -> None:
        self.runs.append("two")
        self.events.append(event)
        if self.broken:
            raise self.broken

    def deliver(self, body: bytes = b'{"id": "evt_1", "type": "ping"}') -> str:
        return self.receiver.receive(body, sign(body, SECRET, id="evt_1")).outcome

    @property
    def record(self) -> Record:
        record = self.store.get(KEY)
        assert record is not None
        return record


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_a_failure_is_on_record(rig: Rig) -> None:
    """A failed event is kept with its body, and the reason says who, what and where, no more."""
    assert rig.deliver() == "failed"
    record = rig.record
    assert (record.status, record.attempts) == ("failed", 1)
    assert record.finished == {"one"}
    assert record.error.startswith("two raised ValueError at test_replay.py:")
    assert "hush" not in record.error
    assert record.body == b'{"id": "evt_1", "type": "ping"}'


def test_all_that_failed_are_named(rig: Rig) -> None:
    """Where several handlers raise, the record names each."""

    @rig.router.on("ping", name="three")
    def three(event: Event) -> None:
        raise KeyError

    rig.deliver()
    assert "two raised ValueError" in rig.record.error
    assert "three raised KeyError" in rig.record.error


@pytest.mark.parametrize("by", ["id", "record"])
def test_a_replay_runs_only_what_has_not_finished(rig: Rig, by: str) -> None:
    """A replay runs only what has not finished, on the very body, and settles the event."""
    rig.deliver()
    rig.broken = None
    assert rig.receiver.replay("evt_1" if by == "id" else rig.record) == "handled"
    assert rig.runs == ["one", "two", "two"]
    assert rig.events[1].raw == rig.events[0].raw
    assert (rig.record.status, rig.record.body) == ("done", None)
    assert rig.deliver() == "duplicate"


def test_a_replay_that_fails_again(rig: Rig) -> None:
    """It raises, and the event stays on record with its new error and its body."""
    rig.deliver()
    rig.broken = RuntimeError("hush")
    with pytest.raises(HandlerError):
        rig.receiver.replay("evt_1")
    record = rig.record
    assert (record.status, record.attempts) == ("failed", 2)
    assert "RuntimeError" in record.error
    assert record.body


@pytest.mark.parametrize("status", ["dead", "failed"])
def test_the_dead_stay_dead(rig: Rig, status: str) -> None:
    """A dead event that fails again is dead, one that the sender still has is failed."""
    rig.deliver()
    token = rig.store.claim(KEY, rig.record.digest, 60).token
    getattr(rig.store, status)(KEY, token, "why")
    with pytest.raises(HandlerError):
        rig.receiver.replay("evt_1")
    assert rig.record.status == status


def test_what_was_handled_cannot_be_replayed(rig: Rig) -> None:
    """The body of a handled event is not kept; the error says what to do."""
    rig.broken = None
    rig.deliver()
    with pytest.raises(NotReplayable, match="forget the event"):
        rig.receiver.replay("evt_1")


def test_the_unknown_cannot_be_replayed(rig: Rig) -> None:
    """An event that never came is no event."""
    with pytest.raises(NotReplayable, match="does not know"):
        rig.receiver.replay("evt_1")


def test_no_bodies_kept() -> None:
    """With keep_body=0 no body is in the store, and so there is nothing to replay."""
    rig = Rig(keep_body=0)
    rig.deliver()
    assert rig.record.body is None
    with pytest.raises(NotReplayable):
        rig.receiver.replay("evt_1")


@pytest.mark.parametrize(("limit", "kept"), [(30, False), (31, True)])
def test_bodies_up_to_a_size(limit: int, *, kept: bool) -> None:
    """keep_body is the size up to which bodies are kept."""
    rig = Rig(keep_body=limit)
    assert len(b'{"id": "evt_1", "type": "ping"}') == 31
    rig.deliver()
    assert (rig.record.body is not None) is kept


def test_what_is_being_handled_is_busy(rig: Rig) -> None:
    """An event whose handlers run right now is left to them."""
    rig.deliver()
    rig.store.claim(KEY, rig.record.digest, 60)
    with pytest.raises(Busy):
        rig.receiver.replay("evt_1")


def test_a_delivery_during_a_replay_is_busy(rig: Rig) -> None:
    """The sender hears 503 while a replay runs: it may fail, or be killed."""
    rig.deliver()
    rig.broken = None
    heard: list[str] = []

    @rig.router.on("ping", name="meanwhile")
    def meanwhile(event: Event) -> None:
        heard.append(rig.deliver())

    assert rig.receiver.replay("evt_1") == "handled"
    assert heard == ["busy"]


def test_a_conflict_that_is_being_handled_is_busy(rig: Rig) -> None:
    """Two replays of one conflict at once: the second is told that it is being handled."""
    rig.broken = None
    rig.deliver()
    rig.deliver(b'{"id": "evt_1", "type": "ping", "data": 2}')
    (conflict,) = rig.store.find(Filter(statuses=("conflict",)))
    heard: list[str] = []

    @rig.router.on("ping", name="meanwhile")
    def meanwhile(event: Event) -> None:
        with pytest.raises(Busy):
            rig.receiver.replay(conflict)
        heard.append("busy")

    assert rig.receiver.replay(conflict) == "handled"
    assert heard == ["busy"]


def test_nobody_wants_it(rig: Rig) -> None:
    """Without a handler for it a replay is ignored, and the record stays as it was."""
    rig.deliver()
    before = rig.record
    other = Router()
    other.on("transfer.created")(lambda event: None)
    receiver = Receiver(SECRET, store=rig.store, router=other)
    assert receiver.replay("evt_1") == "ignored"
    assert rig.record == before


def test_replay_of_a_conflict(rig: Rig) -> None:
    """The other body of a handled event is run when asked for, and counts from then on."""
    rig.broken = None
    rig.deliver()
    other = b'{"id": "evt_1", "type": "ping", "data": 2}'
    assert rig.deliver(other) == "conflict"
    (conflict,) = rig.store.find(Filter(statuses=("conflict",)))
    assert rig.receiver.replay(conflict) == "handled"
    assert rig.runs == ["one", "two", "one", "two"]
    assert rig.deliver(other) == "duplicate"
    assert rig.store.stats() == {"done": 1}
    assert rig.deliver() == "conflict"


def test_a_delivery_goes_along(rig: Rig) -> None:
    """A handler that takes the delivery is given what was verified of the first."""
    from coffrify_webhooks import Delivery

    seen: list[Delivery] = []

    @rig.router.on("ping", name="three")
    def three(event: Event, delivery: Delivery) -> None:
        seen.append(delivery)

        if rig.broken:
            raise rig.broken

    rig.deliver()
    rig.broken = None
    assert rig.receiver.replay("evt_1") == "handled"
    first, again = seen
    assert (again.id, again.scheme, again.timestamp) == ("evt_1", "standard", first.timestamp)
    assert (again.key, again.encoding, again.test) == (first.key, first.encoding, first.test)
    assert again.body == first.body


def test_replay_through_an_engine() -> None:
    """With a dispatcher a replay hands the event over, and a worker handles it."""
    messages: list[dict[str, Any]] = []

    class Engine:
        def dispatch(self, message: dict[str, Any]) -> None:
            messages.append(message)

    rig = Rig(dispatcher=Engine())
    assert rig.deliver() == "queued"
    worker = Receiver(SECRET, store=rig.store, router=rig.router)
    with pytest.raises(HandlerError):
        worker.execute(messages[0])
    assert (rig.record.status, rig.record.attempts) == ("queued", 1)
    assert "two raised ValueError" in rig.record.error
    rig.broken = None
    assert rig.receiver.replay("evt_1") == "queued"
    assert worker.execute(messages[1]) == "handled"
    assert rig.runs == ["one", "two", "two"]
    assert worker.execute(messages[0]) == "duplicate"


@pytest.mark.parametrize(
    "make",
    [lambda: Rig(keep_body=-1), lambda: Rig(keep_body="1"), lambda: Rig(keep_body=True)],
    ids=["negative", "text", "flag"],
)
def test_keep_body_is_a_size(make: Callable[[], Rig]) -> None:
    """A size that is none is refused at once."""
    from coffrify_webhooks import ConfigurationError

    with pytest.raises(ConfigurationError, match="keep_body"):
        make()
