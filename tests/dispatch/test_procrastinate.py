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
from tests.dispatch.site import PATIENCE, Site, wait_until
from tests.dispatch.suite import EngineSuite
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


class TestProcrastinate(EngineSuite):
    """The suite on procrastinate."""

    module = module
    away = psycopg.OperationalError

    @pytest.fixture
    def own(self, tmp_path: Path) -> "Iterator[tuple[Postgres, _Site]]":
        from tests.servers.postgres import Postgres

        with Postgres() as server, closing(_Site(tmp_path, server.database("jobs"))) as site:
            yield server, site


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


def test_what_a_dead_worker_had_is_queued_again(site: _Site) -> None:
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


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "delete_jobs"),
        ({"delete_jobs": "never", "concurrency": 8}, "delete_jobs"),
        ({"delete_jobs": "always"}, "concurrency"),
        ({"delete_jobs": "successful", "concurrency": 1}, "concurrency"),
    ],
)
def test_unsafe_settings_are_refused_with_better_ones(options: Any, says: str) -> None:
    """Settings under which events would stay or wait for ever are refused, with better ones."""
    app = App(connector=PsycopgConnector(), worker_defaults=options)
    with pytest.raises(ConfigurationError, match=says):
        ProcrastinateDispatcher(app, "")


def test_connector_in_memory() -> None:
    """A connector that keeps events in memory is refused."""
    app = App(connector=InMemoryConnector(), worker_defaults=SAFE)
    with pytest.raises(ConfigurationError, match="InMemoryConnector"):
        ProcrastinateDispatcher(app, "")
