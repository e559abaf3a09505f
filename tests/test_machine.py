"""The pipeline against a model of what is promised: a driver that can stop at any effect.

Several deliveries are under way at once; each is stepped effect by effect. A step may be performed
or not, answered or lost, and its process may crash before or after it. The clock moves, leases end,
handlers fail, ids come back with other bodies. The model knows of each event who holds it, until
when, and which finishes are recorded; the pipeline and the store must agree with it, exactly.
"""

import json
import tempfile
from collections.abc import Generator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.budgets import budget

from coffrify_webhooks import Claim, Event, Receiver, Reply, Router, Store, StoreUnavailable, sign
from coffrify_webhooks.pipeline.effects import CallHandler, Effect, Notify, StoreCall
from coffrify_webhooks.pipeline.identity import conflict_key, key_of
from coffrify_webhooks.pipeline.receive import receive
from coffrify_webhooks.stores import Filter
from coffrify_webhooks.stores.memory import MemoryStore
from coffrify_webhooks.stores.sqlite import SQLiteStore

SECRET = "whsec_" + "ab" * 16
LEASE = 60.0
RETENTION = 30 * 86_400.0
HANDLERS = ("a", "b", "c")
IDS = ("evt_1", "evt_2", "evt_nobody")
"""The last one is of a type that no handler wants."""


@dataclass(eq=False)
class Flight:
    """One delivery under way."""

    steps: Generator[Effect, Any, Reply]
    event: "Known"
    digest: str
    effect: Effect | None = None
    running: bool = False
    """Whether its handler has begun and not ended."""
    token: str = ""
    refused: str = ""
    """What its claim was answered, if not "claimed"."""
    fell_out: bool = False
    """Whether it was told that its claim is another's."""
    store_failed: bool = False
    handler_failed: bool = False
    reply: Reply | None = None


@dataclass
class Known:
    """What the model knows of one event."""

    id: str
    holder: Flight | None = None
    until: float = 0.0
    failed: bool = False
    """Whether a failed attempt is on record."""
    recorded: set[str] = field(default_factory=set)
    done: str | None = None
    """The digest of the body that was handled."""
    completed: set[str] = field(default_factory=set)
    """Handlers that have run to their end, ever."""
    buried: set[str] = field(default_factory=set)

    @property
    def wanted(self) -> tuple[str, ...]:
        return () if self.id == "evt_nobody" else HANDLERS


class Machine(RuleBasedStateMachine):
    """Deliveries, duplicates, failures, crashes, and a clock, on a store in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_700_000_000.0
        self.store = self.make_store()
        router = Router()
        for name in HANDLERS:
            router.on("test.thing", name=name, allow_unknown=True)(_never_called)
        self.receiver = Receiver(
            SECRET, router=router, store=self.store, lease=LEASE, clock=self.clock
        )
        self.receiver.purge_schedule._next = float("inf")  # purging is a rule here
        self.receiver.drifts._allowed = float("-inf")  # no call but those of the event
        self.events = {event_id: Known(event_id) for event_id in IDS}
        self.by_key = {key_of("default", event_id): self.events[event_id] for event_id in IDS}
        self.flights: list[Flight] = []
        self.wrecks: list[Flight] = []
        """Crashed ones, kept so that nothing of them runs, not even on garbage collection."""

    def make_store(self) -> Store:
        return MemoryStore(clock=self.clock)

    def letters(self) -> set[tuple[str, str]]:
        found = self.store.find(Filter(statuses=("conflict",)), limit=1000)
        return {(record.key, record.digest) for record in found}

    def clock(self) -> float:
        return self.now

    # --- what may happen ----------------------------------------------------------------------

    @precondition(lambda self: len(self.flights) < 4)
    @rule(event_id=st.sampled_from((IDS[0], *IDS)), variant=st.sampled_from([0, 0, 0, 1]))
    def deliver(self, event_id: str, variant: int) -> None:
        """The sender delivers an event, perhaps again, perhaps with another body."""
        self.begin(event_id, variant)

    def begin(self, event_id: str, variant: int) -> Flight:
        kind = "test.nobody" if event_id == "evt_nobody" else "test.thing"
        body = json.dumps({"id": event_id, "type": kind, "variant": variant}).encode()
        steps = receive(self.receiver, body, sign(body, SECRET, timestamp=self.now), "POST")
        flight = Flight(steps, self.events[event_id], sha256(body).hexdigest())
        flight.effect = next(steps)
        self.flights.append(flight)
        return flight

    @precondition(lambda self: self.flights)
    @rule(data=st.data(), count=st.integers(1, 5))
    def step(self, data: st.DataObject, count: int) -> None:
        """One delivery goes some steps forward; all goes well."""
        flight = data.draw(st.sampled_from(self.flights), label="flight")
        for _ in range(count):
            if flight.reply is None:
                self.forward(flight)

    @precondition(lambda self: any(f.event.holder is f for f in self.flights))
    @rule(data=st.data(), count=st.integers(2, 10))
    def overtake(self, data: st.DataObject, count: int) -> None:
        """A delivery stalls until its lease has ended, and a retry takes the event over."""
        holders = [flight for flight in self.flights if flight.event.holder is flight]
        stalled = data.draw(st.sampled_from(holders), label="flight")
        self.now += LEASE
        heir = self.begin(stalled.event.id, 0)
        for _ in range(count):
            if heir.reply is None:
                self.forward(heir)

    @precondition(lambda self: self.flights)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        """One delivery goes on to its reply; all goes well."""
        flight = data.draw(st.sampled_from(self.flights), label="flight")
        while flight.reply is None:
            self.forward(flight)

    @precondition(lambda self: any(flight.running for flight in self.flights))
    @rule(data=st.data())
    def handler_fails(self, data: st.DataObject) -> None:
        """A handler that is running raises."""
        running = [flight for flight in self.flights if flight.running]
        flight = data.draw(st.sampled_from(running), label="flight")
        flight.running = False
        flight.handler_failed = True
        self.send(flight, ValueError("a handler"))

    @precondition(lambda self: any(isinstance(f.effect, StoreCall) for f in self.flights))
    @rule(data=st.data(), performed=st.booleans(), known=st.booleans())
    def store_fails(self, data: st.DataObject, *, performed: bool, known: bool) -> None:
        """The store does not answer, having done what it was asked, or not."""
        asking = [flight for flight in self.flights if isinstance(flight.effect, StoreCall)]
        flight = data.draw(st.sampled_from(asking), label="flight")
        assert isinstance(flight.effect, StoreCall)
        if performed:
            self.ask(flight, flight.effect)
        flight.store_failed = True
        self.throw(flight, StoreUnavailable("no answer") if known else OSError("no answer"))

    @precondition(lambda self: self.flights)
    @rule(data=st.data(), performed=st.booleans(), closed=st.booleans())
    def crash(self, data: st.DataObject, *, performed: bool, closed: bool) -> None:
        """The process dies, before or after its effect: nothing of it happens any more.

        Nor does anything happen if only its driver gives up, and the steps are closed.
        """
        flight = data.draw(st.sampled_from(self.flights), label="flight")
        if performed and isinstance(flight.effect, StoreCall):
            self.ask(flight, flight.effect)
        elif performed and isinstance(flight.effect, CallHandler):
            if not flight.running:
                self.enter(flight, flight.effect)
            flight.event.completed.add(flight.effect.handler.name)
        flight.running = False
        self.flights.remove(flight)
        if closed:
            flight.steps.close()
        else:
            self.wrecks.append(flight)

    @precondition(lambda self: any(flight.running for flight in self.flights))
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        """The lease of a running handler is renewed, if it is still its own."""
        running = [flight for flight in self.flights if flight.running]
        flight = data.draw(st.sampled_from(running), label="flight")
        key = key_of("default", flight.event.id)
        ours = flight.event.holder is flight
        assert self.store.renew(key, flight.token, LEASE) is ours
        if ours:
            flight.event.until = self.now + LEASE

    @rule(seconds=st.sampled_from([1.0, 30.0, 59.0, 60.0, 60.0, 3600.0]))
    def wait(self, seconds: float) -> None:
        """Time passes, and old events are purged; none here is old enough."""
        self.now += seconds
        assert self.store.purge(RETENTION) == 0

    @rule(event_id=st.sampled_from(IDS))
    def forget(self, event_id: str) -> None:
        """An event is forgotten by hand: whoever holds it is cut off, and it is new again."""
        known = self.events[event_id]
        there = bool(known.holder or known.recorded or known.done or known.failed)
        assert self.receiver.forget(event_id) is there
        known.holder = None
        known.recorded = set()
        known.done = None
        known.failed = False

    # --- performing ---------------------------------------------------------------------------

    def forward(self, flight: Flight) -> None:
        """Perform the flight's effect, and go on to its next."""
        match flight.effect:
            case StoreCall() as effect:
                self.send(flight, self.ask(flight, effect))
            case CallHandler() as effect if not flight.running:
                self.enter(flight, effect)
            case CallHandler() as effect:
                flight.running = False
                flight.event.completed.add(effect.handler.name)
                self.send(flight, None)
            case Notify():
                self.send(flight, None)
            case other:
                raise AssertionError(other)

    def send(self, flight: Flight, answer: Any) -> None:
        try:
            flight.effect = flight.steps.send(answer)
        except StopIteration as stop:
            self.land(flight, stop.value)

    def throw(self, flight: Flight, error: Exception) -> None:
        try:
            flight.effect = flight.steps.throw(error)
        except StopIteration as stop:
            self.land(flight, stop.value)

    def ask(self, flight: Flight, effect: StoreCall) -> Any:
        """Ask the store, and check that its answer is the one that the model expects."""
        answer = getattr(self.store, effect.method)(*effect.arguments)
        known = flight.event
        if effect.method == "conflict":
            known.buried.add(flight.digest)
            return answer
        assert known is self.by_key[effect.arguments[0]]
        if effect.method == "claim":
            self.claimed(flight, answer)
        else:
            assert effect.arguments[1] == flight.token
            ours = known.holder is flight
            assert answer is ours, "whoever was cut off can do nothing, whoever holds it can"
            flight.fell_out = flight.fell_out or not ours
            if ours:
                self.settled(known, effect)
        return answer

    def claimed(self, flight: Flight, claim: Claim) -> None:
        known = flight.event
        if known.done is not None:
            expected = "done" if known.done == flight.digest else "conflict"
        elif known.holder is not None and known.until > self.now:
            expected = "busy"
        else:
            expected = "claimed"
        assert claim.status == expected
        if expected == "claimed":
            assert claim.finished == known.recorded
            flight.token = claim.token
            known.holder, known.until = flight, self.now + LEASE
        else:
            flight.refused = expected

    def settled(self, known: Known, effect: StoreCall) -> None:
        if effect.method == "checkpoint":
            known.recorded.add(effect.arguments[2])
            return
        if effect.method == "done":
            assert known.holder is not None
            known.done = known.holder.digest
            known.failed = False
            known.recorded = set(known.wanted)
        else:
            assert effect.method in ("release", "failed")
            known.failed = known.failed or effect.method == "failed"
        known.holder = None

    def enter(self, flight: Flight, call: CallHandler) -> None:
        """A handler begins."""
        known = flight.event
        assert flight.token, "no handler runs without a claim"
        assert not flight.fell_out, "no handler begins once the claim is known to be another's"
        if known.holder is flight:
            assert call.handler.name not in known.recorded, "its finish was recorded"
            for other in self.flights:
                held = other.event is known and other.running
                assert not held or other is not known.holder, "two runs while the lease is held"
        flight.running = True

    def land(self, flight: Flight, reply: Reply) -> None:
        """A reply: it must say what happened, and a 2xx only when nothing can be lost."""
        flight.reply = reply
        flight.effect = None
        self.flights.remove(flight)
        known = flight.event
        if reply.status == 200:
            if reply.outcome == "ignored":
                assert known.wanted == ()
            else:
                assert known.completed.issuperset(known.wanted)
                assert known.wanted
        match reply.outcome:
            case "handled":
                assert not flight.handler_failed
                assert not flight.store_failed
                assert not flight.fell_out
            case "ignored":
                assert not flight.handler_failed
                assert known.holder is not flight
            case "duplicate":
                assert flight.refused == "done"
            case "conflict":
                assert flight.refused == "conflict"
                assert flight.digest in known.buried
            case "busy":
                assert flight.refused == "busy" or flight.fell_out
            case "failed":
                assert flight.handler_failed
                assert known.holder is not flight or flight.store_failed
            case "unavailable":
                assert flight.store_failed
            case other:
                raise AssertionError(other)

    # --- always, and at the end ---------------------------------------------------------------

    @invariant()
    def dead_letters_are_the_conflicts(self) -> None:
        """A body is a dead letter exactly if it came in conflict."""
        expected = {
            (conflict_key(key_of("default", known.id), digest), digest)
            for known in self.events.values()
            for digest in known.buried
        }
        assert self.letters() == expected

    def teardown(self) -> None:
        """Whatever happened, once leases have ended a retry gets each event to its end."""
        try:
            for flight in list(self.flights):
                flight.steps.close()
            self.flights.clear()
            self.now += LEASE
            for known in self.events.values():
                flight = self.begin(known.id, 0)
                while flight.reply is None:
                    self.forward(flight)
                expected = {"handled"} if known.wanted else {"ignored"}
                if flight.refused:
                    expected = {"duplicate", "conflict"}
                assert flight.reply.outcome in expected
        finally:
            for wreck in self.wrecks:
                wreck.steps.close()
            self.store.close()
            self.clean()

    def clean(self) -> None:
        """Let go of what the store needed."""


class SQLiteMachine(Machine):
    """The same on a file, opened anew after each crash."""

    def make_store(self) -> Store:
        self.folder = tempfile.TemporaryDirectory()
        return SQLiteStore(Path(self.folder.name) / "store.db", clock=self.clock)

    @rule()
    def reopen(self) -> None:
        """The process starts again: the file knows what the old connection knew."""
        self.store.close()

    def clean(self) -> None:
        self.folder.cleanup()


def _never_called(event: Event) -> None:
    raise AssertionError("the machine is the driver; it calls no handler")


TestMemory = Machine.TestCase
TestMemory.settings = settings(
    max_examples=budget(20, 120), stateful_step_count=50, deadline=None, derandomize=True
)
TestSQLite = SQLiteMachine.TestCase
TestSQLite.settings = settings(
    max_examples=budget(8, 50), stateful_step_count=50, deadline=None, derandomize=True
)
