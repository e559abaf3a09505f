"""Sync and async, in every combination: drivers, handlers, nesting, threads, cancellation."""

import asyncio
import functools
import itertools
import json
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from coffrify_webhooks import (
    Claim,
    Event,
    HandlerError,
    Receiver,
    Reply,
    Router,
    Store,
    Verifier,
    sign,
)
from coffrify_webhooks.concurrency import bridge
from coffrify_webhooks.parsing.registry import Registry
from coffrify_webhooks.pipeline.identity import key_of
from coffrify_webhooks.stores.memory import MemoryStore
from coffrify_webhooks.stores.sqlite import SQLiteStore

SECRET = "whsec_" + "ab" * 16
PATIENCE = 20.0
"""Seconds after which something that must happen has not."""

HANDLERS = pytest.mark.parametrize("handler", ["sync", "async"])


class Rig:
    """A receiver with handlers of both kinds, driven both ways."""

    def __init__(self, store: Store | None = None, **options: Any) -> None:
        self.router = Router()
        self.store: Store = MemoryStore() if store is None else store
        self.receiver = Receiver(SECRET, router=self.router, store=self.store, **options)

    def handle(
        self, kind: str, act: Callable[[Event], Any], *, name: str = "handler", on: str = "*"
    ) -> None:
        """Register `act` as a sync handler, or behind an async one."""
        if kind == "sync":
            self.router.on(on, name=name, allow_unknown=True)(_plain(act))
        else:

            async def handler(event: Event) -> None:
                await anyio.lowlevel.checkpoint()
                act(event)

            self.router.on(on, name=name, allow_unknown=True)(handler)

    def request(self, event_id: str, event_type: str) -> tuple[bytes, dict[str, str]]:
        body = json.dumps({"id": event_id, "type": event_type}).encode()
        return body, sign(body, SECRET)

    def deliver(self, event_id: str = "evt", event_type: str = "ping") -> Reply:
        return self.receiver.receive(*self.request(event_id, event_type))

    async def deliver_async(self, event_id: str = "evt", event_type: str = "ping") -> Reply:
        return await self.receiver.receive_async(*self.request(event_id, event_type))

    def status(self, event_id: str = "evt") -> str:
        """What the store knows of the event; a free one is left as it was."""
        key = key_of("default", event_id)
        body, _ = self.request(event_id, "ping")
        from hashlib import sha256

        claim = self.store.claim(key, sha256(body).hexdigest(), 60)
        if claim.status == "claimed":
            self.store.release(key, claim.token)
            return "free"
        return claim.status


LOOPS: dict[str, tuple[str, dict[str, Any]]] = {
    "asyncio": ("asyncio", {}),
    "uvloop": ("asyncio", {"use_uvloop": True}),
    "trio": ("trio", {}),
}


@pytest.fixture(params=LOOPS)
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Every async test here runs on each of these loops."""
    return LOOPS[request.param]


@pytest.fixture
def rig() -> Rig:
    return Rig()


def _plain(act: Callable[[Event], Any]) -> Callable[[Event], None]:
    def handler(event: Event) -> None:
        act(event)

    return handler


async def until(condition: Callable[[], bool]) -> None:
    """Wait, without holding up the loop, for what another thread or task does."""
    with anyio.fail_after(PATIENCE):
        while not condition():  # noqa: ASYNC110 - threads and other loops set it
            await anyio.sleep(0.001)


async def drive(rig: Rig, driver: str, *arguments: str) -> Reply:
    """Deliver from a coroutine: by the async driver, or by the sync one inside the running loop."""
    if driver == "async":
        return await rig.deliver_async(*arguments)
    return rig.deliver(*arguments)


DRIVERS = pytest.mark.parametrize("driver", ["sync", "async"])


# --- four combinations ------------------------------------------------------------------------


@HANDLERS
def test_sync_driver_without_a_loop(rig: Rig, handler: str) -> None:
    """`receive` runs handlers of both kinds where no loop runs."""
    seen: list[str | None] = []
    rig.handle(handler, lambda event: seen.append(event.id))
    assert [rig.deliver().outcome for _ in range(2)] == ["handled", "duplicate"]
    assert seen == ["evt"]


@DRIVERS
@HANDLERS
async def test_in_a_running_loop(rig: Rig, driver: str, handler: str) -> None:
    """Both drivers run handlers of both kinds inside a running loop, of asyncio and of trio."""
    seen: list[str | None] = []
    rig.handle(handler, lambda event: seen.append(event.id))
    assert (await drive(rig, driver)).outcome == "handled"
    assert (await drive(rig, driver)).outcome == "duplicate"
    assert seen == ["evt"]


@DRIVERS
@HANDLERS
@pytest.mark.parametrize(
    "error",
    [
        ValueError("no"),
        StopIteration(5),
        StopAsyncIteration(),
        asyncio.CancelledError(),
        TimeoutError(),
        ExceptionGroup("several", [ValueError()]),
        RuntimeError("coroutine raised StopIteration"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_any_exception_is_a_failure(
    rig: Rig, driver: str, handler: str, error: BaseException
) -> None:
    """Whatever a handler raises is a 500; it stops no other handler, and leaves the event free."""
    after: list[str | None] = []

    def act(event: Event) -> None:
        raise error

    rig.handle(handler, act, name="bad")
    rig.handle(handler, lambda event: after.append(event.id), name="good")
    with anyio.fail_after(PATIENCE):
        reply = await drive(rig, driver)
    assert (reply.status, reply.outcome) == (500, "failed")
    assert after == ["evt"]
    assert rig.status() == "free"


@DRIVERS
async def test_function_that_returns_an_awaitable(rig: Rig, driver: str) -> None:
    """A plain function that returns a coroutine is waited for, as a wrapped async handler is."""
    seen: list[str | None] = []

    async def real(event: Event) -> None:
        await anyio.lowlevel.checkpoint()
        seen.append(event.id)

    def wrapper(event: Event) -> Awaitable[None]:
        return real(event)

    rig.router.on("*", name="wrapper")(wrapper)
    rig.router.on("*", name="partial")(functools.partial(real))
    assert (await drive(rig, driver)).outcome == "handled"
    assert seen == ["evt", "evt"]


@DRIVERS
@HANDLERS
async def test_handlers_see_the_context(rig: Rig, driver: str, handler: str) -> None:
    """What the caller set in a context variable, a request id for one, the handler can read."""
    request: ContextVar[str] = ContextVar("request", default="nothing")
    seen: list[str] = []
    rig.handle(handler, lambda event: seen.append(request.get()))
    request.set("this one")
    await drive(rig, driver)
    assert seen == ["this one"]


@HANDLERS
def test_handlers_see_the_context_without_a_loop(rig: Rig, handler: str) -> None:
    """The same from plain sync code."""
    request: ContextVar[str] = ContextVar("request", default="nothing")
    seen: list[str] = []
    rig.handle(handler, lambda event: seen.append(request.get()))
    token = request.set("this one")
    rig.deliver()
    request.reset(token)
    assert seen == ["this one"]


async def test_the_loop_is_never_blocked(rig: Rig) -> None:
    """Under the async driver the store and sync handlers run in threads, async ones do not."""
    where: dict[str, set[int]] = {"store": set(), "sync": set(), "async": set()}

    class Watched(MemoryStore):
        blocking = True

        def claim(self, *arguments: Any, **options: Any) -> Claim:
            where["store"].add(threading.get_ident())
            return super().claim(*arguments, **options)

    rig = Rig(Watched())
    for kind in ("sync", "async"):

        def act(event: Event, kind: str = kind) -> None:
            where[kind].add(threading.get_ident())

        rig.handle(kind, act, name=kind)
    await rig.deliver_async()
    mine = threading.get_ident()
    assert where["async"] == {mine}
    assert where["store"].isdisjoint({mine})
    assert where["sync"].isdisjoint({mine})


# --- nesting ----------------------------------------------------------------------------------

STEPS = ("sync", "block", "await")
"""How a handler delivers the next event: a sync one; an async one by `receive`, which blocks its
loop; or an async one by `receive_async`."""
CHAINS = [
    (*steps, last) for steps in itertools.product(STEPS, repeat=3) for last in ("sync", "async")
]


def link(rig: Rig, level: int, step: str, seen: list[str]) -> None:
    """Register the handler of one level of a chain."""
    following = f"level{level + 1}"

    def act(event: Event) -> None:
        seen.append(event.type)
        assert rig.deliver(following, following).outcome == "handled"

    async def act_async(event: Event) -> None:
        seen.append(event.type)
        await anyio.lowlevel.checkpoint()
        if step == "block":
            reply = rig.deliver(following, following)
        else:
            reply = await rig.deliver_async(following, following)
        assert reply.outcome == "handled"

    on = rig.router.on(f"level{level}", allow_unknown=True, name=f"level{level}")
    on(act if step == "sync" else act_async)


@pytest.fixture(params=CHAINS, ids="-".join)
def chain(request: pytest.FixtureRequest, rig: Rig) -> list[str]:
    """A rig whose handler of each level delivers the next level's event; returns what was seen."""
    seen: list[str] = []
    *steps, last = request.param
    for level, step in enumerate(steps):
        link(rig, level, step, seen)
    rig.handle(last, lambda event: seen.append(event.type), on=f"level{len(steps)}", name="last")
    return seen


def test_nested_in_the_sync_driver(rig: Rig, chain: list[str]) -> None:
    """Handlers may deliver events whose handlers deliver events, in any mixture of kinds."""
    assert rig.deliver("level0", "level0").outcome == "handled"
    assert chain == [f"level{level}" for level in range(4)]


async def test_nested_in_the_async_driver(rig: Rig, chain: list[str]) -> None:
    """The same from a running loop, of asyncio and of trio."""
    with anyio.fail_after(PATIENCE):
        assert (await rig.deliver_async("level0", "level0")).outcome == "handled"
    assert chain == [f"level{level}" for level in range(4)]


def test_nested_by_asyncio_run_with_a_full_pool(rig: Rig) -> None:
    """Forty sync handlers, as many as there are threads, may each wait for another sync handler."""
    count = 40
    together = threading.Barrier(count)
    inner: list[str | None] = []

    def outer(event: Event) -> None:
        together.wait(PATIENCE)
        reply = asyncio.run(rig.deliver_async(f"inner {event.id}", "inner"))
        assert reply.outcome == "handled"

    rig.handle("sync", outer, on="outer", name="outer")
    rig.handle("sync", lambda event: inner.append(event.id), on="inner", name="inner")

    async def main() -> list[Reply]:
        async with asyncio.timeout(PATIENCE):
            work = (rig.deliver_async(f"evt{number}", "outer") for number in range(count))
            return await asyncio.gather(*work)

    # The ids have a space, so they go by the body's id.
    rig.request = _coffrify_only  # type: ignore[method-assign]
    assert {reply.outcome for reply in asyncio.run(main())} == {"handled"}
    assert len(inner) == count


def _coffrify_only(event_id: str, event_type: str) -> tuple[bytes, dict[str, str]]:
    body = json.dumps({"id": event_id, "type": event_type}).encode()
    headers = sign(body, SECRET)
    return body, {"X-Coffrify-Signature": headers["X-Coffrify-Signature"]}


@HANDLERS
def test_an_event_within_itself(rig: Rig, handler: str) -> None:
    """A handler that delivers its own event again is told that it is busy, and does not recurse."""
    inner: list[str] = []
    rig.handle(handler, lambda event: inner.append(rig.deliver().outcome))
    assert rig.deliver().outcome == "handled"
    assert inner == ["busy"]


# --- threads ----------------------------------------------------------------------------------


@pytest.fixture(params=["memory", "sqlite"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    store: Store = MemoryStore()
    if request.param == "sqlite":
        store = SQLiteStore(tmp_path / "store.db")
    yield store
    store.close()


def in_threads(count: int, work: Callable[[int], None]) -> None:
    """Run `work` in so many threads that begin together; what one raises fails the test."""
    begin = threading.Barrier(count)
    errors: list[BaseException] = []

    def run(number: int) -> None:
        try:
            begin.wait(PATIENCE)
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert errors == []
    assert not any(thread.is_alive() for thread in threads)


@HANDLERS
def test_one_event_in_32_threads(any_store: Store, handler: str) -> None:
    """32 threads deliver one event at the same moment: one runs it, the others are told `busy`."""
    rig = Rig(any_store)
    outcomes: list[str] = []
    runs: list[str | None] = []
    others_done = threading.Event()

    def act(event: Event) -> None:
        runs.append(event.id)
        assert others_done.wait(PATIENCE)

    rig.handle(handler, act)

    def work(number: int) -> None:
        outcomes.append(rig.deliver().outcome)
        if len(outcomes) == 31:
            others_done.set()

    in_threads(32, work)
    assert runs == ["evt"]
    assert sorted(outcomes) == ["busy"] * 31 + ["handled"]
    assert rig.deliver().outcome == "duplicate"


def test_many_events_in_32_threads(any_store: Store) -> None:
    """32 threads deliver the same 20 events, again until each is settled: each event runs once."""
    rig = Rig(any_store)
    runs: list[str | None] = []
    rig.handle("sync", lambda event: runs.append(event.id))

    def work(number: int) -> None:
        for event in range(20):
            for _ in range(10_000):
                if rig.deliver(f"evt{event}").outcome != "busy":
                    break

    in_threads(32, work)
    assert sorted(runs, key=str) == sorted((f"evt{event}" for event in range(20)), key=str)


def test_async_handlers_of_many_threads_share_a_loop(rig: Rig) -> None:
    """Async handlers under the sync driver run at the same time, on one loop that stays."""
    loops: set[int] = set()
    arrived = 0
    everyone: asyncio.Event | None = None

    async def handler(event: Event) -> None:
        nonlocal arrived, everyone
        everyone = everyone or asyncio.Event()
        loops.add(id(asyncio.get_running_loop()))
        arrived += 1
        if arrived == 8:
            everyone.set()
        await asyncio.wait_for(everyone.wait(), PATIENCE)

    rig.router.on("*")(handler)
    outcomes: list[str] = []
    in_threads(8, lambda number: outcomes.append(rig.deliver(f"evt{number}").outcome))
    assert outcomes == ["handled"] * 8
    assert len(loops) == 1


# --- exits ------------------------------------------------------------------------------------


@DRIVERS
@HANDLERS
@pytest.mark.parametrize(
    "error", [SystemExit(3), GeneratorExit(), BaseException()], ids=["exit", "close", "base"]
)
async def test_what_would_end_the_process_is_a_failure(
    rig: Rig, driver: str, handler: str, error: BaseException
) -> None:
    """A handler that calls sys.exit, or raises what is no Exception, fails and ends nothing."""

    def act(event: Event) -> None:
        raise error

    rig.handle(handler, act, on="bad", name="bad")
    rig.handle(handler, lambda event: None, on="good", name="good")
    with anyio.fail_after(PATIENCE):
        reply = await drive(rig, driver, "evt", "bad")
        assert (reply.status, reply.outcome) == (500, "failed")
        assert isinstance(reply.error, HandlerError)
        assert rig.status() == "free"
        assert (await drive(rig, driver, "other", "good")).outcome == "handled"


def test_ctrl_c_in_a_sync_handler_goes_through(rig: Rig) -> None:
    """Ctrl-C in the main thread is no handler's failure; the event is given back."""

    def act(event: Event) -> None:
        raise KeyboardInterrupt

    rig.handle("sync", act)
    with pytest.raises(KeyboardInterrupt):
        rig.deliver()
    assert rig.status() == "free"


def _exit_as_billiard(number: int, _frame: object) -> None:
    sys.exit(-(256 - number))


class _GunicornWorker:
    def stop(self, _number: int, frame: object) -> None:
        self.leave()

    def leave(self) -> None:
        sys.exit(1)


STOPS = pytest.mark.parametrize(
    "stop",
    [_exit_as_billiard, _GunicornWorker().stop, lambda *_: sys.exit(0)],
    ids=["billiard", "gunicorn", "any"],
)


def struck(stop: Any, ready: threading.Event, call: Callable[[], Any]) -> None:
    """Call it in this thread, which a signal strikes once it is ready; the process is to leave."""
    before = signal.signal(signal.SIGALRM, stop)
    main = threading.main_thread().ident
    assert main is not None

    def strike() -> None:
        ready.wait(PATIENCE)
        signal.pthread_kill(main, signal.SIGALRM)

    waiter = threading.Thread(target=strike)
    waiter.start()
    try:
        with pytest.raises(SystemExit):
            call()
    finally:
        waiter.join()
        signal.signal(signal.SIGALRM, before)


def linger() -> None:
    """Wait in short steps: a signal just before a long wait would be heard only at its end."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        time.sleep(0.02)


@STOPS
@pytest.mark.parametrize("hidden", [False, True], ids=["plain", "hidden"])
@HANDLERS
def test_exit_by_a_signal_ends_the_run(rig: Rig, handler: str, stop: Any, *, hidden: bool) -> None:
    """A signal that ends the process is no failure: no handler begins after it, the event is free.

    Also where the handler's own clean-up raises because of it.
    """
    begun, others = threading.Event(), list[str]()

    def sync(event: Event) -> None:
        begun.set()
        try:
            linger()
        finally:
            if hidden:
                raise ConnectionError

    async def on_loop(event: Event) -> None:
        begun.set()
        await asyncio.sleep(PATIENCE)

    rig.router.on("*", name="first")(sync if handler == "sync" else on_loop)
    rig.handle("sync", lambda event: others.append("sync"), name="second")
    rig.handle("async", lambda event: others.append("async"), name="third")
    struck(stop, begun, rig.deliver)
    assert others == []
    assert rig.status() == "free"


@HANDLERS
def test_exit_by_a_signal_leaves_an_engines_event_queued(handler: str) -> None:
    """In an engine's worker too: the event waits for its next run, and is not busy for a lease."""
    messages = list[Any]()

    class Engine:
        def dispatch(self, message: Any) -> None:
            messages.append(message)

    rig, begun = Rig(dispatcher=Engine()), threading.Event()

    async def on_loop(event: Event) -> None:
        begun.set()
        await asyncio.sleep(PATIENCE)

    def sync(event: Event) -> None:
        begun.set()
        linger()

    rig.router.on("*", name="first")(sync if handler == "sync" else on_loop)
    assert rig.deliver().outcome == "queued"
    struck(_exit_as_billiard, begun, lambda: rig.receiver.execute(messages[0]))
    record = rig.store.get(key_of("default", "evt"))
    assert record is not None
    assert record.status == "queued"


def test_keyboard_interrupt_beside_the_main_thread_is_a_failure(rig: Rig) -> None:
    """Raised on the loop of the async handlers it is the handler's own doing."""

    def act(event: Event) -> None:
        raise KeyboardInterrupt

    rig.handle("async", act)
    assert rig.deliver().outcome == "failed"
    assert rig.status() == "free"


# --- cancellation -----------------------------------------------------------------------------


class Gate:
    """A handler's run that the test can watch and hold; usable from any thread and loop."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.leave = threading.Event()
        self.left = threading.Event()

    def pass_through(self, event: Event) -> None:
        self.entered.set()
        assert self.leave.wait(PATIENCE)
        self.left.set()

    async def pass_through_async(self, event: Event) -> None:
        self.entered.set()
        await until(self.leave.is_set)
        self.left.set()

    def handler(self, kind: str) -> Callable[[Event], Any]:
        return self.pass_through if kind == "sync" else self.pass_through_async


@HANDLERS
async def test_cancelled_while_a_handler_runs(rig: Rig, handler: str) -> None:
    """The client hangs up: the handler goes on, keeps its claim, and the event gets done."""
    gate = Gate()
    rig.router.on("*", name="gate")(gate.handler(handler))
    scope = anyio.CancelScope()

    async def request() -> None:
        with scope:
            await rig.deliver_async()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(request)
        await until(gate.entered.is_set)
        scope.cancel()
        for _ in range(10):
            await anyio.sleep(0.001)
        assert not gate.left.is_set()
        assert rig.status() == "busy"
        gate.leave.set()
    await until(gate.left.is_set)
    await until(lambda: rig.status() == "done")


@HANDLERS
def test_cancelled_again_and_again(rig: Rig, handler: str) -> None:
    """However often the request's task is cancelled, its handlers finish, the later ones too."""
    gate = Gate()
    after: list[str | None] = []
    rig.router.on("*", name="gate")(gate.handler(handler))
    rig.handle(handler, lambda event: after.append(event.id), name="after")

    async def main() -> None:
        task = asyncio.create_task(rig.deliver_async())
        await until(gate.entered.is_set)
        for _ in range(5):
            task.cancel()
            await asyncio.sleep(0.001)
        with pytest.raises(asyncio.CancelledError):
            await task
        gate.leave.set()
        await until(lambda: rig.status() == "done")

    asyncio.run(main())
    assert after == ["evt"]


def test_cancelled_while_claiming(rig: Rig) -> None:
    """Cancelled while the store is asked, the delivery still goes on to its end."""
    asked, answer = threading.Event(), threading.Event()

    class Slow(MemoryStore):
        blocking = True

        def claim(self, *arguments: Any, **options: Any) -> Claim:
            asked.set()
            assert answer.wait(PATIENCE)
            return super().claim(*arguments, **options)

    rig = Rig(Slow())
    runs: list[str | None] = []
    rig.handle("sync", lambda event: runs.append(event.id))

    async def main() -> None:
        task = asyncio.create_task(rig.deliver_async())
        await until(asked.is_set)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        answer.set()
        await until(lambda: bool(runs))  # to ask for the status sooner would claim the event
        await until(lambda: rig.status() == "done")

    asyncio.run(main())
    assert runs == ["evt"]


def test_loop_shut_down_while_a_sync_handler_runs(rig: Rig) -> None:
    """A server that stops waits for the sync handler, and the event is done afterwards."""
    gate = Gate()
    rig.handle("sync", gate.pass_through)

    async def main() -> None:
        rig.task = asyncio.create_task(rig.deliver_async())  # type: ignore[attr-defined]
        await until(gate.entered.is_set)
        threading.Timer(0.05, gate.leave.set).start()

    asyncio.run(main())
    assert gate.left.is_set()
    assert rig.status() == "done"


def test_loop_shut_down_while_an_async_handler_runs(rig: Rig) -> None:
    """A server that stops cancels the async handler; its event is free, and runs at the retry."""
    gate = Gate()
    rig.router.on("*", name="gate")(gate.pass_through_async)

    async def main() -> None:
        rig.task = asyncio.create_task(rig.deliver_async())  # type: ignore[attr-defined]
        await until(gate.entered.is_set)

    asyncio.run(main())
    assert not gate.left.is_set()
    assert rig.status() == "free"
    gate.leave.set()
    assert rig.deliver().outcome == "handled"


def test_handler_with_a_timeout_of_its_own(rig: Rig) -> None:
    """A timeout inside a handler works, in the task of the delivery and on our loop."""

    async def impatient(event: Event) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()

    rig.router.on("*")(impatient)
    assert rig.deliver("a").outcome == "handled"
    assert asyncio.run(rig.deliver_async("b")).outcome == "handled"


# --- crowds -----------------------------------------------------------------------------------


@HANDLERS
async def test_slow_handlers_do_not_starve_the_store(rig: Rig, handler: str) -> None:
    """With every handler thread taken and more waiting, duplicates are still answered."""
    rig.handle("sync", lambda event: None, on="quick", name="quick")
    await rig.deliver_async("known", "quick")
    leave = threading.Event()
    entered: list[str | None] = []
    outcomes: list[str] = []

    def slow(event: Event) -> None:
        entered.append(event.id)
        assert leave.wait(PATIENCE)

    async def slow_async(event: Event) -> None:
        entered.append(event.id)
        await until(leave.is_set)

    rig.router.on("slow", allow_unknown=True)(slow if handler == "sync" else slow_async)

    async def request(number: int) -> None:
        outcomes.append((await rig.deliver_async(f"evt{number}", "slow")).outcome)

    async with anyio.create_task_group() as tasks:
        for number in range(50):
            tasks.start_soon(request, number)
        await until(lambda: len(entered) >= 40)
        with anyio.fail_after(PATIENCE):
            reply = await rig.deliver_async("known", "quick")
        assert reply.outcome == "duplicate"
        assert outcomes == []
        leave.set()
    assert outcomes == ["handled"] * 50


def test_many_loops_at_once(rig: Rig) -> None:
    """One receiver serves event loops in several threads at the same time."""
    runs: list[str | None] = []
    rig.handle("sync", lambda event: runs.append(event.id), name="sync")
    rig.handle("async", lambda event: runs.append(event.id), name="async")

    def work(number: int) -> None:
        async def main() -> list[Reply]:
            deliveries: list[Coroutine[Any, Any, Reply]] = [
                rig.deliver_async(f"evt{number}-{each}") for each in range(5)
            ]
            return await asyncio.gather(*deliveries)

        assert {reply.outcome for reply in asyncio.run(main())} == {"handled"}

    in_threads(6, work)
    assert len(runs) == 60


def test_wait_that_is_broken_off(rig: Rig) -> None:
    """When the wait for an async handler is broken off, as by a time limit, it ends too."""

    class LimitError(Exception):
        pass

    begun, ends = threading.Event(), list[str]()

    @rig.router.on("*", name="long")
    async def long(event: Event) -> None:
        begun.set()
        try:
            await asyncio.sleep(PATIENCE)
        finally:
            await asyncio.sleep(0.05)
            ends.append("ended")

    def strike(_number: int, _frame: object) -> None:
        raise LimitError

    before = signal.signal(signal.SIGALRM, strike)
    try:
        main = threading.main_thread().ident
        assert main is not None

        def interrupt() -> None:
            begun.wait(PATIENCE)
            signal.pthread_kill(main, signal.SIGALRM)

        waiter = threading.Thread(target=interrupt)
        waiter.start()
        reply = rig.deliver()
        waiter.join()
    finally:
        signal.signal(signal.SIGALRM, before)
    assert reply.outcome == "failed"
    assert ends == ["ended"]


@pytest.mark.parametrize("heard", [True, False], ids=["after", "before"])
def test_wait_that_is_broken_off_at_its_start(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, *, heard: bool
) -> None:
    """So too at the worst moment: right after, or before, the loop has heard of the handler."""
    ends = list[str]()

    @rig.router.on("*", name="long")
    async def long(event: Event) -> None:
        try:
            await asyncio.sleep(PATIENCE)
        finally:
            await asyncio.sleep(0.05)
            ends.append("ended")

    loop = bridge._shared_loop()
    schedule = loop.call_soon_threadsafe

    def broken_off(callback: Callable[[], object]) -> None:
        monkeypatch.undo()
        if heard:
            begun = threading.Event()
            schedule(callback)
            schedule(lambda: schedule(begun.set))
            assert begun.wait(PATIENCE)
        raise KeyError

    monkeypatch.setattr(loop, "call_soon_threadsafe", broken_off)
    assert rig.deliver().outcome == "failed"
    assert ends == (["ended"] if heard else [])


# --- long work ------------------------------------------------------------------------------------


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[int]]:
    """The threads in which signatures were checked, and bodies parsed."""
    found: dict[str, set[int]] = {}

    def noting(name: str, do: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*given: Any) -> Any:
            found.setdefault(name, set()).add(threading.get_ident())
            return do(*given)

        return noted

    monkeypatch.setattr(Verifier, "check", noting("check", Verifier.check))
    monkeypatch.setattr(Registry, "get", noting("get", Registry.get))
    return found


def of_size(size: int, rest: bytes = b"}") -> bytes:
    return b'{"id":"evt","type":"ping","data":{"x":"%s"}%s' % (b"x" * size, rest)


@pytest.mark.parametrize("store", ["memory", "sqlite"])
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@HANDLERS
def test_large_bodies_are_checked_and_parsed_off_the_event_loop(
    handler: str, backend: str, store: str, places: dict[str, set[int]], tmp_path: Path
) -> None:
    """In a thread if large, in place if small; an async handler is on the loop in any case."""
    rig = Rig(SQLiteStore(tmp_path / "claims.db") if store == "sqlite" else None)
    seen: list[int] = []
    rig.handle(handler, lambda _: seen.append(threading.get_ident()))
    here = threading.get_ident()
    for number, size in enumerate((10, 200_000)):
        places.clear()
        body = of_size(size).replace(b"evt", b"evt%d" % number)
        reply = anyio.run(
            functools.partial(rig.receiver.receive_async, body, sign(body, SECRET)),
            backend=backend,
        )
        assert reply.outcome == "handled"
        for name in ("check", "get"):
            assert (here in places[name]) is (size == 10), name
            assert len(places[name]) == 1
        assert (seen[-1] == here) is (handler == "async")
        places.clear()
        assert rig.receiver.receive(body, sign(body, SECRET)).outcome == "duplicate"
        assert places == {"check": {here}, "get": {here}}


def test_large_junk_is_answered_as_small_junk_is(places: dict[str, set[int]]) -> None:
    """Each refusal is the same from a thread; what headers show needs none."""
    rig = Rig()
    rig.handle("sync", print)

    async def answer(body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        reply = await rig.receiver.receive_async(body, headers)
        return reply.status, reply.error.code if reply.error else ""

    def signed(body: bytes) -> dict[str, str]:
        return sign(body, SECRET)

    for size in (10, 200_000):
        body, broken = of_size(size), of_size(size, b"")
        other = sign(b"x", SECRET)
        assert asyncio.run(answer(body, {})) == (400, "missing_signature")
        assert asyncio.run(answer(body, sign(body, SECRET, timestamp=1))) == (
            400,
            "timestamp_too_old",
        )
        assert ("check" in places) is (size == 10)
        assert asyncio.run(answer(body, other)) == (400, "signature_mismatch")
        assert asyncio.run(answer(broken, signed(broken)))[0] == 422
        places.clear()
