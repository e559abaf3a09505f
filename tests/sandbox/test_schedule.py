"""The schedule of attempts: what the page promises, over random failures in virtual time."""

import asyncio
import weakref
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.budgets import budget

from coffrify_webhooks_sandbox.clock import Clock
from coffrify_webhooks_sandbox.courier import Courier
from coffrify_webhooks_sandbox.database import Database
from coffrify_webhooks_sandbox.event_types import EventTypes
from coffrify_webhooks_sandbox.records import Delivery, Endpoint, Event
from coffrify_webhooks_sandbox.schedule import (
    ATTEMPTS,
    DISABLED_AFTER,
    WINDOW,
    bounds,
    is_over,
    next_attempt,
)
from coffrify_webhooks_sandbox.sender import Answer, Request

TYPES = EventTypes()
START = 1_800_000_000.0
SECRET = "whsec_" + "ab" * 32


class World:
    """Receivers that answer by plan, in a time that moves only when nothing is left to do."""

    def __init__(self, plans: list[list[int | None]], seed: int, durations: float = 0.0) -> None:
        self.clock = Clock(0, wall=lambda: START)
        self.database = Database()
        weakref.finalize(self, self.database.close)
        self.plans = plans
        self.durations = durations
        self.seen: list[tuple[str, float, str]] = []
        self.courier = Courier(
            self.database, self.clock, self, TYPES, Random(seed), wall=lambda: START
        )

    async def send(self, request: Request) -> Answer:
        plan = self.plans[int(request.url.rpartition("/")[2])]
        self.seen.append((request.url, self.clock.now(), request.headers["webhook-id"]))
        await asyncio.sleep(0)
        self.clock.skip(self.durations)
        status = plan.pop(0) if plan else 500
        return Answer(status, "" if status else "connection refused", self.durations)

    def endpoint(self, number: int, *events: str) -> Endpoint:
        made = Endpoint(
            f"ep{number}",
            f"ep{number}",
            f"http://127.0.0.1/{number}",
            "",
            events or ("*",),
            is_active=True,
            secret=SECRET,
            old_secret=None,
            old_until=None,
            created_at=self.clock.now(),
        )
        self.database.add(made)
        return made

    def event(self, number: int, endpoint: Endpoint, event_type: str = "ping") -> str:
        event = Event(f"ev{number}", event_type, b'{"type":"ping"}', self.clock.now())
        now = self.clock.now()
        self.database.add(event, Delivery(f"d{number}", event.id, endpoint.id, "pending", now, now))
        return f"d{number}"

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Let the courier run; begins when all that was due is sent."""
        running = asyncio.create_task(self.courier.run())
        self.courier.wake()
        await self.courier.wait_until_quiet()
        yield
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    async def skip(self, seconds: float) -> None:
        """Jump ahead, as if it were off meanwhile, and wait until all that is due is sent."""
        self.clock.skip(max(0.0, seconds))
        self.courier.wake()
        await self.courier.wait_until_quiet()

    async def run_out(self) -> None:
        async with self.running():
            while (due := self.database.next_due()) is not None:
                await self.skip(due - self.clock.now())


statuses = st.one_of(st.none(), st.sampled_from([199, 200, 204, 299, 300, 302, 404, 410, 500, 503]))


@settings(deadline=None, max_examples=budget(20, 60))
@given(
    plans=st.lists(st.lists(statuses, max_size=14), min_size=1, max_size=4),
    seed=st.integers(0, 2**32),
    durations=st.sampled_from([0.0, 0.3, 15.0]),
)
def test_twelve_attempts_within_72_hours_then_a_dead_letter(
    plans: list[list[int | None]], seed: int, durations: float
) -> None:
    """At most 12 attempts, none after 72 h, growing gaps, none after a 2xx; the rest is dead."""
    world = World([list(plan) for plan in plans], seed, durations)
    for number in range(len(plans)):
        world.event(number, world.endpoint(number, "ping"))
    asyncio.run(world.run_out())
    for number, plan in enumerate(plans):
        delivery = world.database.delivery(f"d{number}")
        assert delivery is not None
        times = [at for url, at, _ in world.seen if url.endswith(f"/{number}")]
        answers = [*plan, *([500] * ATTEMPTS)][: len(times)]
        taken = [status is not None and 200 <= status < 300 for status in answers]
        assert 1 <= len(times) <= ATTEMPTS
        assert not any(taken[:-1])
        assert delivery.status == ("success" if taken[-1] else "dead_letter")
        if not taken[-1]:
            assert len(times) == ATTEMPTS
        first_failure = times[0] + durations
        assert times[-1] <= first_failure + WINDOW
        for index, (before, after) in enumerate(pairwise(times), 1):
            shortest, longest = bounds(index)
            # Another delivery's answer may take its time while this one becomes due.
            slack = durations * len(plans)
            assert shortest <= after - before - durations <= longest + slack + 1e-3


@given(st.integers(1, 11), st.floats(0, 1e9), st.integers(0, 2**32))
def test_gaps_grow_within_the_bounds_of_the_jitter(attempt: int, now: float, seed: int) -> None:
    """A gap lies within the jitter's bounds, and every gap is longer than the one before it."""
    due = next_attempt(attempt, now, now, Random(seed))
    assert due is not None
    shortest, longest = bounds(attempt)
    assert shortest - 1e-3 <= due - now <= longest + 1e-3
    assert longest < bounds(attempt + 1)[0]


def test_all_attempts_fit_into_the_window() -> None:
    """With the longest gaps and the slowest answers the twelfth attempt is still within 72 h."""
    longest = sum(bounds(attempt)[1] for attempt in range(1, ATTEMPTS)) + 15 * ATTEMPTS
    assert WINDOW * 0.8 < longest <= WINDOW


@pytest.mark.parametrize(("attempt", "late"), [(ATTEMPTS, 0.0), (3, WINDOW)])
def test_no_next_attempt(attempt: int, late: float) -> None:
    """After the twelfth, or once 72 h are over, there is no next attempt."""
    assert next_attempt(attempt, START, START + late, Random(1)) is None
    assert is_over(START, START + WINDOW + 1)
    assert not is_over(START, START + WINDOW)


def test_off_for_longer_than_the_window() -> None:
    """What comes due after the 72 h, because the sandbox was off, is a dead letter, not sent."""
    world = World([[500]], 1)
    world.event(0, world.endpoint(0))

    async def later() -> None:
        async with world.running():
            await world.skip(WINDOW + 60)

    asyncio.run(later())
    delivery = world.database.delivery("d0")
    assert delivery is not None
    assert (delivery.status, delivery.attempts, len(world.seen)) == ("dead_letter", 1, 1)
    assert "72 h" in delivery.reason


def test_dead_letter_is_told_to_the_others() -> None:
    """A dead letter is an event for the other endpoints, and leads to no further ones."""
    world = World([[], [], []], 1)
    for number in range(3):
        world.endpoint(number, "webhook.delivery_failed_final")
    world.event(0, _endpoint(world, 0))
    asyncio.run(world.run_out())
    told = [event for event in world.database.events(100) if event.type.startswith("webhook.")]
    assert [event.type for event in told] == ["webhook.delivery_failed_final"]
    assert told[0].data["id"] == "ep0"
    assert {d.endpoint_id for d in world.database.deliveries(100, event_id=told[0].id)} == {
        "ep1",
        "ep2",
    }


def _endpoint(world: World, number: int) -> Any:
    found = world.database.endpoint(f"ep{number}")
    assert found is not None
    return found


def test_failing_endpoint_is_disabled() -> None:
    """An endpoint with five dead letters in a row is disabled, which the others are told."""
    world = World([[], [200] * 100], 1)
    failing = world.endpoint(0, "ping")
    world.endpoint(1, "webhook.endpoint_disabled")
    for number in range(DISABLED_AFTER + 2):
        world.event(number, failing)
    asyncio.run(world.run_out())
    assert not _endpoint(world, 0).is_active
    told = [event.type for event in world.database.events(100) if event.type != "ping"]
    assert told == ["webhook.endpoint_disabled"]
    [taken] = [d for d in world.database.deliveries(100) if d.endpoint_id == "ep1"]
    assert taken.status == "success"


def test_one_success_starts_the_count_of_dead_letters_anew() -> None:
    """One delivery that is taken starts the count of dead letters in a row anew."""
    dead: list[int | None] = [500] * ATTEMPTS
    world = World([[*dead * (DISABLED_AFTER - 1), 200, *dead]], 1)
    endpoint = world.endpoint(0)

    async def one_after_another() -> None:
        for number in range(DISABLED_AFTER + 1):
            world.event(number, endpoint)
            await world.run_out()

    asyncio.run(one_after_another())
    assert _endpoint(world, 0).is_active
    assert world.database.counts() == {"dead_letter": DISABLED_AFTER, "success": 1}


def test_disabled_endpoint_keeps_what_waits() -> None:
    """What waits for a disabled endpoint is sent when it is enabled again."""
    from dataclasses import replace

    world = World([[500, 200]], 1)
    endpoint = world.endpoint(0)
    world.event(0, endpoint)

    async def disabled_meanwhile() -> None:
        async with world.running():
            world.database.replace(replace(_endpoint(world, 0), is_active=False))
            await world.skip(3600)
            assert len(world.seen) == 1
            world.database.replace(replace(_endpoint(world, 0), is_active=True))
            await world.skip(0)

    asyncio.run(disabled_meanwhile())
    assert world.database.counts() == {"success": 1}
    assert [event for _, _, event in world.seen] == ["ev0", "ev0"]


def test_too_late_is_no_fault_of_the_endpoint() -> None:
    """What died because the sandbox was off does not disable the endpoint."""
    world = World([[500] * (DISABLED_AFTER + 1)], 1)
    endpoint = world.endpoint(0)
    for number in range(DISABLED_AFTER + 1):
        world.event(number, endpoint)

    async def later() -> None:
        async with world.running():
            await world.skip(WINDOW + 60)

    asyncio.run(later())
    assert world.database.counts() == {"dead_letter": DISABLED_AFTER + 1}
    assert _endpoint(world, 0).is_active


@pytest.mark.parametrize("method", ["begin", "finish", "due", "unfinished"])
def test_what_cannot_be_recorded_is_not_sent_twice(
    method: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What cannot be recorded is logged and tried again, and is not sent a second time."""
    import sqlite3

    world = World([[200]], 1)
    world.courier._pause = 0.01
    real = getattr(world.database, method)
    left = [sqlite3.OperationalError("database or disk is full")] * 2

    def full(*given: Any) -> Any:
        if left:
            raise left.pop()
        return real(*given)

    monkeypatch.setattr(world.database, method, full)
    world.event(0, world.endpoint(0))
    asyncio.run(world.run_out())
    assert world.database.counts() == {"success": 1}
    assert len(world.seen) == 1
    assert "disk is full" in caplog.text


@pytest.mark.parametrize(("speed", "passes"), [(0, 0), (0.5, 50), (1, 100), (3600, 100)])
def test_time_while_off(speed: float, passes: float) -> None:
    """While the sandbox is off, its time does not run ahead of ours, however fast it was."""
    anchor = Clock(speed, wall=lambda: START).anchor
    assert Clock(1, anchor=anchor, wall=lambda: START + 100).now() == START + passes


def test_wall_set_back() -> None:
    """A wall clock that is set back does not take the time back; it goes on from where it was."""
    wall = [START]
    clock = Clock(1, wall=lambda: wall[0])
    for wall[0] in (START + 100, START - 5000):
        assert clock.now() == START + 100
    wall[0] += 10
    assert clock.now() == START + 110
    assert Clock(0, anchor=clock.anchor, wall=lambda: START - 9000).now() == START + 110
