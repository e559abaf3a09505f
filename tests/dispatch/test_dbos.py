"""Events through DBOS: a web process here, and a worker that is a process of its own.

On a real SQLite file and a real PostgreSQL. What the handlers do, the tests say by files: `hold`
lets them wait, `fail` lets them raise.
"""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from tests.dispatch.handlers import NO_EXCEPTIONS
from tests.dispatch.site import wait_until
from tests.dispatch.workplace import SECRET, Workplace
from tests.in_time import in_time
from tests.servers.preloaded import Forked, Preloaded
from tests.servers.process import free_port, own_environment

from coffrify_webhooks import sign
from coffrify_webhooks.dispatch import dbos as module
from coffrify_webhooks.dispatch import dbos_database, dbos_settings
from coffrify_webhooks.dispatch.dbos import DBOSDispatcher
from coffrify_webhooks.dispatch.dbos_lock import Lock
from coffrify_webhooks.dispatch.dbos_settings import checked_url
from coffrify_webhooks.errors import ConfigurationError, DispatchError

if TYPE_CHECKING:
    from tests.servers.postgres import Postgres

LEASE = 2.0
APP = """
from handlers import router

from coffrify_webhooks import Receiver, Router
from coffrify_webhooks.dispatch.dbos import DBOSDispatcher
from coffrify_webhooks.retries import Retries

receiver = Receiver(
    {secret!r},
    store="sqlite:///store.db",
    dispatcher=DBOSDispatcher({url!r}, concurrency=4),
    router=router,
    lease={lease},
    retries=Retries(attempts=3, first=0.2),
)
"""


class Site(Workplace):
    """With workers of ours on DBOS."""

    def __init__(self, folder: Path, url: str, parent: Preloaded) -> None:
        self.engine = DBOSDispatcher(url)
        text = APP.format(secret=SECRET, url=url, lease=LEASE)
        super().__init__(folder, self.engine, LEASE, "app.py", text)
        self.parent = parent
        self.workers: list[Forked] = []

    def start(self, *words: str) -> Forked:
        command = [str(Path(sys.executable).with_name("coffrify-webhooks")), "worker"]
        command += ["--app", "app", *words]
        log = self.folder / "log"
        worker = self.parent.start(command, self.folder, own_environment(), log)
        self.workers.append(worker)
        return worker

    def close(self) -> None:
        for worker in self.workers:
            if worker.poll() is None:
                worker.kill()
            worker.wait()
        self.web.store.close()
        self.engine.close()


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/engine.db"
    server: Postgres = request.getfixturevalue("postgres")
    return server.database(f"engine_{free_port()}")


@pytest.fixture(scope="module")
def parent() -> Iterator[Preloaded]:
    """What workers are forked of; test_framework_worker.py starts them as a user does."""
    with Preloaded("coffrify_webhooks.cli", "coffrify_webhooks.dispatch.dbos", "dbos") as made:
        yield made


@pytest.fixture
def site(tmp_path: Path, url: str, parent: Preloaded) -> Iterator[Site]:
    made = Site(tmp_path, url, parent)
    yield made
    made.close()


@pytest.fixture
def on_file(tmp_path: Path, parent: Preloaded) -> Iterator[Site]:
    """A site on an SQLite file, where the engine's database makes no difference."""
    made = Site(tmp_path, f"sqlite:///{tmp_path}/engine.db", parent)
    yield made
    made.close()


# --- events go through ------------------------------------------------------------------------


def test_answer_waits_for_no_handler(site: Site) -> None:
    """The event is acknowledged while its handler still runs, and settled when it has."""
    hold = site.touch("hold")
    site.start()
    reply = site.deliver("evt_1")
    assert (reply.status, reply.outcome) == (200, "queued")
    site.wait_for("begin evt_1")
    assert site.status("evt_1") == "running"
    hold.unlink()
    site.wait(lambda: site.status("evt_1") == "done")
    assert site.journal() == ["begin evt_1", "end evt_1"]


def test_worker_need_not_have_run_before(site: Site) -> None:
    """The first delivery is taken before any worker was ever started."""
    assert site.deliver("evt_1").outcome == "queued"
    site.start()
    site.wait_for("end evt_1")


def test_an_async_handler_runs_in_the_worker(on_file: Site) -> None:
    """Async handlers run as they do in a web process."""
    on_file.start()
    on_file.deliver("evt_1", "ping")
    on_file.wait_for("end evt_1")


def test_a_duplicate_is_acknowledged_and_not_run(site: Site) -> None:
    """A duplicate while the event is queued, running or done is acknowledged and not run."""
    hold = site.touch("hold")
    site.deliver("evt_1")
    replies = [site.deliver("evt_1")]
    site.start()
    site.wait_for("begin evt_1")
    replies.append(site.deliver("evt_1"))
    hold.unlink()
    site.wait(lambda: site.status("evt_1") == "done")
    replies.append(site.deliver("evt_1"))
    assert [(reply.status, reply.outcome) for reply in replies] == [(200, "duplicate")] * 3
    assert site.journal() == ["begin evt_1", "end evt_1"]


def test_same_message_twice(on_file: Site) -> None:
    """A hand-over that is made twice, as after an answer that was lost, is one."""
    on_file.engine.dispatch({"receiver": "default", "token": "abc"})
    on_file.engine.dispatch({"receiver": "default", "token": "abc"})
    assert len(on_file.engine._client.list_workflows()) == 1


def test_odd_and_large_body(site: Site) -> None:
    """What the sender signs arrives whole, however large it is and whatever its strings hold."""
    body = b'{"id": "evt_1", "type": "transfer.created", "data": {"name": "\\ud800\\u0000%s"}}'
    body %= b"x" * 900_000
    site.start()
    assert site.web.receive(body, sign(body, SECRET)).outcome == "queued"
    site.wait_for("end evt_1")


def test_an_odd_id_arrives_whole(site: Site) -> None:
    """An id that no database can store as it is arrives whole as well."""
    body = b'{"id": "evt_\\ud800\\u0000", "type": "ping", "data": {}}'
    headers = sign(body, SECRET)
    odd = {name: each for name, each in headers.items() if name.lower().startswith("x-")}
    site.start()
    assert site.web.receive(body, odd or headers).outcome == "queued"
    site.wait(lambda: any(line.startswith("end") for line in site.journal()))


# --- processes die ----------------------------------------------------------------------------


def test_killed_in_a_handler(site: Site) -> None:
    """What a killed worker was running is run by the next one; what it had not begun as well."""
    hold = site.touch("hold")
    worker = site.start()
    names = [f"evt_{number}" for number in range(12)]
    for name in names:
        assert site.deliver(name).status == 200
    site.wait(lambda: len(site.journal()) == 4)  # its concurrency
    worker.kill()
    hold.unlink()
    site.start()
    site.wait(lambda: all(site.status(name) == "done" for name in names))
    ends = [line for line in site.journal() if line.startswith("end")]
    assert sorted(ends) == sorted(f"end {name}" for name in names)


def test_second_worker_is_refused(site: Site) -> None:
    """A second worker of the same engine would run what the first is running: it says so."""
    hold = site.touch("hold")
    site.start()
    site.deliver("evt_1")
    site.wait_for("begin evt_1")
    second = site.start()
    assert second.wait(60) == 2
    assert "another worker already runs" in site.log()
    hold.unlink()
    site.wait(lambda: site.status("evt_1") == "done")
    assert site.journal() == ["begin evt_1", "end evt_1"]


def test_second_worker_takes_over(site: Site) -> None:
    """The place of a killed worker is free at once."""
    worker = site.start()
    site.deliver("evt_1")
    site.wait_for("end evt_1")
    worker.kill()
    site.start()
    site.deliver("evt_2")
    site.wait_for("end evt_2")


def test_a_signal_lets_what_runs_come_to_its_end(on_file: Site) -> None:
    """A worker that is told to stop begins nothing more, and lets what runs come to its end."""
    hold = on_file.touch("hold")
    worker = on_file.start()
    for number in range(6):
        on_file.deliver(f"evt_{number}")
    on_file.wait(lambda: len(on_file.journal()) == 4)
    worker.terminate()
    on_file.wait(lambda: "the worker is stopping" in on_file.log())
    time.sleep(0.5)  # until DBOS has heard of it too
    hold.unlink()
    assert worker.wait(40) == 0
    assert len(on_file.journal()) == 8
    assert [on_file.status(f"evt_{number}") for number in range(6)].count("queued") == 2


def test_stop_is_bounded(on_file: Site) -> None:
    """A handler that goes on beyond the grace is left to the next worker."""
    hold = on_file.touch("hold")
    worker = on_file.start("--grace", "1")
    on_file.deliver("evt_1")
    on_file.wait_for("begin evt_1")
    worker.terminate()
    assert worker.wait(40) == 1
    hold.unlink()
    on_file.start()
    on_file.wait_for("end evt_1")


def test_a_second_signal_stops_the_worker_at_once(on_file: Site) -> None:
    """A second signal stops the worker at once."""
    on_file.touch("hold")
    worker = on_file.start()
    on_file.deliver("evt_1")
    on_file.wait_for("begin evt_1")
    worker.send_signal(signal.SIGINT)
    on_file.wait(lambda: "the worker is stopping" in on_file.log())
    assert worker.poll() is None
    worker.send_signal(signal.SIGINT)
    assert worker.wait(20) == 1  # sooner than the grace is over


# --- what fails -------------------------------------------------------------------------------


def test_failing_handler_is_tried_again(site: Site) -> None:
    """A handler that raised is run again by the receiver's policy, until it succeeds."""
    fail = site.folder / "fail"
    fail.touch()
    site.start()
    site.deliver("evt_1")
    site.wait(lambda: site.journal().count("begin evt_1") == 2)
    fail.unlink()
    site.wait_for("end evt_1")
    site.wait(lambda: site.status("evt_1") == "done")


def test_dead_after_the_last_attempt(on_file: Site) -> None:
    """After the last attempt the event is a dead letter, and the engine is done with it."""
    (on_file.folder / "fail").touch()
    on_file.start()
    on_file.deliver("evt_1")
    on_file.wait(lambda: on_file.status("evt_1") == "dead")
    rows = on_file.engine._client.list_workflows
    on_file.wait(lambda: [each.status for each in rows()] == ["SUCCESS"] * 3)
    assert on_file.journal() == ["begin evt_1"] * 3


def test_waiting_retries_keep_no_place(on_file: Site) -> None:
    """Events that wait for their next attempt leave the worker to the others."""
    on_file.replace("first=0.2", "first=60")
    fail = on_file.touch("fail")
    on_file.start()
    for number in range(8):  # twice its concurrency
        on_file.deliver(f"evt_{number}")
    on_file.wait(lambda: len(on_file.journal()) == 8)
    fail.unlink()
    on_file.deliver("evt_9")
    on_file.wait_for("end evt_9")


def test_whatever_a_handler_raises_is_its_failure(on_file: Site) -> None:
    """What is no `Exception` is retried and told by name; it keeps no place, and adds no rows."""
    on_file.touch("raise")
    worker = on_file.start()
    kinds = ("transfer.created", "api_key.created")  # with a sync handler, and an async one
    events = {f"evt_{what[0]}_{name}": what for what in kinds for name in NO_EXCEPTIONS}
    for name, what in events.items():
        on_file.deliver(name, what)
    on_file.wait(lambda: all(on_file.status(name) == "dead" for name in events))
    assert all(f"raised {name.rpartition('_')[2]}" in on_file.error(name) for name in events)
    assert Counter(on_file.journal()) == dict.fromkeys((f"begin {name}" for name in events), 3)
    (on_file.folder / "raise").unlink()
    on_file.deliver("evt_9")
    on_file.wait_for("end evt_9")
    assert worker.poll() is None
    attempts = 3 * len(events) + 1
    rows = on_file.engine._client.list_workflows
    on_file.wait(lambda: [each.status for each in rows()] == ["SUCCESS"] * attempts)


def test_engine_loses_an_event(site: Site) -> None:
    """An event that the engine has lost is dispatched again by the worker's sweep."""
    site.deliver("evt_1")
    rows = site.engine._client.list_workflows()
    site.engine._client.delete_workflows([each.workflow_id for each in rows])
    site.add("from coffrify_webhooks.dispatch import dbos")
    site.add("receiver.lost_after = 0.5; dbos._CARE = 1")
    site.start()
    site.wait_for("end evt_1")


def test_message_of_another_version(on_file: Site) -> None:
    """A message that is not ours is reported and dropped; the others are handled."""
    on_file.engine.dispatch({"version": 99, "receiver": "default", "token": "abc"})
    on_file.deliver("evt_1")
    on_file.start()
    on_file.wait_for("end evt_1")
    on_file.wait(lambda: "was dropped" in on_file.log())
    rows = on_file.engine._client.list_workflows
    on_file.wait(lambda: [each.status for each in rows()] == ["SUCCESS"] * 2)


def test_other_receivers_events(on_file: Site) -> None:
    """The events of another receiver on the same engine are left to its own worker."""
    on_file.engine.dispatch({"version": 1, "receiver": "other", "token": "abc"})
    on_file.deliver("evt_1")
    on_file.start()
    on_file.wait_for("end evt_1")
    [other] = on_file.engine._client.list_workflows(queue_name="coffrify-webhooks/other")
    assert other.status == "ENQUEUED"


def test_without_the_server_deliveries_are_refused_in_time(
    tmp_path: Path, parent: Preloaded
) -> None:
    """Without the server deliveries are refused in time; once it is back all is well again."""
    from tests.servers.postgres import Postgres

    with Postgres() as server, closing(Site(tmp_path, server.url, parent)) as site:
        site.start()
        site.deliver("evt_1")
        site.wait_for("end evt_1")
        server.kill()
        with in_time(5):
            reply = site.deliver("evt_2")
        assert (reply.status, reply.error and reply.error.code) == (503, "dispatch_failed")
        server.restart()
        assert site.deliver("evt_2").outcome == "queued"
        site.wait_for("end evt_2")


def test_a_server_that_hangs_costs_a_delivery_seconds(tmp_path: Path, parent: Preloaded) -> None:
    """A server that does not answer costs a delivery less than its sender waits."""
    from tests.servers.postgres import Postgres

    with Postgres() as server, closing(Site(tmp_path, server.url, parent)) as site:
        site.deliver("evt_1")
        server.pause()
        with in_time(5):
            reply = site.deliver("evt_2")
        server.resume()
        assert reply.status == 503
        assert site.deliver("evt_2").status == 200


def test_file_is_locked(on_file: Site) -> None:
    """A file that somebody else keeps locked costs a delivery less than its sender waits."""
    with closing(sqlite3.connect(on_file.folder / "engine.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with in_time(5):
            assert on_file.deliver("evt_1").status == 503
    assert on_file.deliver("evt_1").status == 200


def test_lock_outlives_the_server(tmp_path: Path) -> None:
    """A worker whose server was restarted has its place again before another can take it."""
    from tests.servers.postgres import Postgres

    with Postgres() as server:
        url = checked_url(server.url)
        with Lock(url, "queue") as lock:
            server.kill()
            lock.check()
            lock.check()
            server.restart()
            lock.check()
            assert not Lock(url, "queue").take()
        with Lock(url, "queue"):
            pass


def test_lock_taken_by_another(tmp_path: Path) -> None:
    """A worker whose place was taken meanwhile stops."""
    from tests.servers.postgres import Postgres

    with Postgres() as server:
        url = checked_url(server.url)
        with Lock(url, "queue") as lock:
            server.kill()
            lock.check()
            server.restart()
            with (
                Lock(url, "queue"),
                pytest.raises(ConfigurationError, match="another worker"),
            ):
                lock.check()


def test_file_that_cannot_be_locked(tmp_path: Path) -> None:
    """A file that is not SQLite's is named, is no second worker, and is not left open."""
    lock = Lock(checked_url(f"sqlite:///{tmp_path}/engine.db"), "queue")
    Path(lock._file).write_bytes(b"not SQLite's" * 100)
    with pytest.raises(ConfigurationError, match="cannot lock the file"):
        lock.take()
    opened = [str(each.readlink()) for each in Path("/proc/self/fd").iterdir() if each.exists()]
    assert lock._file not in opened


def test_key_that_cannot_be_taken(postgres: "Postgres") -> None:
    """A server that refuses the lock is told, and no connection to it is left open."""
    url = postgres.database(f"engine_{free_port()}")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE ROLE no_locks LOGIN")
        connection.execute("REVOKE EXECUTE ON FUNCTION pg_try_advisory_lock(bigint) FROM PUBLIC")
        lock = Lock(checked_url(url.replace("postgres@", "no_locks@")), "queue")
        with pytest.raises(DispatchError, match="InsufficientPrivilege") as refused:
            lock.take()
        others = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'no_locks'"
        wait_until(lambda: connection.execute(others).fetchone() == (0,))
        assert refused.value.__cause__ is not None  # which would have kept the connection


# --- an old SQLite ----------------------------------------------------------------------------


def test_old_sqlite_knows_milliseconds() -> None:
    """What an SQLite before 3.42 does not know of DBOS's, its connections are given."""
    made = sqlite3.connect(":memory:", factory=dbos_database._WithMilliseconds)
    with closing(made) as connection:
        connection.execute("CREATE TABLE t (n, at INTEGER DEFAULT (unixepoch('subsec') * 1000))")
        before = time.time() * 1000
        connection.execute("INSERT INTO t (n) VALUES (1)")
        [(found,)] = connection.execute("SELECT at FROM t").fetchall()
    assert before - 1 <= found <= time.time() * 1000 + 1


@pytest.mark.parametrize(
    ("python", "version", "lacks"),
    [
        ((3, 11, 9), (3, 40, 1), False),
        ((3, 12, 0), (3, 40, 1), True),
        ((3, 13, 0), (3, 41, 9), True),
        ((3, 13, 0), (3, 42, 0), False),
    ],
)
def test_which_sqlite_lacks_milliseconds(
    python: Any, version: Any, *, lacks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From Python 3.12 on DBOS asks for what SQLite has since 3.42; only then we step in."""
    monkeypatch.setattr(sqlite3, "sqlite_version_info", version)
    monkeypatch.setattr(sys, "version_info", python)
    assert dbos_database.lacks_milliseconds(checked_url("sqlite:///engine.db")) is lacks
    assert not dbos_database.lacks_milliseconds(checked_url("postgresql://localhost/engine"))


def test_sqlite_that_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """An SQLite with which DBOS cannot work is refused when the receiver is made."""
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
    monkeypatch.setattr(sqlite3, "sqlite_version", "3.34.1")
    with pytest.raises(ConfigurationError, match=r"3.35 or later.* has 3.34.1.*dbos\+postgresql"):
        DBOSDispatcher()


# --- small and lasting ------------------------------------------------------------------------


def test_finished_work_is_deleted(on_file: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has finished does not stay in the engine for ever, and what has not does."""
    for number in range(5):
        on_file.deliver(f"evt_{number}")
    worker = on_file.start()
    on_file.wait_for(*(f"end evt_{number}" for number in range(5)))
    worker.terminate()
    worker.wait()
    on_file.deliver("evt_9")
    monkeypatch.setattr(module, "_KEPT", timedelta(0))
    monkeypatch.setattr(module, "_BATCH", 2)
    on_file.engine._collect("coffrify-webhooks/default")
    assert [each.status for each in on_file.engine._client.list_workflows()] == ["ENQUEUED"]


def test_a_dispatcher_works_on_both_sides_of_a_fork(site: Site) -> None:
    """A dispatcher that was used before a fork works on both sides of it."""
    site.deliver("evt_0")
    child = os.fork()
    if child == 0:
        os._exit(0 if site.deliver("evt_1").status == 200 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert site.deliver("evt_2").status == 200
    assert len(site.engine._client.list_workflows()) == 3


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("sqlite+aiosqlite:///x.db", "does not support"),
        ("mysql://root@localhost/test", "does not support 'mysql'"),
        ("postgresql://localhost", "names no database"),
        ("engine.db", "cannot be read"),
        ("sqlite:////no/such/folder/x.db", "refused the connection"),
        (None, "cannot be read"),
    ],
)
def test_an_unusable_url_is_refused_when_the_receiver_is_made(url: Any, says: str) -> None:
    """A URL that cannot work is refused when the receiver is made, with what would."""
    with pytest.raises(ConfigurationError, match=says):
        DBOSDispatcher(url)


def test_a_server_that_turns_us_away_is_a_mistake_in_the_settings(postgres: "Postgres") -> None:
    """A server that turns us away is a mistake in the settings, not an outage."""
    with pytest.raises(ConfigurationError, match="refused the connection"):
        DBOSDispatcher(postgres.url.removesuffix("postgres") + "nowhere")


def test_server_away_at_start(caplog: pytest.LogCaptureFixture) -> None:
    """A server that is not there yet keeps no web process from starting."""
    engine = DBOSDispatcher(f"postgresql://postgres@127.0.0.1:{free_port()}/postgres")
    assert "each delivery tries again" in caplog.text
    with pytest.raises(DispatchError):
        engine.dispatch({"receiver": "default", "token": "abc"})


@pytest.mark.parametrize("name", ["", "ab", "Shop", "a b c", "x" * 61, 7])
def test_a_name_that_dbos_would_refuse_is_refused(name: Any) -> None:
    """A name that DBOS would refuse later is refused at once."""
    with pytest.raises(ConfigurationError, match="lower-case"):
        DBOSDispatcher(name=name)


@pytest.mark.parametrize("concurrency", [0, -1, 1.5, True, "8"])
def test_the_concurrency_is_a_number_of_events(concurrency: Any) -> None:
    """The concurrency is a number of events."""
    with pytest.raises(ConfigurationError, match="from 1"):
        DBOSDispatcher(concurrency=concurrency)


@pytest.mark.parametrize("found", ["2.31.0", "3.3.9", "4.0.0", "4", "4.0rc1", "2.0a1", "unknown"])
def test_a_dbos_of_another_version_is_named(found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A DBOS that is too old or too new is named, with what to install."""
    monkeypatch.setattr(dbos_settings, "version", lambda name: found)
    with pytest.raises(ConfigurationError, match=rf"dbos {found} is .* pip install"):
        DBOSDispatcher()


@pytest.mark.parametrize("found", ["3.4.0", "3.5rc1", "3.10.0a2", "3.4.dev1"])
def test_a_release_candidate_of_dbos_is_read(found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever follows the two numbers that count."""
    monkeypatch.setattr(dbos_settings, "version", lambda name: found)
    dbos_settings.refuse_other_versions()


def test_without_dbos_the_error_says_what_to_install(tmp_path: Path) -> None:
    """Without DBOS the error says what to install."""
    code = (
        "import sys; sys.modules['dbos'] = None\n"
        "from coffrify_webhooks.errors import ConfigurationError\n"
        "try:\n    import coffrify_webhooks.dispatch.dbos\n"
        "except ConfigurationError as error: print(error)"
    )
    command = [sys.executable, "-c", code]
    said = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert 'pip install "coffrify-webhooks[dbos]"' in said.stdout


def test_password_is_not_shown(postgres: "Postgres") -> None:
    """A dispatcher that is printed shows no password."""
    engine = DBOSDispatcher.from_url("dbos+" + postgres.url.replace("postgres@", "postgres:pw@"))
    assert "pw" not in repr(engine)


# --- the command ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("dispatcher=", "dispatcher=None and "), "has no engine"),
        (("dispatcher=", "dispatcher=Mute() or "), "Mute has no worker of its own"),
        (("router=router", "router=Router()"), "no handler is registered"),
        (('"sqlite:///store.db"', '"memory:"'), "a store in memory"),
        (("receiver = Receiver", "receivers = lambda: Receiver"), "there is no Receiver"),
    ],
)
def test_a_worker_that_could_not_work_says_so(
    on_file: Site, change: tuple[str, str], says: str
) -> None:
    """A worker that could not work says so, and how it could."""
    mute = "class Mute:\n    def dispatch(self, message): ...\n\n\n"
    on_file.replace("receiver = Receiver", f"{mute}receiver = Receiver")
    on_file.replace(*change)
    assert on_file.start().wait(60) == 2
    assert says in on_file.log()
    assert "Traceback" not in on_file.log()


def test_application_runs_dbos_itself(on_file: Site) -> None:
    """An application that has started a DBOS of its own in the worker is told that it may not."""
    own = """
from dbos import DBOS
DBOS(config={"name": "shop", "system_database_url": "sqlite:///shop.db"})
"""
    on_file.add(own)
    assert on_file.start().wait(60) == 2
    assert "started its own DBOS" in on_file.log()


def test_the_worker_says_what_it_works_on(on_file: Site) -> None:
    """The worker says at its start what it works on."""
    on_file.deliver("evt_1")
    on_file.start()
    on_file.wait_for("end evt_1")
    first = on_file.log().splitlines()[0]
    for part in ("engine.db", "concurrency=4", "store.db", "handlers: 3"):
        assert part in first
