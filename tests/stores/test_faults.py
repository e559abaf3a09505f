"""Whatever a delivery acquires fails once, under each store; the next delivery is handled."""

import asyncio
import gc
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio
from django.db import connections
from tests.django_databases import migrated
from tests.servers.switch import Switch
from tests.stores.faults import failing_thread, interrupted, no_descriptors, without_threads

from coffrify_webhooks import Receiver, Router, sign
from coffrify_webhooks.concurrency import timers as alarms
from coffrify_webhooks.stores import Store, deadline, open_store
from coffrify_webhooks.stores.redis import AsyncRedisStore, RedisStore
from coffrify_webhooks.stores.sql import SQLStore
from coffrify_webhooks.stores.sqlite import SQLiteStore
from coffrify_webhooks_django import DjangoStore

pytestmark = [
    pytest.mark.usefixtures("leftovers"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

SECRET = "whsec_" + "ab" * 32
SERVERS = ("postgres", "asyncpg", "psycopg_async", "mariadb", "valkey", "valkey_async", "django")
ASYNC = ("asyncpg", "psycopg_async")
_numbers = count()


class Site:
    """A receiver on one store, whose connections go through a switch where there are any."""

    def __init__(self, store: Store, switch: Switch | None) -> None:
        self.store = store
        self.loop: asyncio.AbstractEventLoop | None = None
        """Of the async driver, there before anything fails; else the sync one delivers."""
        self.switch = switch
        self.runs: list[str] = []
        self.tag = next(_numbers)  # some servers are shared
        router = Router()
        router.on("*", name="handler")(self._handle)
        router.on("*", name="async")(self._await)
        self.receiver = Receiver(SECRET, store=store, router=router)

    def _handle(self, event: Any) -> None:
        self.runs.append(event.id)

    async def _await(self, event: Any) -> None:
        await asyncio.sleep(0)

    def deliver(self, name: str) -> str:
        body = b'{"id": "%d_%s", "type": "ping"}' % (self.tag, name.encode())
        headers = sign(body, SECRET)
        if self.loop is None:
            return self.receiver.receive(body, headers).outcome
        return self.loop.run_until_complete(self.receiver.receive_async(body, headers)).outcome

    def disconnect(self) -> None:
        """Let the next delivery have to connect."""
        if isinstance(self.store, AsyncRedisStore):  # its client is on the driver's loop
            assert self.switch is not None
            self.switch.cut()
        else:
            self.store.close()
        connections.close_all()

    def handles_next(self, failed: str) -> None:
        """Assert that a new event is handled, and the one whose delivery failed is not lost."""
        fresh = f"evt_{next(_numbers)}"
        assert self.deliver(fresh) == "handled"
        # What was claimed when the call broke off is left to its lease, as of a crashed process.
        assert self.deliver(failed) in ("handled", "duplicate", "busy")
        assert self.runs.count(f"{self.tag}_{failed}") <= 1


@contextmanager
def _loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Make a loop, and end it in order: what an async store has opened on it is then closed."""
    loop = asyncio.new_event_loop()
    try:
        yield loop
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()


@pytest.fixture(params=["sync", "async"])
def driver(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["memory", "sqlite", *SERVERS])
def site(request: pytest.FixtureRequest, driver: str, tmp_path: Path) -> Iterator[Site]:
    with ExitStack() as stack:
        made = _site(stack, request, tmp_path)
        if driver == "async":
            made.loop = stack.enter_context(_loop())
        yield made


@pytest.fixture(params=SERVERS)
def remote(request: pytest.FixtureRequest, driver: str, tmp_path: Path) -> Iterator[Site]:
    with ExitStack() as stack:
        made = _site(stack, request, tmp_path)
        if driver == "async":
            made.loop = stack.enter_context(_loop())
        yield made


def _site(stack: ExitStack, request: pytest.FixtureRequest, folder: Path) -> Site:
    kind = request.param
    if kind not in SERVERS:
        url = "memory:" if kind == "memory" else f"sqlite:///{folder}/store.db"
        store = open_store(url)
        stack.callback(store.close)
        return Site(store, None)
    on_postgres = kind in ("django", *ASYNC)
    name = "postgres" if on_postgres else kind.removesuffix("_async")
    server = request.getfixturevalue(name)
    switch = stack.enter_context(Switch(server.port))
    if kind == "django":
        url = server.url.replace(str(server.port), str(switch.port))
        stack.enter_context(migrated("postgres", url, CONN_MAX_AGE=None))
        stack.callback(connections["postgres"].close)
        return Site(DjangoStore("postgres"), switch)
    url = server.url if name == "valkey" else server.database("faults")
    if kind in ASYNC:
        url = url.replace("postgresql:", f"postgresql+{kind}:")
    url = url.replace(str(server.port), str(switch.port))
    if kind == "valkey_async":
        return Site(RedisStore(redis.asyncio.Redis.from_url(url, socket_timeout=3)), switch)
    store = open_store(url)
    stack.callback(store.close)
    return Site(store, switch)


def test_a_thread_that_cannot_start(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever thread of a delivery it is, the next delivery is handled, and leases are kept."""
    monkeypatch.setattr(alarms, "_IDLE", 0.01)
    assert site.deliver("first") == "handled"
    for number in range(9):
        without_threads()
        connections.close_all()  # Django's store then needs a thread to connect
        failed = f"thread_{number}"
        with failing_thread(monkeypatch, number) as asked:
            site.deliver(failed)
        site.handles_next(failed)
        if True not in asked:
            return
    pytest.fail("a delivery starts that many threads?")


@pytest.mark.parametrize("connected", [True, False])
def test_no_descriptor_to_be_had(site: Site, *, connected: bool) -> None:
    """While no file can be opened a delivery is answered; then the next is handled."""
    assert site.deliver("first") == "handled"
    if not connected:
        site.disconnect()
    with no_descriptors():
        assert site.deliver("without") in ("handled", "unavailable")
    site.handles_next("without")


@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_a_server_that_hangs_while_no_descriptor_is_free(
    request: pytest.FixtureRequest, kind: str
) -> None:
    """The deadline cuts the connection without a descriptor of its own."""
    server = request.getfixturevalue(kind)
    store = SQLStore(server.database("faults"), timeout=0.5)
    site = Site(store, None)
    assert site.deliver("first") == "handled"
    server.pause()
    try:
        with no_descriptors():
            assert site.deliver("without") == "unavailable"
    finally:
        server.resume()
    site.handles_next("without")
    store.close()


def test_a_connection_that_is_refused_once(remote: Site) -> None:
    """All connections are cut and the next is refused: that delivery is 503, the next handled."""
    assert remote.switch is not None
    assert remote.deliver("first") == "handled"
    port, remote.switch.target = remote.switch.target, 0
    remote.switch.cut()
    assert remote.deliver("refused") == "unavailable"
    remote.switch.target = port
    remote.handles_next("refused")


def test_a_file_that_cannot_be_opened_once(tmp_path: Path) -> None:
    """The sqlite store's folder is away for one delivery, as when a volume is not mounted."""
    folder = tmp_path / "volume"
    folder.mkdir()
    store = SQLiteStore(folder / "store.db", timeout=0.2)
    site = Site(store, None)
    assert site.deliver("first") == "handled"
    away = folder.rename(tmp_path / "away")
    assert site.deliver("refused") == "unavailable"
    away.rename(folder)
    site.handles_next("refused")
    assert site.deliver("first") == "duplicate"
    store.close()


def _each_step(call: Callable[[str], object], check: Callable[[str], None]) -> int:
    gc.collect()  # or what another test has left would be collected, and broken off, in between
    gc.disable()
    try:
        for step in range(100_000):
            key = f"step_{step}"
            if not interrupted(step, lambda key=key: call(key)):  # type: ignore[misc]
                return step
            check(key)
    finally:
        gc.enable()
    raise AssertionError


def test_a_signal_that_raises_at_any_step_of_sqlite(tmp_path: Path) -> None:
    """No lock stays locked, whichever step of a claim and a settlement it breaks off."""
    store = SQLiteStore(tmp_path / "store.db", timeout=0.2)

    def call(key: str) -> None:
        store.done(key, store.claim(key, "d", 60.0).token)

    def check(key: str) -> None:
        assert store.claim(f"next {key}", "d", 60.0).status == "claimed"

    call("warm")
    assert _each_step(call, check) > 20
    store.close()


def test_a_signal_that_raises_at_any_step_of_a_deadline() -> None:
    """Nor does an alarm's lock, and an alarm that is left over cuts no connection later."""
    ours, theirs = socket.socketpair()

    def call(_key: str) -> None:
        with deadline.deadline(ours.fileno(), 60.0):
            pass

    def check(key: str) -> None:
        other = threading.Thread(target=call, args=(key,), daemon=True)
        other.start()
        other.join(20)
        assert not other.is_alive(), f"locked at {key}"
        for alarm in list(deadline._alarms.waiting):
            deadline._alarms.clear(alarm)
            alarm.action()
        theirs.send(b"x")
        assert ours.recv(1) == b"x", f"cut at {key}"

    with ours, theirs:
        call("warm")
        assert _each_step(call, check) > 8
