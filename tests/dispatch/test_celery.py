"""Events through Celery: a web process here, a real Valkey, and real `celery worker` processes.

What the handlers do, the tests say by files: `hold` lets them wait, `fail` lets them raise.
"""

import base64
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery
from flask import Flask
from kombu.entity import Queue
from tests.dispatch.handlers import NO_EXCEPTIONS
from tests.dispatch.workplace import SECRET, Workplace
from tests.in_time import in_time
from tests.servers.preloaded import Forked, Preloaded
from tests.servers.process import _children, free_port, own_environment
from tests.servers.valkey import Valkey

from coffrify_webhooks import Receiver, sign
from coffrify_webhooks.dispatch import celery_broker
from coffrify_webhooks.dispatch.celery import CeleryDispatcher
from coffrify_webhooks.errors import ConfigurationError, DispatchError
from coffrify_webhooks.flask import CoffrifyWebhooks

_databases = count(1)
LEASE = 1.0
VISIBILITY = 2.0
OPTIONS = {
    "socket_timeout": 2,
    "socket_connect_timeout": 2,
    "visibility_timeout": VISIBILITY,
    "unacked_restore_interval": 0.2,
    "unacked_restore_throttle": 1,
    "unacked_mutex_expire": 2,  # of a worker that is killed while it looks
}
SLOWER = OPTIONS | {"visibility_timeout": 300}
"""For receivers with the ordinary lease."""
APP = """
from celery import Celery
from handlers import router

from coffrify_webhooks import Receiver
from coffrify_webhooks.dispatch import celery_worker as adapter
from coffrify_webhooks.dispatch.celery import CeleryDispatcher
from coffrify_webhooks.errors import Busy
from coffrify_webhooks.retries import Retries

app = Celery("shop", broker={broker!r})
app.conf.update(worker_prefetch_multiplier=1, broker_transport_options={options!r})


def make(**options):
    return Receiver(
        {secret!r},
        store="sqlite:///store.db",
        dispatcher=CeleryDispatcher(app),
        router=router,
        **dict(lease={lease}, retries=Retries(attempts=3, first=0.2), **options),
    )


Busy.retry_after = 0.3
receiver = make()
"""

SECOND = """
from handlers import _note


@router.on("transfer.*", name="second")
def second(event):
    _note("second", event)
"""


def celery_app(broker: str, **settings: Any) -> Any:
    app: Any = Celery("shop", broker=broker, set_as_current=False)
    app.conf.update(worker_prefetch_multiplier=1, broker_transport_options=OPTIONS)
    app.conf.update(**settings)
    return app


class Site(Workplace):
    """With workers of Celery's."""

    def __init__(self, folder: Path, broker: str, parent: Preloaded) -> None:
        self.broker = broker
        self.parent = parent
        self.app = celery_app(broker)
        self.engine = CeleryDispatcher(self.app)
        made = {"broker": broker, "options": OPTIONS, "secret": SECRET, "lease": LEASE}
        super().__init__(folder, self.engine, LEASE, "shop.py", APP.format(**made))
        self.workers: list[Forked] = []

    def start(self, *words: str, app: str = "shop", **environment: str) -> Forked:
        command = [sys.executable, "-m", "celery", "-A", app, "worker", "--loglevel", "INFO"]
        command += ["--concurrency", "2", "--without-mingle", "--without-gossip", *words]
        environment = own_environment() | {"PYTHONUNBUFFERED": "1"} | environment
        worker = self.parent.start(command, self.folder, environment, self.folder / "log")
        self.workers.append(worker)
        return worker

    def broker_client(self) -> Any:
        return redis.Redis.from_url(self.broker)

    def in_broker(self) -> int:
        """Return how many messages the broker has, those that a worker is at included."""
        with self.broker_client() as client:
            return int(client.llen("celery")) + int(client.hlen("unacked"))

    def close(self) -> None:
        for worker in self.workers:
            kill_all(worker)
        self.web.store.close()


def kill_all(worker: Forked) -> None:
    """Send SIGKILL to a worker and to its pool, as when the machine goes."""
    if worker.poll() is None:
        os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()


@pytest.fixture(scope="module")
def parent() -> Iterator[Preloaded]:
    """What workers are forked of; `make chaos` starts them as a user does."""
    ours = ("coffrify_webhooks.dispatch.celery_worker", "coffrify_webhooks.stores.sqlite")
    theirs = ("celery.bin.celery", "celery.apps.worker", "celery.worker.consumer")
    more = ("celery.concurrency.prefork", "celery.fixups.django", "kombu.transport.redis")
    with Preloaded(*theirs, *more, *ours) as made:
        yield made


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with Valkey("--databases", "1000") as server:
        yield server


@pytest.fixture
def broker(server: Valkey) -> str:
    """Give each test a database of its own: whatever outlives a test reaches no other."""
    return f"redis://127.0.0.1:{server.port}/{next(_databases)}"


@pytest.fixture
def site(tmp_path: Path, broker: str, parent: Preloaded) -> Iterator[Site]:
    made = Site(tmp_path, broker, parent)
    yield made
    made.close()


@pytest.fixture
def own(tmp_path: Path, parent: Preloaded) -> Iterator[tuple[Site, Valkey]]:
    """A site whose broker is its own: to kill, to pause."""
    with Valkey() as server, closing(Site(tmp_path, server.url, parent)) as site:
        yield site, server


# --- events go through ------------------------------------------------------------------------


def test_answer_waits_for_no_handler(site: Site) -> None:
    """The event is acknowledged while its handler still runs, and settled when it has."""
    hold = site.touch("hold")
    site.start()
    reply = site.deliver("evt_1")
    assert (reply.status, reply.outcome) == (200, "queued")
    site.wait_for("begin evt_1")
    assert site.status("evt_1") == "running"
    assert site.in_broker() == 1  # acknowledged only when it is done
    hold.unlink()
    site.wait_until_done("evt_1")
    site.wait(lambda: site.in_broker() == 0)
    assert site.journal() == ["begin evt_1", "end evt_1"]


def test_a_duplicate_is_acknowledged_and_not_run(site: Site) -> None:
    """A duplicate while the event is queued, running or done is acknowledged and not run."""
    hold = site.touch("hold")
    site.deliver("evt_1")
    replies = [site.deliver("evt_1")]
    site.start()
    site.wait_for("begin evt_1")
    replies.append(site.deliver("evt_1"))
    hold.unlink()
    site.wait_until_done("evt_1")
    replies.append(site.deliver("evt_1"))
    assert [(reply.status, reply.outcome) for reply in replies] == [(200, "duplicate")] * 3
    assert site.journal() == ["begin evt_1", "end evt_1"]


def test_async_large_and_odd(site: Site) -> None:
    """Async handlers run in the pool; what was signed arrives whole, however large and odd."""
    large = b'{"id": "evt_1", "type": "ping", "data": {"name": "\\ud800\\u0000%s"}}'
    large %= b"x" * 900_000
    odd = b'{"id": "evt_\\ud800\\u0000", "type": "ping", "data": {}}'
    unsigned_id = {k: v for k, v in sign(odd, SECRET).items() if k.lower().startswith("x-")}
    assert site.web.receive(large, sign(large, SECRET)).outcome == "queued"
    assert site.web.receive(odd, unsigned_id).outcome == "queued"
    site.start()
    site.wait_for("end evt_1")
    site.wait(lambda: len(site.journal()) == 2)


@pytest.mark.parametrize("pool", ["threads", "solo"])
def test_the_other_pools_handle_events_and_sweep(site: Site, pool: str) -> None:
    """The other pools handle events, async ones too, and sweep."""
    site.deliver("evt_1")
    with site.broker_client() as client:
        client.flushdb()
    site.deliver("evt_2", "ping")
    site.add("receiver.lost_after = 0.1\nadapter._CARE = 0.2")
    site.start("--pool", pool)
    site.wait_for("end evt_1", "end evt_2")


def test_payload_is_not_shown(site: Site) -> None:
    """What Celery's logs and monitors show of an event is its id, not its payload."""
    site.deliver("evt_1")
    with site.broker_client() as client:
        message = json.loads(client.lindex("celery", 0))
    assert message["headers"]["argsrepr"] == "('default', 'evt_1')"
    assert message["properties"]["delivery_mode"] == 2
    site.start("--loglevel", "DEBUG")
    site.wait_until_done("evt_1")
    body = base64.b64encode(b'{"id": "evt_1"').decode()[:16]
    assert body in base64.b64decode(message["body"]).decode()
    assert body not in site.log()


def test_receivers_of_different_names_share_an_app(site: Site) -> None:
    """Receivers of different names share an app: each gets its own events."""
    site.add('other = make(name="other")')
    other = Receiver(
        SECRET, name="other", store=site.web.store, dispatcher=CeleryDispatcher(site.app), lease=1
    )
    body = b'{"id": "evt_2", "type": "ping", "data": {}}'
    site.deliver("evt_1", "ping")
    assert other.receive(body, sign(body, SECRET)).outcome == "queued"
    site.start()
    site.wait_for("end evt_1", "end evt_2")


# --- processes die ----------------------------------------------------------------------------


def test_worker_is_killed(site: Site) -> None:
    """What a killed worker was running, or had fetched, is handled by the next one."""
    hold = site.touch("hold")
    worker = site.start()
    names = [f"evt_{number}" for number in range(5)]
    for name in names:
        assert site.deliver(name).status == 200
    site.wait(lambda: len(site.journal()) == 2)  # its concurrency
    kill_all(worker)
    hold.unlink()
    site.start()
    site.wait_until_done(*names)
    ends = [line for line in site.journal() if line.startswith("end")]
    assert sorted(ends) == sorted(f"end {name}" for name in names)


def test_process_of_the_pool_is_killed(site: Site) -> None:
    """When only the process dies that runs the handler, the event is handled again too."""
    hold = site.touch("hold")
    worker = site.start()
    site.deliver("evt_1")
    site.wait_for("begin evt_1")
    for child in _children(worker.pid):
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    hold.unlink()
    site.wait_until_done("evt_1")
    assert site.journal() == ["begin evt_1", "begin evt_1", "end evt_1"]


def test_process_of_the_pool_is_told_to_stop(site: Site) -> None:
    """SIGTERM to the process that runs the handler: no handler begins after; it is run again."""
    hold = site.touch("hold")
    site.add(SECOND)
    worker = site.start("--concurrency", "1")
    site.deliver("evt_1")
    site.wait_for("begin evt_1")
    [child] = _children(worker.pid)
    os.kill(child, signal.SIGTERM)
    site.wait(lambda: site.journal().count("begin evt_1") == 2)  # by the next one
    assert "second evt_1" not in site.journal()
    hold.unlink()
    site.wait_until_done("evt_1")
    assert site.journal() == ["begin evt_1", "begin evt_1", "end evt_1", "second evt_1"]


def test_a_handler_beyond_the_time_limit_is_run_again(site: Site) -> None:
    """A handler that the app's task_time_limit kills has made an attempt, and is run again."""
    hold = site.touch("hold")
    site.start("--time-limit", "1")
    site.deliver("evt_1")
    site.wait(lambda: "Hard time limit" in site.log())
    hold.unlink()
    site.wait_until_done("evt_1")


def test_a_signal_lets_what_runs_come_to_its_end(site: Site) -> None:
    """A worker that is told to stop begins nothing more, and lets what runs come to its end."""
    hold = site.touch("hold")
    worker = site.start()
    for number in range(4):
        site.deliver(f"evt_{number}")
    site.wait(lambda: len(site.journal()) == 2)
    worker.terminate()
    site.wait(lambda: "Warm shutdown" in site.log())
    hold.unlink()
    assert worker.wait(60) == 0
    assert len(site.journal()) == 4
    assert [site.status(f"evt_{number}") for number in range(4)].count("queued") == 2
    assert site.in_broker() == 2


def test_stop_is_bounded(site: Site) -> None:
    """With a soft shutdown, a handler that goes on for too long is left to the next worker."""
    hold = site.touch("hold")
    site.add("app.conf.worker_soft_shutdown_timeout = 1")
    with Preloaded() as parent:  # Celery reads the variable when it is imported
        forking, site.parent = site.parent, parent
        worker = site.start(REMAP_SIGTERM="SIGQUIT")
        site.deliver("evt_1")
        site.wait_for("begin evt_1")
        began = time.monotonic()
        worker.terminate()
        worker.wait(40)
    assert time.monotonic() - began > 1
    hold.unlink()
    site.parent = forking
    site.start()
    site.wait_until_done("evt_1")


# --- what fails -------------------------------------------------------------------------------


def test_failing_handler_is_tried_again(site: Site) -> None:
    """A handler that raised is run again by the receiver's policy, until it succeeds."""
    fail = site.touch("fail")
    site.start()
    site.deliver("evt_1")
    site.wait(lambda: site.journal().count("begin evt_1") == 2)
    fail.unlink()
    site.wait_until_done("evt_1")


def test_dead_after_the_last_attempt(site: Site) -> None:
    """After the last attempt the event is a dead letter, and the broker is done with it."""
    site.touch("fail")
    site.start()
    site.deliver("evt_1")
    site.wait(lambda: site.status("evt_1") == "dead")
    site.wait(lambda: site.in_broker() == 0)
    assert site.journal() == ["begin evt_1"] * 3


def test_waiting_retries_keep_no_place(site: Site) -> None:
    """Events that wait for their next attempt leave the worker to the others."""
    site.replace("first=0.2", "first=60")
    file = site.touch("fail")
    site.start()
    for number in range(6):  # three times its concurrency
        site.deliver(f"evt_{number}")
    site.wait(lambda: len(site.journal()) == 6)
    file.unlink()
    site.deliver("evt_9")
    site.wait_for("end evt_9")


def test_whatever_a_handler_raises_is_its_failure(site: Site) -> None:
    """What is no `Exception` is retried and told by name; it ends no worker and keeps no place."""
    site.touch("raise")
    worker = site.start()
    kinds = ("transfer.created", "api_key.created")  # with a sync handler, and an async one
    events = {f"evt_{what[0]}_{name}": what for what in kinds for name in NO_EXCEPTIONS}
    del events["evt_t_KeyboardInterrupt"]  # which a sync handler has in the main thread here
    for name, what in events.items():
        site.deliver(name, what)
    site.wait(lambda: all(site.status(name) == "dead" for name in events))
    assert all(f"raised {name.rpartition('_')[2]}" in site.error(name) for name in events)
    assert Counter(site.journal()) == dict.fromkeys((f"begin {name}" for name in events), 3)
    (site.folder / "raise").unlink()
    site.deliver("evt_9")
    site.wait_for("end evt_9")
    assert worker.poll() is None
    site.wait(lambda: site.in_broker() == 0)


def test_a_wait_beyond_the_visibility_timeout_ends_once(site: Site) -> None:
    """A wait beyond the visibility timeout ends when it is due: not before, and only once."""
    wait = 2.2 * VISIBILITY
    site.replace("first=0.2", f"first={wait}, jitter=0")
    fail = site.touch("fail")
    site.start()
    site.start("--hostname", "second@%h")
    began = time.monotonic()
    site.deliver("evt_1")
    site.wait_for("begin evt_1")
    fail.unlink()
    site.wait_until_done("evt_1")
    assert time.monotonic() - began >= wait
    site.wait(lambda: site.in_broker() == 0)
    assert site.journal() == ["begin evt_1", "begin evt_1", "end evt_1"]
    # Beside the two attempts: five waits of a second at most, fewer if the machine takes longer.
    # The log is written when a task is over.
    site.wait(lambda: site.log().count("handled") == 2)
    assert 2 < site.log().count("succeeded") <= 2 + 6


def test_broker_loses_an_event(site: Site) -> None:
    """An event that the broker has lost is dispatched again by a worker's sweep."""
    site.deliver("evt_1")
    with site.broker_client() as client:
        client.flushdb()
    site.add("receiver.lost_after = 0.5\nadapter._CARE = 0.5")
    site.start()
    site.wait_for("end evt_1")


def test_messages_that_are_not_ours(site: Site) -> None:
    """A message that is not ours is reported and dropped; the others are handled."""
    site.engine.dispatch({"version": 99, "receiver": "default", "token": "abc"})
    site.app.send_task("coffrify_webhooks.execute", (["odd"],))
    site.deliver("evt_1")
    site.start()
    site.wait_for("end evt_1")
    site.wait(lambda: site.log().count("was dropped") == 2)
    site.wait(lambda: site.in_broker() == 0)


def test_an_unknown_receivers_event_is_left_to_a_worker_that_has_it(site: Site) -> None:
    """An event for a receiver that a worker does not have is reported, and left to one that has."""
    site.replace("\nreceiver = make()", '\nreceiver = make(name="other")')
    site.add("adapter._AFTER_A_FAULT = 0.2")
    worker = site.start()
    site.deliver("evt_1")
    site.wait(lambda: "an event is for the receiver 'default'" in site.log())
    kill_all(worker)
    site.add("receiver = make()")
    site.start()
    site.wait_for("end evt_1")


def test_without_the_broker_deliveries_are_refused_at_once(own: tuple[Site, Valkey]) -> None:
    """Without the broker deliveries are refused at once; once it is back all is well again."""
    site, server = own
    site.start()
    site.deliver("evt_1")
    site.wait_for("end evt_1")
    site.wait(lambda: site.in_broker() == 0)
    server.kill()
    with in_time(2):
        reply = site.deliver("evt_2")
    assert (reply.status, reply.error and reply.error.code) == (503, "dispatch_failed")
    server.restart()
    assert site.deliver("evt_2").outcome == "queued"
    site.wait_for("end evt_2")


@pytest.mark.parametrize("before", [0, 1])
def test_a_broker_that_hangs_costs_a_delivery_seconds(
    own: tuple[Site, Valkey], before: int
) -> None:
    """A broker that does not answer costs a delivery less than its sender waits."""
    site, server = own
    for _ in range(before):
        site.deliver("evt_0")  # so that there is a connection
    server.pause()
    with in_time(4.5):
        reply = site.deliver("evt_1")
    server.resume()
    assert reply.status == 503
    assert site.deliver("evt_1").outcome == "queued"


def test_broker_away_when_a_retry_is_sent(own: tuple[Site, Valkey]) -> None:
    """A retry that the broker cannot take at once is sent when it is back."""
    site, server = own
    hold, fail = site.touch("hold"), site.touch("fail")
    site.start()
    site.deliver("evt_1")
    site.wait_for("begin evt_1")
    server.kill()
    hold.unlink()
    site.wait(lambda: "did not take the event" in site.log())
    fail.unlink()
    server.restart()
    site.start()  # on losing Redis, Celery 5.7 ends a worker that was at something
    site.wait_until_done("evt_1")


def test_broker_takes_no_retry(own: tuple[Site, Valkey]) -> None:
    """A message whose retry the broker does not take at all is not acknowledged: it comes back."""
    site, _ = own
    site.add("adapter._PATIENCE = 0")
    hold, fail = site.touch("hold"), site.touch("fail")
    site.start()
    site.deliver("evt_1")
    site.wait_for("begin evt_1")
    with site.broker_client() as client:
        client.config_set("maxmemory", "1")
        hold.unlink()
        site.wait(lambda: "did not take the event (OutOfMemoryError)" in site.log())
        fail.unlink()
        client.config_set("maxmemory", "0")
    site.start()  # Celery may end a worker whose message it could not put back
    site.wait_until_done("evt_1")


def test_a_dead_connection_costs_no_delivery(site: Site) -> None:
    """A connection that died while it was idle costs no delivery."""
    line = site.engine._task.line
    away = celery_app(f"redis://127.0.0.1:{free_port()}/0")
    CeleryDispatcher(away)
    line._idle.append(celery_broker.Line(away)._producer())
    assert site.deliver("evt_1").status == 200
    assert site.in_broker() == 1


def test_a_dispatcher_works_on_both_sides_of_a_fork(site: Site) -> None:
    """A dispatcher that was used before a fork works on both sides of it, on own connections."""
    site.deliver("evt_0")
    child = os.fork()
    if child == 0:
        os._exit(0 if site.deliver("evt_1").status == 200 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert site.deliver("evt_2").status == 200
    assert site.in_broker() == 3
    line = site.engine._task.line
    [before] = line._idle
    celery_broker._after_fork()
    site.deliver("evt_3")
    assert line._idle != [before]


# --- Django -----------------------------------------------------------------------------------


DJANGO = {
    "proj/__init__.py": "from .celery import app",
    "proj/settings.py": """
SECRET_KEY = "only-for-tests"
USE_TZ = True
ROOT_URLCONF = "proj.urls"
DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": "db"}}}}
INSTALLED_APPS = [
    "django.contrib.contenttypes", "django.contrib.auth", "coffrify_webhooks.django", "shop"
]
COFFRIFY_WEBHOOKS = {{"SECRETS": {secret!r}, "DISPATCHER": "celery:proj.celery:app"}}
CELERY_BROKER_URL = {broker!r}
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_TRANSPORT_OPTIONS = {options!r}
""",
    "proj/urls.py": """
from django.urls import include, path
urlpatterns = [path("webhooks/", include("coffrify_webhooks.django.urls"))]
""",
    "proj/celery.py": """
import os
from celery import Celery
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "proj.settings")
app = Celery("proj")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
""",
    "shop/__init__.py": "",
    "shop/webhooks.py": """
from django.contrib.auth.models import Group
from coffrify_webhooks import on


@on("transfer.created")
def note(event):
    Group.objects.create(name=event.id)
""",
    "web.py": """
import proj
import django
from django.core.management import call_command
from django.test import Client
from coffrify_webhooks import sign
django.setup()
call_command("migrate", verbosity=0)
body = b'{{"id": "evt_1", "type": "transfer.created", "data": {{}}}}'
reply = Client(headers=sign(body, {secret!r})).post(
    "/webhooks/coffrify", body, content_type="application/json"
)
print(reply.status_code, reply.content)
""",
}


def test_in_django_a_setting_is_enough(tmp_path: Path, broker: str, parent: Preloaded) -> None:
    """In Django a setting is enough: Celery's autodiscovery finds the receiver and its handlers."""
    made = {"broker": broker, "secret": SECRET, "options": SLOWER}
    for name, text in DJANGO.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text.format(**made))
    command = [sys.executable, "web.py"]
    said = subprocess.run(
        command,
        cwd=tmp_path,
        env=own_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.stdout.startswith("200 "), said
    with closing(Site(tmp_path, broker, parent)) as site:
        site.start(app="proj")
        with closing(sqlite3.connect(tmp_path / "db")) as database:
            names = "SELECT name FROM auth_group"
            site.wait(lambda: database.execute(names).fetchall() == [("evt_1",)])
            status = "SELECT status FROM coffrify_webhooks_events"
            site.wait(lambda: database.execute(status).fetchall() == [("done",)])


def test_django_with_another_engine(tmp_path: Path) -> None:
    """Where Celery is not the engine, what it discovers of ours does nothing."""
    code = (
        "from django.conf import settings\n"
        "settings.configure(COFFRIFY_WEBHOOKS={'DISPATCHER': 'dbos+sqlite:////no/folder/x.db'})\n"
        "import coffrify_webhooks_django.tasks"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


# --- what is refused --------------------------------------------------------------------------


def receiver_of(app: Any, **options: Any) -> Receiver:
    return Receiver(SECRET, store="memory:", dispatcher=CeleryDispatcher(app), **options)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"worker_prefetch_multiplier": 4}, "worker_prefetch_multiplier is 4"),
        ({"worker_prefetch_multiplier": 0}, "worker_prefetch_multiplier is 0"),
        ({"task_always_eager": True}, "task_always_eager is set"),
        ({"accept_content": ["pickle"]}, "accept_content has no 'json'"),
        ({"broker_url": "memory://"}, "'memory' is not a broker"),
        ({"broker_url": "filesystem://"}, "'filesystem' is not a broker"),
        ({"broker_url": "sqla+sqlite:///x.db"}, "'(sqlalchemy|sqla)' is not a broker"),
        ({"broker_read_url": "memory://"}, "'memory' is not a broker"),
        ({"broker_write_url": "memory://"}, "'memory' is not a broker"),
        ({"broker_transport_options": SLOWER | {"socket_timeout": None}}, "'socket_timeout'"),
        ({"broker_transport_options": SLOWER | {"socket_timeout": 99}}, "'socket_timeout'.*99"),
        (
            {"broker_transport_options": SLOWER | {"socket_connect_timeout": None}},
            "'socket_connect_timeout'",
        ),
        ({"broker_transport_options": SLOWER | {"ack_emulation": False}}, "'ack_emulation'"),
        ({"broker_transport_options": SLOWER | {"visibility_timeout": 60}}, r"lease.*=60"),
        (
            {"broker_transport_options": SLOWER | {"unacked_restore_throttle": 5000}},
            "unacked_restore_throttle",
        ),
        ({"task_annotations": {"*": {"acks_late": False}}}, "make acks_late"),
        (
            {"task_annotations": {"*": {"reject_on_worker_lost": False}}},
            "make reject_on_worker_lost",
        ),
        ({"task_annotations": {"*": {"acks_on_timeout": True}}}, "make acks_on_timeout"),
        ({"task_annotations": {"*": {"ignore_result": False}}}, "make ignore_result"),
        ({"task_annotations": {"*": {"serializer": "pickle"}}}, "make serializer"),
        ({"task_annotations": {"*": {"expires": 60}}}, "make expires"),
        (
            {"task_create_missing_queues": False, "task_default_queue": "nowhere",
             "task_queues": [Queue("celery")]},
            "task_routes: .*nowhere",
        ),
        ({"task_queues": [Queue("celery", durable=False)]}, "durable=False"),
        ({"task_queues": [Queue("celery", auto_delete=True)]}, "auto_delete"),
        ({"task_queues": [Queue("celery", message_ttl=5)]}, "message_ttl"),
        ({"task_queues": [Queue("celery", no_ack=True)]}, "no_ack"),
        (
            {"task_queues": [Queue("celery", queue_arguments={"x-message-ttl": 5})]},
            "x-message-ttl",
        ),
    ],
)  # fmt: skip
def test_an_unsafe_setting_is_refused_when_the_receiver_is_made(
    settings: dict[str, Any], says: str
) -> None:
    """A setting with which events could be lost is refused when the receiver is made."""
    safe = {"broker_transport_options": SLOWER}
    receiver_of(celery_app("redis://127.0.0.1/0", **safe))
    with pytest.raises(ConfigurationError, match=says):
        receiver_of(celery_app("redis://127.0.0.1/0", **(safe | settings)))


def test_the_default_settings_are_refused_with_what_mends_them() -> None:
    """Celery's own settings are refused, all at once, and what is to be pasted mends them."""
    app: Any = Celery("shop", broker="redis://:hunter2@127.0.0.1/0", set_as_current=False)
    app.conf.broker_transport_options = {"sentinel_kwargs": {"password": "hunter3"}}
    with pytest.raises(ConfigurationError) as refused:
        receiver_of(app)
    said = str(refused.value)
    for setting in ("worker_prefetch_multiplier", "socket_timeout", "socket_connect_timeout"):
        assert f"{setting}" in said
    assert "hunter" not in said
    exec(said[said.index("app.conf.update") :], {"app": app})
    receiver_of(app)
    assert "sentinel_kwargs" in app.conf.broker_transport_options


@pytest.mark.parametrize(
    "given", [{}, {"CELERY_BROKER_TRANSPORT_OPTIONS": {"password": "hunter2"}}]
)
def test_settings_of_a_namespace_are_named_as_there(given: dict[str, Any]) -> None:
    """A Django project is told the lines of its settings.py, and what is pasted there mends it."""
    settings = {"CELERY_BROKER_URL": "redis://:hunter2@127.0.0.1/0", **given}

    def made() -> Any:
        app: Any = Celery("proj", set_as_current=False)
        app.config_from_object(settings, namespace="CELERY")
        return app

    with pytest.raises(ConfigurationError) as refused:
        receiver_of(made())
    said = str(refused.value)
    assert "app.conf" not in said
    assert "hunter2" not in said
    exec(said[said.index("\nCELERY_") :], settings)
    receiver_of(made())
    assert settings["CELERY_BROKER_TRANSPORT_OPTIONS"]["socket_timeout"] == 5


def test_celerys_errors_name_the_frameworks_settings(tmp_path: Path) -> None:
    """Where they speak of the receiver's options, as app.config has them."""
    app = celery_app(
        "redis://127.0.0.1/0", broker_transport_options=OPTIONS, task_always_eager=True
    )
    flask = Flask("shop", instance_path=str(tmp_path))
    options = {"SECRETS": SECRET, "STORE": "memory:", "DISPATCHER": CeleryDispatcher(app)}
    flask.config["COFFRIFY_WEBHOOKS"] = options
    with pytest.raises(ConfigurationError) as refused:
        CoffrifyWebhooks(flask)
    for named in ('{"LEASE": 60}', '{"DISPATCHER": ...}'):
        assert f'app.config["COFFRIFY_WEBHOOKS"] = {named}' in str(refused.value)
    assert "Receiver" not in str(refused.value)


@pytest.mark.parametrize("broker", ["redis://127.0.0.1/0", "amqp://127.0.0.1"])
def test_disabled_prefetch_will_do_where_celery_heeds_it(broker: str) -> None:
    """worker_disable_prefetch will do instead, but only where Celery heeds it."""
    options = {"worker_prefetch_multiplier": 4, "worker_disable_prefetch": True}
    app = celery_app(broker, **options, broker_transport_options=SLOWER)
    if broker.startswith("redis"):
        receiver_of(app)
    else:
        with pytest.raises(ConfigurationError, match="worker_prefetch_multiplier is 4"):
            receiver_of(app)


def test_a_setting_that_becomes_unsafe_is_refused_at_the_delivery(site: Site) -> None:
    """A setting that becomes unsafe later is refused at the first delivery."""
    site.app.conf.task_always_eager = True
    reply = site.deliver("evt_1")
    assert (reply.status, reply.outcome) == (500, "misconfigured")
    site.app.conf.task_always_eager = False
    assert site.deliver("evt_1").status == 200


IN_MEMORY = """
engine = CeleryDispatcher(app)
Receiver("a-secret-for-tests", name="x", store="memory:", dispatcher=engine, router=router, lease=1)
"""


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--prefetch-multiplier", "4"], "", "worker_prefetch_multiplier is 4"),
        ([], "app.conf.broker_transport_options = {}", "'socket_timeout'"),
        ([], "app.conf.accept_content = ['yaml']", "accept_content"),
        ([], "receiver.router._handlers.clear()", "no handler is registered"),
        ([], IN_MEMORY, "a store in memory"),
    ],
)
def test_worker_refuses_to_start(site: Site, words: list[str], code: str, says: str) -> None:
    """A worker with unsafe settings ends at once, and says which it is: also its command line's."""
    site.add(code)
    assert site.start(*words).wait(60) == 1, site.log()
    assert says in site.log()
    assert "Traceback" not in site.log()
    assert "ready" not in site.log()


def test_worker_of_another_queue(site: Site) -> None:
    """A worker that fetches none of our events starts with settings of its own, and says so."""
    site.start("-Q", "emails", "--prefetch-multiplier", "4")
    site.wait(lambda: " ready." in site.log())
    assert "this worker handles no events" in site.log()


def test_soft_time_limit(site: Site) -> None:
    """An async handler that a soft time limit interrupts has ended before it is run again."""
    hold = site.touch("hold")
    site.start("--soft-time-limit", "1")
    site.deliver("evt_1", "api_key.created")
    site.wait(lambda: site.journal().count("begin evt_1") == 2)
    hold.unlink()
    site.wait_until_done("evt_1")
    assert site.journal().count("end evt_1") == 1


def test_worker_without_receiver(site: Site) -> None:
    """A worker that has imported the app but no Receiver says so when it starts."""
    site.replace("\nreceiver = make()", "\nCeleryDispatcher(app)")
    site.start()
    site.wait(lambda: "this worker has no Receiver" in site.log())
    assert "Celery(include=[...]), or in Django app.autodiscover_tasks()" in site.log()


def test_no_celery_app() -> None:
    """What is no Celery application is refused."""
    with pytest.raises(ConfigurationError, match="not str"):
        CeleryDispatcher("redis://127.0.0.1")


def test_error_holds_no_password_or_payload() -> None:
    """An error, and the dispatcher that is printed, show neither the password nor the payload."""
    url = f"redis://:hunter2@127.0.0.1:{free_port()}/0"
    app = celery_app(url, broker_transport_options=SLOWER)
    engine = CeleryDispatcher(app)
    with pytest.raises(DispatchError) as refused:
        engine.dispatch({"receiver": "default", "body": "payload"})
    assert "hunter2" not in f"{refused.value} {engine!r}"
    assert "payload" not in str(refused.value)
    assert "127.0.0.1" in repr(engine)


# --- the URL ----------------------------------------------------------------------------------


MODULE = """
from celery import Celery

{name} = Celery("shop", broker="redis://127.0.0.1/0", set_as_current=False)
{name}.conf.worker_prefetch_multiplier = 1
{name}.conf.broker_transport_options = {{"socket_timeout": 5, "socket_connect_timeout": 5}}
"""


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("app", "celery:shop_urls.tasks"),
        ("celery", "celery:shop_urls.tasks"),
        ("app", "celery:shop_urls.tasks:app"),
        ("other", "celery:shop_urls.tasks:other"),
    ],
)
def test_a_url_names_the_app_as_celery_does(
    name: str, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A URL names the app as Celery's own -A does; twice the same, it is the same app."""
    (tmp_path / "shop_urls").mkdir()
    (tmp_path / "shop_urls" / "tasks.py").write_text(MODULE.format(name=name))
    monkeypatch.syspath_prepend(tmp_path)
    try:
        one = Receiver(SECRET, store="memory:", dispatcher=url)
        two = Receiver(SECRET, store="memory:", dispatcher=url, name="two")
        line = one.dispatcher._task.line  # type: ignore[union-attr]
        assert line is two.dispatcher._task.line  # type: ignore[union-attr]
        assert set(line.receivers) == {"default", "two"}
    finally:
        for each in ("shop_urls.tasks", "shop_urls"):
            sys.modules.pop(each, None)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("celery:", "names no module"),
        ("celery:no.such.module", "could not be imported"),
        ("celery:json", "no Celery application 'app' in 'json'"),
        ("celery:json:dumps", "no Celery application 'dumps' in 'json'"),
        ("celery+redis://127.0.0.1", "no dispatcher is known"),
        ("celery://127.0.0.1", "names no module"),
    ],
)
def test_a_url_that_names_no_app_is_refused(url: str, says: str) -> None:
    """A URL that names no app is refused, with the form that does."""
    with pytest.raises(ConfigurationError, match=says) as refused:
        Receiver(SECRET, store="memory:", dispatcher=url)
    assert "celery:shop.tasks:app" in str(refused.value)


def test_without_celery_the_error_says_what_to_install(tmp_path: Path) -> None:
    """Without Celery the error says what to install."""
    code = (
        "import sys; sys.modules['celery'] = None\n"
        "from coffrify_webhooks import Receiver, ConfigurationError\n"
        f"try:\n    Receiver({SECRET!r}, store='memory:', dispatcher='celery:shop')\n"
        "except ConfigurationError as error: print(error)"
    )
    command = [sys.executable, "-c", code]
    said = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert 'pip install "coffrify-webhooks[celery]"' in said.stdout


def test_our_command_names_theirs(site: Site) -> None:
    """`coffrify-webhooks worker` is not the worker of this engine, and says which is."""
    command = [str(Path(sys.executable).with_name("coffrify-webhooks")), "worker", "--app", "shop"]
    said = subprocess.run(command, cwd=site.folder, capture_output=True, text=True, check=False)
    assert said.returncode == 2
    assert "celery -A" in said.stderr
