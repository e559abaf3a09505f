"""Order per object against a model: deliveries that are stepped, lost and crashed in any sequence.

Two objects, some versions of each, a handler that wants only the latest and one in series. Each
delivery is stepped effect by effect; its process may die before or after any of them, the store may
not answer, the clock may pass the end of a lease. The model knows which lock is held, and what has
run. No two runs of a handler for one object overlap while their locks are held, and none under
"latest" is for something older than what has run, or was begun by a process that died.
"""

import json
from collections import defaultdict
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from tests.budgets import budget

from coffrify_webhooks import Event, Receiver, Reply, Router, StoreUnavailable, sign
from coffrify_webhooks.pipeline.effects import CallHandler, Effect, StoreCall
from coffrify_webhooks.pipeline.receive import receive
from coffrify_webhooks.stores.memory import MemoryStore

SECRET = "whsec_" + "ab" * 16
LEASE = 60.0
OBJECTS = ("a", "b")
VERSIONS = 4


@dataclass(eq=False)
class Flight:
    """One delivery under way."""

    steps: Generator[Effect, Any, Reply]
    thing: str
    version: int
    effect: Effect | None = None
    running: bool = False
    locks: dict[str, tuple[str, float]] = field(default_factory=dict)
    """By the handler's name: its token, and until when it is surely held."""
    reply: Reply | None = None


class Machine(RuleBasedStateMachine):
    """Deliveries of few objects, out of order, on a store in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_700_000_000.0
        self.store = MemoryStore(clock=lambda: self.now)
        router = Router()
        options: dict[str, Any] = {"key": lambda event: event.data["id"]}
        newer: dict[str, Any] = {"version": lambda event: event.data["v"]}
        router.on("*", name="latest", order="latest", **options, **newer)(_never_called)
        router.on("*", name="serial", order="serial", **options)(_never_called)
        self.receiver = Receiver(
            SECRET, router=router, store=self.store, lease=LEASE, clock=lambda: self.now
        )
        self.receiver.purge_schedule._next = float("inf")
        self.flights: list[Flight] = []
        self.wrecks: list[Flight] = []
        self.finished: dict[str, int] = defaultdict(lambda: -1)
        """Of each object, the newest that `latest` has run to its end under its lock."""
        self.begun: dict[str, set[int]] = defaultdict(set)
        """What it was in when its process died."""
        self.handled: dict[str, set[int]] = defaultdict(set)

    # --- what may happen ----------------------------------------------------------------------

    @precondition(lambda self: len(self.flights) < 4)
    @rule(thing=st.sampled_from("aaaaaab"), version=st.integers(0, VERSIONS - 1))
    def deliver(self, thing: str, version: int) -> None:
        self.begin(thing, version)

    def begin(self, thing: str, version: int) -> Flight:
        event = {"id": f"{thing}_{version}", "type": "x.y", "data": {"id": thing, "v": version}}
        body = json.dumps(event).encode()
        steps = receive(self.receiver, body, sign(body, SECRET, timestamp=self.now), "POST")
        flight = Flight(steps, thing, version)
        flight.effect = next(steps)
        self.flights.append(flight)
        return flight

    @precondition(lambda self: self.flights)
    @rule(data=st.data(), count=st.integers(1, 8))
    def step(self, data: st.DataObject, count: int) -> None:
        flight = data.draw(st.sampled_from(self.flights), label="flight")
        for _ in range(count):
            if flight.reply is None:
                self.forward(flight)

    @precondition(lambda self: self.flights)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        flight = data.draw(st.sampled_from(self.flights), label="flight")
        while flight.reply is None:
            self.forward(flight)

    @precondition(lambda self: any(not flight.running for flight in self.flights))
    @rule(data=st.data())
    def enter_handler(self, data: st.DataObject) -> None:
        """One delivery goes on until its handler has begun, or to its reply."""
        waiting = [flight for flight in self.flights if not flight.running]
        flight = data.draw(st.sampled_from(waiting), label="flight")
        while flight.reply is None and not flight.running:
            self.forward(flight)

    @precondition(lambda self: any(flight.running for flight in self.flights))
    @rule(data=st.data(), ended=st.booleans())
    def die_in_handler(self, data: st.DataObject, *, ended: bool) -> None:
        """The process dies in a handler, or when that has ended; then its lease is over."""
        running = [flight for flight in self.flights if flight.running]
        flight = data.draw(st.sampled_from(running), label="flight")
        if ended:
            self.forward(flight)
        if flight.reply is None:
            self.die(flight, performed=False)
        self.now += LEASE + 1

    @precondition(lambda self: any(flight.running for flight in self.flights))
    @rule(data=st.data())
    def handler_fails(self, data: st.DataObject) -> None:
        """It raises: nothing is moved, and what it had begun before is over too."""
        running = [flight for flight in self.flights if flight.running]
        flight = data.draw(st.sampled_from(running), label="flight")
        flight.running = False
        if self.holds(flight, "latest") and self.handler(flight) == "latest":
            self.begun[flight.thing].discard(flight.version)
        self.send(flight, ValueError("a handler"))

    @precondition(lambda self: any(isinstance(f.effect, StoreCall) for f in self.flights))
    @rule(data=st.data(), performed=st.booleans())
    def store_fails(self, data: st.DataObject, *, performed: bool) -> None:
        """The store does not answer, having done what it was asked, or not."""
        asking = [flight for flight in self.flights if isinstance(flight.effect, StoreCall)]
        flight = data.draw(st.sampled_from(asking), label="flight")
        assert isinstance(flight.effect, StoreCall)
        if performed:
            self.ask(flight, flight.effect)
        try:
            flight.effect = flight.steps.throw(StoreUnavailable("no answer"))
        except StopIteration as stop:
            self.land(flight, stop.value)

    @precondition(lambda self: self.flights)
    @rule(data=st.data(), performed=st.booleans())
    def crash(self, data: st.DataObject, *, performed: bool) -> None:
        """The process dies, before or after its effect."""
        flight = data.draw(st.sampled_from(self.flights), label="flight")
        self.die(flight, performed=performed)

    def die(self, flight: Flight, *, performed: bool) -> None:
        effect = flight.effect
        if performed and isinstance(effect, StoreCall):
            self.ask(flight, effect)
        elif isinstance(effect, CallHandler):
            if performed and not flight.running:
                self.enter(flight, effect)
            if flight.running and effect.handler.name == "latest" and self.holds(flight, "latest"):
                self.begun[flight.thing].add(flight.version)
        self.flights.remove(flight)
        self.wrecks.append(flight)

    @precondition(lambda self: any(flight.running for flight in self.flights))
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        """The lock of a running handler is renewed, if it is still its own."""
        running = [flight for flight in self.flights if flight.running]
        flight = data.draw(st.sampled_from(running), label="flight")
        assert isinstance(flight.effect, CallHandler)
        move, name = flight.effect.move, flight.effect.handler.name
        assert move is not None
        if self.store.renew_lock(move.mark, move.token, LEASE):
            flight.locks[name] = move.token, self.now + LEASE
        self.store.renew(flight.effect.key or "", flight.effect.token, LEASE)

    @rule(seconds=st.sampled_from([1.0, 30.0, 59.0, 60.0, 61.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    # --- performing ---------------------------------------------------------------------------

    def forward(self, flight: Flight) -> None:
        match flight.effect:
            case StoreCall() as effect:
                self.send(flight, self.ask(flight, effect))
            case CallHandler() as effect if not flight.running:
                self.enter(flight, effect)
            case CallHandler():
                self.leave(flight)
                self.send(flight, None)
            case _:
                self.send(flight, None)

    def send(self, flight: Flight, answer: Any) -> None:
        try:
            flight.effect = flight.steps.send(answer)
        except StopIteration as stop:
            self.land(flight, stop.value)

    def ask(self, flight: Flight, effect: StoreCall) -> Any:
        answer = getattr(self.store, effect.method)(*effect.arguments)
        if effect.method == "lock" and answer is not None:
            flight.locks["asked"] = answer.token, self.now + LEASE
        return answer

    def handler(self, flight: Flight) -> str:
        assert isinstance(flight.effect, CallHandler)
        return flight.effect.handler.name

    def holds(self, flight: Flight, name: str) -> bool:
        return name in flight.locks and flight.locks[name][1] > self.now

    def enter(self, flight: Flight, call: CallHandler) -> None:
        """A handler begins."""
        name = call.handler.name
        flight.running = True
        flight.locks[name] = flight.locks.pop("asked")
        if not self.holds(flight, name):
            return  # it was suspended beyond its lease
        for other in self.flights:
            if other is not flight and other.running and other.thing == flight.thing:
                assert self.handler(other) != name or not self.holds(other, name), "two at once"
        if name == "latest":
            reached = max(self.finished[flight.thing], *self.begun[flight.thing], -1)
            assert flight.version >= reached, "it ran backwards"

    def leave(self, flight: Flight) -> None:
        """A handler has run to its end."""
        name = self.handler(flight)
        flight.running = False
        if name == "serial":
            self.handled[flight.thing].add(flight.version)
        elif self.holds(flight, name):
            self.finished[flight.thing] = max(self.finished[flight.thing], flight.version)

    def land(self, flight: Flight, reply: Reply) -> None:
        flight.reply = reply
        flight.effect = None
        self.flights.remove(flight)
        if reply.status == 200:
            assert flight.version in self.handled[flight.thing]
            assert self.newest_of(flight.thing) >= flight.version

    def newest_of(self, thing: str) -> int:
        mark = self.receiver.router.handlers[0].order
        assert mark is not None
        key = mark.mark_for("default", "latest", Event.model_construct(data={"id": thing}))
        state = self.store._marks._marks.get(key)
        return int(json.loads(json.loads(state.state)[0])) if state and state.state else -1

    def teardown(self) -> None:
        """Whatever happened, once leases have ended each event comes to its end when it is sent."""
        for flight in self.flights:
            flight.steps.close()
        self.flights.clear()
        self.now += 2 * LEASE
        for thing in OBJECTS:
            for version in reversed(range(VERSIONS)):
                flight = self.begin(thing, version)
                while flight.reply is None:
                    self.forward(flight)
                assert flight.reply.status == 200
            assert self.newest_of(thing) == VERSIONS - 1
        for wreck in self.wrecks:
            wreck.steps.close()


def _never_called(event: Event) -> None:
    raise AssertionError("the machine is the driver; it calls no handler")


TestOrder = Machine.TestCase
TestOrder.settings = settings(
    max_examples=budget(30, 400), stateful_step_count=50, deadline=None, derandomize=True
)
