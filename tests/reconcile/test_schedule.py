"""The scheduled form: one process at a time, until it is stopped, whatever fails meanwhile."""

import logging
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from click.testing import CliRunner

from coffrify_webhooks import ConfigurationError, Receiver, Router
from coffrify_webhooks.cli.group import commands
from coffrify_webhooks.reconcile import (
    DeliveryRecord,
    History,
    HistoryError,
    Report,
    reconcile_every,
)
from coffrify_webhooks.reconcile import schedule as schedule_module
from coffrify_webhooks.stores.memory import MemoryStore
from coffrify_webhooks.stores.sqlite import SQLiteStore

SECRET = "whsec_" + "9b" * 32


class Steps:
    """What ends it: counts the waits, moves the receiver's clock by each, and stops after some."""

    def __init__(self, most: int) -> None:
        self.left = most
        self.now = 1_700_000_000.0

    def is_set(self) -> bool:
        return self.left <= 0

    def wait(self, timeout: float, /) -> bool:
        self.left -= 1
        self.now += timeout
        return self.is_set()


class Listed(History):
    """A history in which one event is missing, or that fails."""

    def __init__(self, error: Exception | None = None, created_at: float = 1_700_000_000.0) -> None:
        self.error = error
        self.created_at = created_at
        self.asked: list[str] = []
        self.lists = 0
        self.begun: list[float] = []
        self.clock: Callable[[], float] = time.time

    def deliveries(self, since: float) -> Iterator[DeliveryRecord]:
        self.lists += 1
        self.begun.append(self.clock())
        if self.error is not None:
            raise self.error
        yield DeliveryRecord(
            "d1", "evt_1", "ping", is_pending=False, created_at=max(since, self.created_at)
        )

    def redeliver(self, delivery_id: str) -> None:
        self.asked.append(delivery_id)


def receiver_with(steps: Steps, store: Any = "memory:") -> Receiver:
    router = Router()
    router.on("*", name="any")(lambda event: None)
    return Receiver(SECRET, name="scheduled", router=router, store=store, clock=lambda: steps.now)


def test_it_reconciles_once_in_each_interval() -> None:
    """And looks whether it is time ten times as often, because another process may have died."""
    steps, history = Steps(25), Listed()
    reports: list[Report] = []
    reconcile_every(
        600, receiver_with(steps), history, wait=1e-9, on_report=reports.append, stop=steps
    )
    assert history.lists == 3
    assert [each.left for each in reports] == [["evt_1"]] * 3


def test_of_several_processes_one_reconciles_each_time(tmp_path: Path) -> None:
    """When it was begun last is in the store that they share."""
    stores = [SQLiteStore(tmp_path / "shared.db") for _ in range(2)]
    steps, histories = [Steps(10), Steps(10)], [Listed(), Listed()]
    for store, step, history in zip(stores, steps, histories, strict=True):
        receiver = receiver_with(step, store)
        reconcile_every(600, receiver, history, wait=1e-9, stop=step)
        store.close()
    assert [each.lists for each in histories] == [1, 0]


@pytest.mark.parametrize("error", [HistoryError("it is away"), KeyError("odd")])
def test_a_failure_is_logged_and_tried_again_sooner_than_the_interval(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """After a minute, then after two, up to the interval; a success counts from its beginning."""
    steps, history = Steps(60), Listed(error)
    begin, history.clock = steps.now, lambda: steps.now
    is_set = steps.is_set

    def well_later() -> bool:
        if steps.now - begin > 1500:
            history.error = None
        return is_set()

    steps.is_set = well_later  # type: ignore[method-assign]
    with caplog.at_level(logging.INFO, "coffrify_webhooks"):
        reconcile_every(600, receiver_with(steps), history, wait=1e-9, stop=steps)
    after = [round(each - begin) for each in history.begun]
    assert after == [0, 60, 180, 420, 900, 1500, 2100, 2700, 3300]
    told = [each.message for each in caplog.records if "tried again" in each.message]
    assert len(told) == 6
    assert not any("Traceback" in each for each in told)


def test_what_failed_is_tried_again_by_another_process(tmp_path: Path) -> None:
    """That the interval is not used up is in the store, too."""
    stores = [SQLiteStore(tmp_path / "shared.db") for _ in range(2)]
    failing, well = Listed(HistoryError("it is away")), Listed()
    first = Steps(1)
    reconcile_every(600, receiver_with(first, stores[0]), failing, stop=first)
    second = Steps(3)
    second.now = first.now - 30
    reconcile_every(600, receiver_with(second, stores[1]), well, wait=1e-9, stop=second)
    assert (failing.lists, well.lists) == (1, 1)
    for store in stores:
        store.close()


def test_what_is_left_is_logged_as_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    steps = Steps(2)
    with caplog.at_level(logging.INFO, "coffrify_webhooks"):
        reconcile_every(600, receiver_with(steps), Listed(), wait=1e-9, stop=steps)
    [record] = caplog.records
    assert (record.levelname, "1 are left" in record.message) == ("WARNING", True)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"interval": 5}, "give 60 seconds or more"),
        ({"interval": float("nan")}, "give 60 seconds or more"),
        ({"since": 1e9}, "retention"),
        ({"since": 0.0}, "retention"),
    ],
)
def test_an_option_that_cannot_be_used_is_refused_at_once(
    options: dict[str, Any], says: str
) -> None:
    given: dict[str, Any] = {"interval": 600, **options}
    with pytest.raises(ConfigurationError, match=says):
        reconcile_every(receiver=receiver_with(Steps(1)), history=Listed(), **given)


def test_a_store_that_cannot_keep_the_time_is_refused_at_once() -> None:
    steps = Steps(1)
    receiver = receiver_with(steps)
    receiver.store = object()  # type: ignore[assignment]
    with pytest.raises(ConfigurationError, match="OrderedStore"):
        reconcile_every(600, receiver, Listed(), stop=steps)


def test_it_stops_within_a_reconciliation() -> None:
    """A stop that is set while events are waited for is not waited for in turn."""
    stop, history = Event(), Listed(created_at=time.time())
    receiver = Receiver(SECRET, name="stopped", router=Router(), store=MemoryStore())
    receiver.router.on("*", name="any")(lambda event: None)
    asked = Event()
    history.redeliver = lambda delivery_id: asked.set()  # type: ignore[method-assign]
    thread = Thread(
        target=reconcile_every, args=(3600, receiver, history), kwargs={"wait": 600, "stop": stop}
    )
    thread.start()
    assert asked.wait(20)
    stop.set()
    thread.join(20)
    assert not thread.is_alive()


# --- the worker ---------------------------------------------------------------------------------

APP = """
from coffrify_webhooks import Receiver, Router

class Engine:
    def dispatch(self, message): ...
    def work(self, receiver, stop, grace):
        from tests.reconcile import test_schedule
        return test_schedule.RUNNING.wait(20)

router = Router()
router.on("*", name="any")(lambda event: None)
receiver = Receiver({secret!r}, name="worked", router=router, dispatcher=Engine(),
                    store="sqlite:///worked.db")
"""
RUNNING = Event()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "worked_app.py").write_text(APP.format(secret=SECRET))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COFFRIFY_API_URL", "http://127.0.0.1:9/v1")
    before = [(each, signal.getsignal(each)) for each in (signal.SIGTERM, signal.SIGINT)]
    RUNNING.clear()
    yield tmp_path
    for number, handler in before:
        signal.signal(number, handler)


def test_a_worker_reconciles_beside_the_engine(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the engine's own store and stop; it ends with the engine."""
    monkeypatch.setenv("COFFRIFY_API_KEY", "cfy_test_1")
    calls: list[tuple[float, str, bool]] = []

    def instead(interval: float, receiver: Receiver, history: Any, **options: Any) -> None:
        calls.append((interval, receiver.name, options["stop"].is_set()))
        assert 0 < options["since"] < receiver.retention
        RUNNING.set()

    monkeypatch.setattr("coffrify_webhooks.reconcile.reconcile_every", instead)
    ran = CliRunner().invoke(
        commands, ["worker", "--app", "worked_app", "--reconcile-every", "6h", "--endpoint", "w1"]
    )
    assert ran.exit_code == 0, ran.output
    assert calls == [(6 * 3600, "worked", False)]


@pytest.mark.parametrize(
    ("words", "says"),
    [(["--reconcile-every", "5s"], "give 60s or more"), (["--reconcile-every", "1h"], "API_KEY")],
)
def test_a_worker_that_could_not_reconcile_does_not_start(
    place: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], says: str
) -> None:
    monkeypatch.delenv("COFFRIFY_API_KEY", raising=False)
    ran = CliRunner().invoke(commands, ["worker", "--app", "worked_app", *words])
    assert (ran.exit_code, says in ran.output) == (2, True), ran.output


def test_a_time_that_cannot_be_read_is_one_long_ago() -> None:
    assert schedule_module._seconds("x") == schedule_module._seconds(None) == float("-inf")
