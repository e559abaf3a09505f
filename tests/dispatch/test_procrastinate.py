"""Events through procrastinate, by the dispatcher that the docs give to copy; on PostgreSQL."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from procrastinate import App, PsycopgConnector, SyncPsycopgConnector
from procrastinate.exceptions import ConnectorException
from procrastinate.testing import InMemoryConnector
from tests.dispatch.site import PATIENCE, Site, in_time, wait_until
from tests.servers.process import free_port

from coffrify_webhooks.errors import ConfigurationError
from engines import procrastinate_engine as module
from engines.procrastinate_engine import ProcrastinateDispatcher

if TYPE_CHECKING:
    from tests.servers.postgres import Postgres

    from coffrify_webhooks.dispatch import Dispatcher

SAFE: Any = {"concurrency": 2, "delete_jobs": "successful"}
QUICK: Any = {
    **SAFE,
    "update_heartbeat_interval": 0.2,
    "stalled_worker_timeout": 1,
    "fetch_job_polling_interval": 0.1,
}


class _Site(Site):
    """With a worker of procrastinate's in a thread."""

    def __init__(self, folder: Path, url: str) -> None:
        self.url = url
        with App(connector=SyncPsycopgConnector(conninfo=url)).open() as app:
            app.schema_manager.apply_schema()

        def make() -> "Dispatcher":
            connector = PsycopgConnector(conninfo=url)
            app = App(connector=connector, worker_defaults=QUICK)
            return ProcrastinateDispatcher(app, url)

        super().__init__(folder, make)
        self.app: App = self.receiver.dispatcher.app  # type: ignore[union-attr]

    @contextmanager
    def working(self) -> Iterator[None]:
        started = threading.Event()
        stop: list[Any] = []

        async def work() -> None:
            async with self.app.open_async():
                running = asyncio.create_task(
                    self.app.run_worker_async(install_signal_handlers=False)
                )
                loop = asyncio.get_running_loop()
                stop.append(lambda: loop.call_soon_threadsafe(running.cancel))
                started.set()
                await asyncio.wait([running])

        thread = threading.Thread(target=lambda: asyncio.run(work()))
        thread.start()
        try:
            assert started.wait(PATIENCE)
            yield
        finally:
            self.released.set()
            stop[0]()
            thread.join()

    def sql(self, text: str) -> list[Any]:
        with psycopg.connect(self.url) as connection:
            result = connection.execute(text.encode())
            return result.fetchall() if result.description else []

    def waiting(self) -> int:
        rows = self.sql(f"SELECT id FROM procrastinate_jobs WHERE task_name = '{module.EXECUTE}'")
        return len(rows)


@pytest.fixture
def site(tmp_path: Path, postgres: "Postgres") -> Iterator[_Site]:
    with closing(_Site(tmp_path, postgres.database(f"jobs_{free_port()}"))) as made:
        yield made


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CARE", "* * * * * *")


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
    """An id that jsonb would refuse arrives whole."""
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


def test_no_body_in_the_log(site: _Site, caplog: pytest.LogCaptureFixture) -> None:
    """The engine's own log shows no event's body."""
    caplog.set_level("INFO")
    with site.working():
        site.deliver("evt_1")
        site.outcome()
        wait_until(lambda: not site.waiting())
    assert "body" not in caplog.text


def test_engine_loses_an_event(site: _Site) -> None:
    """An event that the database has forgotten is dispatched again by the sweep."""
    site.receiver.lost_after = 0.2
    site.deliver("evt_1")
    site.sql("TRUNCATE procrastinate_jobs CASCADE")
    with site.working():
        assert site.outcome() == "handled"


def test_worker_died(site: _Site) -> None:
    """What a dead worker had is queued again, even if one of its jobs cannot be."""
    for name in ("evt_1", "evt_2"):
        site.deliver(name)
    site.sql("INSERT INTO procrastinate_workers DEFAULT VALUES")
    site.sql("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 hour'")
    site.sql(
        "UPDATE procrastinate_jobs SET status = 'doing', "
        "worker_id = (SELECT id FROM procrastinate_workers)"
    )
    retry = site.app.job_manager.retry_job

    async def retry_job(job: Any, **options: Any) -> None:
        if job.id == 1:
            raise ConnectorException
        await retry(job, **options)

    site.app.job_manager.retry_job = retry_job  # type: ignore[method-assign,assignment]
    with site.working():
        assert site.outcome() == "handled"
    assert [name for name, _ in site.runs] == ["evt_2"]


def test_server_away(tmp_path: Path) -> None:
    """A server that is away or hangs costs a delivery 5 s at most; then all is well again."""
    from tests.servers.postgres import Postgres

    with Postgres() as server, closing(_Site(tmp_path, server.database("jobs"))) as site:
        assert site.deliver("evt_1").status == 200
        server.pause()
        with pytest.raises(psycopg.OperationalError):
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


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "delete_jobs"),
        ({"delete_jobs": "never", "concurrency": 8}, "delete_jobs"),
        ({"delete_jobs": "always"}, "concurrency"),
        ({"delete_jobs": "successful", "concurrency": 1}, "concurrency"),
    ],
)
def test_unsafe_settings(options: Any, says: str) -> None:
    """Settings under which events would stay or wait for ever are refused, with better ones."""
    app = App(connector=PsycopgConnector(), worker_defaults=options)
    with pytest.raises(ConfigurationError, match=says):
        ProcrastinateDispatcher(app, "")


def test_connector_in_memory() -> None:
    """A connector that keeps events in memory is refused."""
    app = App(connector=InMemoryConnector(), worker_defaults=SAFE)
    with pytest.raises(ConfigurationError, match="InMemoryConnector"):
        ProcrastinateDispatcher(app, "")
