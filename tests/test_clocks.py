"""Tests of users that set the time: freezegun and time-machine, with no clock of ours given."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import freezegun
import pytest
import time_machine

from coffrify_webhooks import (
    Event,
    Receiver,
    Router,
    StoreUnavailable,
    TimestampTooNew,
    TimestampTooOld,
    Verifier,
    sign,
    verify,
)
from coffrify_webhooks.concurrency.timers import Alarm, Alarms
from coffrify_webhooks.stores.memory import MemoryStore
from coffrify_webhooks.stores.sqlite import SQLiteStore

SECRET = "whsec_" + "ab" * 32
BODY = b'{"id": "evt_1", "type": "ping", "data": {}}'
PAST = datetime(2020, 2, 29, 12, tzinfo=UTC)
FUTURE = datetime(2040, 1, 1, tzinfo=UTC)

At = Callable[[datetime], AbstractContextManager[Any]]
SETTERS = pytest.mark.parametrize(
    "at",
    [
        pytest.param(freezegun.freeze_time, id="freezegun"),
        pytest.param(lambda moment: freezegun.freeze_time(moment, tick=True), id="ticking"),
        pytest.param(lambda moment: time_machine.travel(moment, tick=False), id="time-machine"),
        pytest.param(time_machine.travel, id="time-machine, ticking"),
    ],
)
OUTSIDE = Verifier(SECRET)


@SETTERS
@pytest.mark.parametrize("moment", [PAST, FUTURE])
def test_what_is_signed_in_a_set_time_is_fresh_in_it(at: At, moment: datetime) -> None:
    """sign, verify and a Verifier made before all follow the time that a test has set."""
    with at(moment):
        headers = sign(BODY, SECRET)
        assert abs(int(headers["webhook-timestamp"]) - moment.timestamp()) < 60
        assert verify(BODY, headers, SECRET).timestamp == int(headers["webhook-timestamp"])
        assert OUTSIDE.verify(BODY, headers).scheme == "standard"
    with pytest.raises(TimestampTooOld if moment is PAST else TimestampTooNew):
        OUTSIDE.verify(BODY, headers)


@SETTERS
@pytest.mark.parametrize("store", ["memory:", "sqlite:///claims.db", "sqlite+pysqlite:///sql.db"])
def test_a_receiver_made_before_follows_the_set_time(
    at: At, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The receiver and its store share the time of the test: handled, duplicate, recorded then."""
    monkeypatch.chdir(tmp_path)
    router = Router()
    router.on("*")(lambda event: None)
    receiver = Receiver(SECRET, store=store, router=router)
    with at(FUTURE):
        headers = sign(BODY, SECRET)
        assert receiver.receive(BODY, headers).outcome == "handled"
        assert receiver.receive(BODY, headers).outcome == "duplicate"
        (record,) = receiver.store.find()
        assert abs(record.touched_at - FUTURE.timestamp()) < 60
        assert abs(receiver.clock() - FUTURE.timestamp()) < 60
    assert receiver.receive(BODY, headers).outcome == "rejected"
    receiver.store.close()


# --- waits end although the time is held ----------------------------------------------------------


@SETTERS
def test_alarms_go_off_while_the_time_is_held(at: At) -> None:
    """One that was set before, and one that is set meanwhile: leases and deadlines hang on them."""
    alarms = Alarms("test")
    gone = [threading.Event(), threading.Event()]
    alarms.set(Alarm(gone[0].set), 0.2)
    with at(PAST):
        alarms.set(Alarm(gone[1].set), 0.05)
        assert all(each.wait(20) for each in gone)


@SETTERS
@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.timeout(40)
def test_a_lease_is_renewed_while_the_time_is_held(at: At, *, is_async: bool) -> None:
    """A handler that takes longer than its lease keeps its claim, and the delivery ends."""
    renewed = threading.Event()

    class Noting(MemoryStore):
        def renew(self, *given: Any, **options: Any) -> Any:
            renewed.set()
            return super().renew(*given, **options)

    router = Router()
    router.on("*")(lambda event: None if renewed.wait(20) else pytest.fail("not renewed"))
    receiver = Receiver(SECRET, store=Noting(), router=router, lease=1)
    with at(FUTURE):
        headers = sign(BODY, SECRET)
        if is_async:
            reply = asyncio.run(receiver.receive_async(BODY, headers))
        else:
            reply = receiver.receive(BODY, headers)
    assert reply.outcome == "handled"


class _Jumping:
    """The machine's clock, which somebody sets."""

    off = 0.0

    def __call__(self) -> float:
        return time.time() + self.off


@pytest.mark.parametrize(
    ("jump", "renewals", "other_worker", "outcome"),
    [
        (-3600.0, 0, "busy", "handled"),
        (-3600.0, 1, "busy", "handled"),
        (3600.0, 1, "busy", "handled"),
        (3600.0, 0, "claimed", "busy"),
    ],
    ids=["back", "back, renewed", "forward, renewed", "forward"],
)
def test_a_clock_that_jumps_while_a_handler_runs(
    tmp_path: Path, jump: float, renewals: int, other_worker: str, outcome: str
) -> None:
    """Only a jump forward frees the event, until it is renewed; the first cannot settle then."""
    clock, renewed, said = _Jumping(), threading.Semaphore(0), []

    class Noting(SQLiteStore):
        def renew(self, *given: Any, **options: Any) -> Any:
            held = super().renew(*given, **options)
            renewed.release()
            return held

    path = tmp_path / "store.db"
    store, other = Noting(path, clock=clock), SQLiteStore(path, clock=clock)
    router = Router()

    @router.on("*")
    def handle(event: Event) -> None:
        clock.off = jump
        while renewed.acquire(blocking=False):  # one that was before the jump
            pass
        for _ in range(renewals):
            assert renewed.acquire(timeout=20)
        [record] = other.find()
        said.append(other.claim(record.key, record.digest, 60.0).status)

    receiver = Receiver(SECRET, store=store, router=router, lease=1.2 if renewals else 60)
    assert receiver.receive(BODY, sign(BODY, SECRET)).outcome == outcome
    assert said == [other_worker]
    store.close()
    other.close()


@SETTERS
@pytest.mark.timeout(40)
def test_a_locked_database_is_given_up_while_the_time_is_held(at: At, tmp_path: Path) -> None:
    """A store whose file somebody locks says so after its timeout, and not never."""
    path = tmp_path / "locked.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("CREATE TABLE other (x)")
        other.execute("BEGIN EXCLUSIVE")
        store = SQLiteStore(path, timeout=0.2)
        with at(PAST), pytest.raises(StoreUnavailable):
            store.claim("k" * 64, "d", 60)
        store.close()
