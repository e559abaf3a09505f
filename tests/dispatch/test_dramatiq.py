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
import redis
from dramatiq.brokers.redis import RedisBroker
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware import AgeLimit, Retries, TimeLimit
from tests.dispatch.site import PATIENCE, Site
from tests.dispatch.suite import EngineSuite
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


class TestDramatiq(EngineSuite):
    """The suite on Dramatiq."""

    module = module
    away = redis.RedisError

    @pytest.fixture
    def own(self, tmp_path: Path) -> Iterator[tuple[Valkey, _Site]]:
        with Valkey() as server, closing(_Site(tmp_path, server)) as site:
            yield server, site


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


def test_engine_loses_an_event(site: _Site) -> None:
    """An event that Redis has forgotten is dispatched again by the worker's sweep."""
    site.receiver.lost_after = 0.2
    site.deliver("evt_1")
    site.broker.flush_all()
    assert not site.waiting()
    with site.working():
        assert site.outcome() == "handled"


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
def test_unsafe_settings_are_refused_with_better_ones(options: dict[str, Any], says: str) -> None:
    """Settings under which events would be lost or lie for long are refused, with better ones."""
    made: Any = RedisBroker(**{**SAFE, "url": "redis://localhost" + TIMEOUTS, **options})
    with pytest.raises(ConfigurationError, match=says):
        Receiver(
            "x-secret-of-tests" * 20,
            store="memory:",
            router=Router(),
            dispatcher=DramatiqDispatcher(made),
        )


def test_broker_in_memory() -> None:
    """A broker that keeps events in memory is refused."""
    broker: Any = StubBroker()
    with pytest.raises(ConfigurationError, match="not durable"):
        DramatiqDispatcher(broker)
