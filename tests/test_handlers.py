"""What becomes of a handler's result, of one that is slow, and of one that cannot begin."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from functools import partial, wraps
from itertools import chain
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from coffrify_webhooks import Event, HandlerError, Notice, Receiver, Reply, Router, sign
from coffrify_webhooks import receiver as receiver_module
from coffrify_webhooks.concurrency import bridge, threads
from coffrify_webhooks.drivers import drive as drivers
from coffrify_webhooks.observe import Facts
from coffrify_webhooks.stores.memory import MemoryStore
from coffrify_webhooks.stores.sqlite import SQLiteStore

SECRET = "whsec_" + "ab" * 16
PATIENCE = 20.0
DRIVERS = pytest.mark.parametrize("driver", ["sync", "async"])


def request(event_id: str = "evt", event_type: str = "ping") -> tuple[bytes, dict[str, str]]:
    body = f'{{"id": "{event_id}", "type": "{event_type}"}}'.encode()
    return body, sign(body, SECRET)


class Rig:
    """A receiver that keeps its notices, and is driven both ways."""

    def __init__(self, **options: Any) -> None:
        self.router = Router()
        self.notices: list[Notice] = []
        options.setdefault("store", MemoryStore())
        options.setdefault("secrets", SECRET)
        self.receiver = Receiver(
            router=self.router, observers=[Facts(self.notices.append)], **options
        )

    def on(self, handler: Callable[..., Any], event_type: str = "*", **options: Any) -> None:
        self.router.on(event_type, allow_unknown=True, **options)(handler)

    def deliver(self, driver: str, *arguments: str) -> Reply:
        if driver == "sync":
            return self.receiver.receive(*request(*arguments))
        return asyncio.run(self.receiver.receive_async(*request(*arguments)))

    def kinds(self) -> list[str]:
        return [notice.kind for notice in self.notices]

    def texts(self, kind: str) -> list[str]:
        return [notice.text for notice in self.notices if notice.kind == kind]


@pytest.fixture
def rig() -> Rig:
    return Rig()


# --- results ----------------------------------------------------------------------------------


def generates(event: Event) -> Iterator[None]:
    raise AssertionError("nobody runs this")
    yield


async def generates_async(event: Event) -> AsyncIterator[None]:
    raise AssertionError("nobody runs this")
    yield


def plain(event: Event) -> None: ...


@wraps(plain)
def wrapped(event: Event) -> Any:
    return generates(event)


class Yields:
    def __call__(self, event: Event) -> Iterator[None]:
        return generates(event)


def forgotten_parentheses(handler: Callable[[Event], Any]) -> Callable[[Event], Any]:
    def decorator(event: Event) -> Any:
        return lambda: handler(event)

    return decorator


async def returns_a_generator(event: Event) -> Any:
    return generates(event)


async def returns_a_list(event: Event) -> Any:
    return [generates_async(event)]


LAZY: dict[str, Callable[[Event], Any]] = {
    "generator": lambda event: generates(event),  # noqa: PLW0108 - it is no generator function
    "async generator": lambda event: generates_async(event),  # noqa: PLW0108
    "wrapped": wrapped,
    "object": Yields(),
    "function": forgotten_parentheses(plain),
    "map": lambda event: map(print, [event]),
    "partial": lambda event: partial(print, event),
    "built-in": lambda event: print,
    "chain": lambda event: chain(map(print, [event])),
    "zip": lambda event: zip(map(print, [event]), strict=True),
    "context manager": contextmanager(generates),
    "async context manager": asynccontextmanager(generates_async),
    "of a tuple": lambda event: (None, generates(event)),
    "awaited": returns_a_generator,
    "awaited, of a list": returns_a_list,
}


@DRIVERS
@pytest.mark.parametrize("handler", LAZY.values(), ids=LAZY)
def test_a_result_that_nobody_runs_is_a_failure(
    rig: Rig, driver: str, handler: Callable[[Event], Any]
) -> None:
    """A generator and its like: the handler has done nothing, so it failed; the log names it."""
    rig.on(handler, name="lazy")
    reply = rig.deliver(driver)
    assert (reply.status, reply.outcome) == (500, "failed")
    assert isinstance(reply.error, HandlerError)
    assert "handler lazy returned a" in str(reply.error.__cause__)
    record = next(iter(rig.receiver.store.find()))
    assert (record.status, "lazy" in record.error) == ("failed", True)


async def _work(done: list[str]) -> None:
    await anyio.lowlevel.checkpoint()
    done.append("ran")


async def _forgot_to_await(done: list[str]) -> Awaitable[None]:
    return _work(done)


@DRIVERS
def test_a_result_that_still_has_to_run_is_run(rig: Rig, driver: str) -> None:
    """Awaitables, also those of an async handler that forgot to await, and futures."""
    done: list[str] = []
    with ThreadPoolExecutor(1) as pool:
        rig.on(lambda event: _work(done), name="sync")
        rig.on(lambda event: _forgot_to_await(done), name="twice")
        rig.on(lambda event: pool.submit(done.append, "ran"), name="future")
        rig.on(lambda event: (_work(done), pool.submit(done.append, "ran")), name="several")
        rig.on(partial(_gives_list, done), name="list")
        assert rig.deliver(driver).outcome == "handled"
    assert done == ["ran"] * 7


async def _gives_list(done: list[str], event: Event) -> Any:
    return [_forgot_to_await(done), _work(done)]


@DRIVERS
@pytest.mark.parametrize("result", [b"x", {"a": 1}, [1, "two", None], ("x", [2.0]), True, {"x"}])
def test_a_result_that_is_done_is_ignored(rig: Rig, driver: str, result: object) -> None:
    """What has nothing left to run is nobody's concern."""
    rig.on(lambda event: result, name="done")
    assert rig.deliver(driver).outcome == "handled"


@DRIVERS
def test_a_future_that_fails_is_the_handlers_failure(rig: Rig, driver: str) -> None:
    """Work that a handler gave to a pool of its own fails as the handler itself."""
    failed: Future[None] = Future()
    failed.set_exception(LookupError())
    rig.on(lambda event: failed, name="future")
    reply = rig.deliver(driver)
    assert isinstance(reply.error, HandlerError)
    assert isinstance(reply.error.__cause__, LookupError)


# --- slow handlers ----------------------------------------------------------------------------


@DRIVERS
@pytest.mark.parametrize("handler", ["sync", "async"])
def test_a_handler_that_outlasts_the_sender_is_named_once(driver: str, handler: str) -> None:
    """It is told while it runs, by its name, with the remedy; a quick one is not told."""
    rig = Rig(sender_timeout=0.05)
    told = threading.Event()

    def observe(notice: Notice) -> None:
        if notice.kind == "slow_handler":
            told.set()

    def slow(event: Event) -> None:
        assert told.wait(PATIENCE)

    async def slow_async(event: Event) -> None:
        await asyncio.to_thread(slow, event)

    rig.receiver._observers = (*rig.receiver._observers, observe)
    rig.on(lambda event: None, name="quick")
    rig.on(slow if handler == "sync" else slow_async, name="shop:slow")
    assert rig.deliver(driver).outcome == "handled"
    (text,) = rig.texts("slow_handler")
    assert "shop:slow" in text
    assert "dispatcher" in text


def test_quick_handlers_are_not_called_slow(rig: Rig) -> None:
    """The usual delivery sets no alarm off."""
    rig.on(lambda event: None)
    assert rig.deliver("sync").outcome == "handled"
    assert rig.kinds() == ["key_matched", "replied"]


# --- handlers that cannot begin ---------------------------------------------------------------


async def test_full_places_give_the_event_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """With forty handlers that never return, the next event is not kept: 503, and told by name."""
    monkeypatch.setattr(drivers, "_BEGIN_WITHIN", 0.1)
    rig = Rig()
    entered: list[str | None] = []
    leave = threading.Event()

    def stuck(event: Event) -> None:
        entered.append(event.id)
        assert leave.wait(PATIENCE)

    rig.on(stuck, "stuck", name="shop:stuck")
    rig.on(lambda event: None, "other", name="shop:other")
    async with anyio.create_task_group() as tasks:
        for number in range(40):
            tasks.start_soon(rig.receiver.receive_async, *request(f"evt{number}", "stuck"))
        while len(entered) < 40:  # noqa: ASYNC110 - threads fill it
            await anyio.sleep(0.001)
        reply = await rig.receiver.receive_async(*request("late", "other"))
        assert (reply.status, reply.outcome) == (503, "unavailable")
        assert "Retry-After" in reply.headers
        (text,) = rig.texts("overloaded")
        assert "40 are running, shop:stuck the longest" in text
        late = [record for record in rig.receiver.store.find() if record.id == "late"]
        assert [record.lease_until for record in late] in ([], [0.0])
        leave.set()
    assert (await rig.receiver.receive_async(*request("late", "other"))).outcome == "handled"


def test_a_blocked_loop_gives_the_event_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """An async handler that blocks the shared loop costs the others a 503, and is named."""
    monkeypatch.setattr(drivers, "_BEGIN_WITHIN", 0.1)
    rig = Rig()
    entered, leave = threading.Event(), threading.Event()
    runs: list[str | None] = []

    async def blocks(event: Event) -> None:
        entered.set()
        assert leave.wait(PATIENCE)

    async def other(event: Event) -> None:
        runs.append(event.id)

    rig.on(blocks, "blocks", name="shop:blocks")
    rig.on(other, "other", name="shop:other")
    first = threading.Thread(target=rig.deliver, args=("sync", "evt", "blocks"))
    first.start()
    try:
        assert entered.wait(PATIENCE)
        reply = rig.deliver("sync", "late", "other")
        assert (reply.status, reply.outcome) == (503, "unavailable")
        assert "shop:blocks the longest" in rig.texts("overloaded")[0]
    finally:
        leave.set()
        first.join()
    assert runs == []
    assert rig.deliver("sync", "late", "other").outcome == "handled"
    assert runs == ["late"]


class NoThreads:
    """Lets the next starts of a thread fail, as a limit of processes does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.failures = 0
        start = threading.Thread.start

        def failing(thread: threading.Thread) -> None:
            if self.failures and thread.name.startswith("coffrify-webhooks"):
                self.failures -= 1
                raise RuntimeError("can't start new thread")
            start(thread)

        monkeypatch.setattr(threading.Thread, "start", failing)


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> NoThreads:
    """As in a fresh process, in which no thread of ours runs yet."""
    monkeypatch.setattr(threads, "_threads", threads._Threads())
    monkeypatch.setattr(bridge, "_loop", None)
    monkeypatch.setattr(bridge, "_loop_thread", None)
    return NoThreads(monkeypatch)


@DRIVERS
@pytest.mark.parametrize("handler", ["sync", "async"])
@pytest.mark.parametrize("with_", ["memory", "sqlite", "asked secrets"])
def test_a_thread_that_cannot_start_costs_one_delivery(
    no_threads: NoThreads, tmp_path: Path, driver: str, handler: str, with_: str
) -> None:
    """It is 503 at most, nothing of it runs later, and the next delivery is handled."""
    runs: list[str | None] = []

    def sync(event: Event) -> None:
        runs.append(event.id)

    async def async_(event: Event) -> None:
        runs.append(event.id)

    source: Any = (lambda: SECRET) if with_ == "asked secrets" else SECRET
    kept = SQLiteStore(tmp_path / "store.db") if with_ == "sqlite" else MemoryStore()
    rig = Rig(secrets=source, store=kept)
    rig.on(sync if handler == "sync" else async_)
    no_threads.failures = 1
    reply = rig.deliver(driver)
    assert reply.status in (200, 503)
    if reply.status == 503:
        assert runs == []
        assert rig.deliver(driver).outcome == "handled"
    assert rig.deliver(driver).outcome == "duplicate"
    assert rig.deliver(driver, "another").outcome == "handled"
    assert runs == ["evt", "another"]
    kept.close()


# --- functions of the user's ------------------------------------------------------------------


@DRIVERS
def test_secrets_that_hang_are_503(monkeypatch: pytest.MonkeyPatch, driver: str) -> None:
    """A function that does not return its secrets in time keeps no delivery waiting."""
    monkeypatch.setattr(receiver_module, "_IN_TIME", 0.05)
    leave = threading.Event()
    hangs = True

    def secrets() -> str:
        if hangs:
            leave.wait(PATIENCE)
        return SECRET

    rig = Rig(secrets=secrets)
    rig.on(lambda event: None)
    reply = rig.deliver(driver)
    assert reply.error is not None
    assert (reply.status, reply.error.code) == (503, "secrets_unavailable")
    hangs = False
    assert rig.deliver(driver).outcome == "handled"
    leave.set()


# --- the end of the process -------------------------------------------------------------------

PROGRAM = """
import asyncio, sys, threading
from coffrify_webhooks import Event, Receiver, Router, sign

router, entered = Router(), threading.Event()
receiver = Receiver({secret!r}, router=router, store="memory:")

@router.on("*")
{handler}

body = b'{{"id": "evt", "type": "ping"}}'

async def main():
    task = asyncio.create_task(receiver.receive_async(body, sign(body, {secret!r})))
    while not entered.is_set():
        await asyncio.sleep(0.001)

if sys.argv[1] == "async":
    asyncio.run(main())
else:
    threading.Thread(
        target=receiver.receive, args=(body, sign(body, {secret!r})), daemon=True
    ).start()
    entered.wait()
"""


@DRIVERS
@pytest.mark.parametrize(
    "handler",
    [
        "def handler(event):\n    entered.set()\n    threading.Event().wait()",
        "async def handler(event):\n    entered.set()\n    await asyncio.Event().wait()",
    ],
    ids=["sync", "async"],
)
def test_a_handler_that_never_returns_does_not_hold_up_the_exit(driver: str, handler: str) -> None:
    """The loop ends, then the process: no thread of ours is waited for."""
    program = PROGRAM.format(secret=SECRET, handler=handler)
    began = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, driver],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert time.monotonic() - began < PATIENCE


# --- what handlers use ------------------------------------------------------------------------


async def test_sync_handlers_reach_the_loop_through_anyio(rig: Rig) -> None:
    """`anyio.from_thread` works in a sync handler, as in Starlette's own worker threads."""
    seen: list[str] = []

    async def back() -> str:
        await anyio.lowlevel.checkpoint()
        return threading.current_thread().name

    def handler(event: Event) -> None:
        seen.append(anyio.from_thread.run(back))
        seen.append(anyio.from_thread.run_sync(lambda: threading.current_thread().name))
        anyio.from_thread.check_cancelled()  # as FastAPI's own threads let a sync handler ask

    rig.on(handler)
    with anyio.fail_after(PATIENCE):
        assert (await rig.receiver.receive_async(*request())).outcome == "handled"
    assert seen == [threading.current_thread().name] * 2


@DRIVERS
@pytest.mark.parametrize("library", ["asyncio", "trio", "anyio", "asgiref"])
def test_sync_handlers_may_run_a_loop_of_their_own(rig: Rig, driver: str, library: str) -> None:
    """Whatever they run it with."""
    seen: list[str] = []

    async def work() -> None:
        await anyio.lowlevel.checkpoint()
        seen.append(library)

    def handler(event: Event) -> None:
        if library == "asyncio":
            asyncio.run(work())
        elif library == "trio":
            import trio

            trio.run(work)
        elif library == "anyio":
            anyio.run(work)
        else:
            from asgiref.sync import async_to_sync

            async_to_sync(work)()

    rig.on(handler)
    assert rig.deliver(driver).outcome == "handled"
    assert seen == [library]


@DRIVERS
def test_handlers_that_harm_their_loop_do_not_harm_the_next(rig: Rig, driver: str) -> None:
    """One that stops or closes its loop, or leaves a task behind."""

    async def harms(event: Event) -> None:
        loop = asyncio.get_running_loop()
        tasks.add(loop.create_task(asyncio.sleep(0.001)))
        if driver == "sync":
            loop.stop()
        loop.close()  # which a running loop refuses

    async def fine(event: Event) -> None:
        await asyncio.sleep(0)

    tasks: set[Any] = set()
    rig.on(harms, "harms")
    rig.on(fine, "fine")
    assert rig.deliver(driver, "evt", "harms").outcome == "failed"
    assert rig.deliver(driver, "other", "fine").outcome == "handled"
