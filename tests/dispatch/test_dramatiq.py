"""Events through Dramatiq, by the dispatcher that the docs give to copy; on a real Valkey."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import dramatiq
import pytest
from dramatiq.brokers.redis import RedisBroker
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware import AgeLimit, Retries, TimeLimit
from tests.dispatch.site import PATIENCE, Site, in_time, wait_until
from tests.servers.process import free_port
from tests.servers.valkey import Valkey

from coffrify_webhooks import Receiver, Router
from coffrify_webhooks.errors import ConfigurationError
from engines import dramatiq_engine as module
from engines.dramatiq_engine import DramatiqDispatcher

if TYPE_CHECKING:
    from coffrify_webhooks.dispatch import Dispatcher

SAFE: dict[str, Any] = {"heartbeat_timeout": 3000, "maintenance_chance": 200_000}
TIMEOUTS = "?socket_timeout=2&socket_connect_timeout=2"


class _Site(Site):
    """With a worker of Dramatiq's in threads."""

    def __init__(self, folder: Path, server: Valkey) -> None:
        namespace = f"test-{free_port()}"

        def make() -> "Dispatcher":
            broker: Any = RedisBroker(url=server.url + TIMEOUTS, namespace=namespace, **SAFE)
            return DramatiqDispatcher(broker)

        super().__init__(folder, make)
        self.broker = self.receiver.dispatcher.broker  # type: ignore[union-attr]

    @contextmanager
    def working(self) -> Iterator[dramatiq.Worker]:
        worker = dramatiq.Worker(self.broker, worker_threads=2, worker_timeout=50)
        worker.start()
        try:
            yield worker
        finally:
            self.released.set()
            worker.stop()

    def waiting(self) -> int:
        return int(self.broker.do_qsize("coffrify_webhooks"))


@pytest.fixture
def site(tmp_path: Path, valkey: Valkey) -> Iterator[_Site]:
    with closing(_Site(tmp_path, valkey)) as made:
        yield made


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CARE", 0.2)


def test_answer_waits_for_no_handler(site: _Site) -> None:
    """The event is acknowledged while its handler still runs, and settled when it has."""
    site.released.clear()
    with site.working():
        reply = site.deliver("evt_1")
        assert (reply.status, reply.outcome) == (200, "queued")
        assert site.begun.wait(PATIENCE)
        assert site.status("evt_1") == "running"
        site.released.set()
        assert site.outcome() == "handled"
        assert site.status("evt_1") == "done"
        wait_until(lambda: not site.waiting())


def test_duplicates(site: _Site) -> None:
    """A duplicate while the event is queued, and when it is done, is acknowledged and not run."""
    assert site.deliver("evt_1").outcome == "queued"
    assert site.deliver("evt_1").outcome == "duplicate"
    with site.working():
        site.outcome()
        assert site.deliver("evt_1").outcome == "duplicate"
        wait_until(lambda: not site.waiting())
    assert len(site.runs) == 1


def test_async_handler(site: _Site) -> None:
    """Async handlers run as they do in a web process."""
    with site.working():
        site.deliver("evt_1", "ping")
        assert site.outcome() == "handled"


def test_odd_id(site: _Site) -> None:
    """An id that is no proper text arrives whole."""
    with site.working():
        assert site.deliver("evt_\ud800\0").outcome == "queued"
        assert site.outcome() == "handled"


def test_failing_handler_is_tried_again(site: _Site) -> None:
    """A handler that raised is run again after the time that the receiver's policy says."""
    site.failing = 1
    with site.working():
        site.deliver("evt_1")
        assert site.outcome() == "handled"
    (_, first), (_, second) = site.runs
    assert second - first >= 0.3


def test_dead_after_the_last_attempt(site: _Site) -> None:
    """After the last attempt the event is a dead letter, and the engine is done with it."""
    site.failing = 9
    with site.working():
        site.deliver("evt_1")
        assert site.outcome() == "dead"
        wait_until(lambda: not site.waiting())
    assert (len(site.runs), site.status("evt_1")) == (3, "dead")


def test_limits_of_dramatiq_do_not_count(site: _Site) -> None:
    """Dramatiq's own limits of retries, age and time apply to no event."""
    limits: dict[type, Any] = {type(each): each for each in site.broker.middleware}
    limits[AgeLimit].max_age = 1
    limits[Retries].max_retries = 0
    limits[TimeLimit].time_limit = 1
    limits[TimeLimit].manager.interval = 0.01
    site.failing = 2
    site.released.clear()
    site.deliver("evt_1")
    site.broker.emit_after("process_boot")
    with site.working():
        assert site.begun.wait(PATIENCE)
        time.sleep(0.2)  # far more than its time
        site.released.set()
        assert site.outcome() == "handled"
    assert len(site.runs) == 3


def test_fault(site: _Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong, the event comes back."""
    execute = site.receiver.execute
    faults = [RuntimeError("a bug")]

    def at_first_not(message: Any) -> Any:
        if faults:
            raise faults.pop()
        return execute(message)

    monkeypatch.setattr(site.receiver, "execute", at_first_not)
    monkeypatch.setattr(module, "AFTER_A_FAULT", 0.1)
    with site.working():
        site.deliver("evt_1")
        assert site.outcome() == "handled"
    assert not faults


def test_message_of_another_version(site: _Site, caplog: pytest.LogCaptureFixture) -> None:
    """A message that is not ours is reported and dropped; the others are handled."""
    site.engine.dispatch({"version": 99, "receiver": "default"})
    site.deliver("evt_1")
    with site.working():
        assert site.outcome() == "handled"
        wait_until(lambda: not site.waiting())
    assert "is dropped: " in caplog.text


def test_engine_loses_an_event(site: _Site) -> None:
    """An event that Redis has forgotten is dispatched again by the worker's sweep."""
    site.receiver.lost_after = 0.2
    site.deliver("evt_1")
    site.broker.flush_all()
    assert not site.waiting()
    with site.working():
        assert site.outcome() == "handled"


def test_server_away(tmp_path: Path) -> None:
    """A server that is away or hangs costs a delivery 5 s at most; then all is well again."""
    with Valkey() as server, closing(_Site(tmp_path, server)) as site:
        assert site.deliver("evt_1").status == 200
        server.pause()
        with pytest.raises(Exception, match=r"(?i)time"):
            in_time(lambda: site.engine.dispatch({}), 5)
        assert in_time(lambda: site.deliver("evt_2"), 5.5).status == 503
        server.resume()
        assert site.deliver("evt_2").outcome == "queued"
        server.kill()
        assert in_time(lambda: site.deliver("evt_3"), 5).status == 503
        server.restart()
        assert site.deliver("evt_3").outcome == "queued"
        with site.working():
            assert {site.outcome() for _ in range(3)} == {"handled"}


def test_worker_that_lost_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that an outage made deaf ends, so that another finds the retries that it held."""
    ended = threading.Event()
    signals: list[tuple[int, int]] = []

    def kill(pid: int, number: int) -> None:
        signals.append((pid, number))
        ended.set()

    monkeypatch.setattr(module, "os", SimpleNamespace(kill=kill, getpid=os.getpid))
    with Valkey() as server, closing(_Site(tmp_path, server)) as site, site.working():
        site.deliver("evt_1")
        site.outcome()
        server.kill()
        assert not ended.is_set()
        server.restart()
        assert ended.wait(PATIENCE)
    assert signals[0] == (os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"maintenance_chance": 1000}, "maintenance_chance=200_000"),
        ({"heartbeat_timeout": 60_001}, "heartbeat_timeout=10_000"),
        ({"url": "redis://localhost"}, "socket_timeout=2"),
        ({"url": "redis://localhost?socket_timeout=2"}, "socket_connect_timeout=2"),
        ({"url": "redis://localhost" + TIMEOUTS.replace("2", "30")}, "socket_timeout=2"),
        ({"middleware": []}, "needs Retries"),
    ],
)
def test_unsafe_settings(options: dict[str, Any], says: str) -> None:
    """Settings under which events would be lost or lie for long are refused, with better ones."""
    made: Any = RedisBroker(**{**SAFE, "url": "redis://localhost" + TIMEOUTS, **options})
    with pytest.raises(ConfigurationError, match=says):
        Receiver("x" * 20, store="memory:", router=Router(), dispatcher=DramatiqDispatcher(made))


def test_broker_in_memory() -> None:
    """A broker that keeps events in memory is refused."""
    broker: Any = StubBroker()
    with pytest.raises(ConfigurationError, match="not durable"):
        DramatiqDispatcher(broker)
