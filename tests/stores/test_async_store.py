"""Async stores under each driver, without a server: who awaits them, and on which loop."""

import asyncio
import functools
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from tests.stores.async_memory import AsyncMemoryStore
from tests.stores.test_contract import Clock, Clocked

from coffrify_webhooks import ConfigurationError, Event, Receiver, Reply, Router, sign
from coffrify_webhooks.stores import AsyncStore
from coffrify_webhooks.stores.blocking import blocking_form
from coffrify_webhooks.stores.memory import MemoryStore
from coffrify_webhooks.testing.store_contract import AsyncStoreContract

pytestmark = [
    pytest.mark.usefixtures("leftovers"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

SECRET = "whsec_" + "ab" * 32


def delivery(number: int = 1) -> tuple[bytes, dict[str, str]]:
    body = b'{"id": "evt_%d", "type": "ping"}' % number
    return body, sign(body, SECRET)


class Rig:
    """A receiver on an async store, with handlers of the given kinds."""

    def __init__(self, *kinds: str, store: AsyncStore | None = None, **options: Any) -> None:
        self.store = AsyncMemoryStore() if store is None else store
        self.threads: list[str] = []
        router = Router()
        for number, kind in enumerate(kinds):
            router.on("*", name=f"{kind} {number}")(self.plain if kind == "sync" else self.awaited)
        self.receiver = Receiver(SECRET, store=self.store, router=router, **options)

    def plain(self, event: Event) -> None:
        self.threads.append(threading.current_thread().name)

    async def awaited(self, event: Event) -> None:
        await anyio.lowlevel.checkpoint()
        self.threads.append(threading.current_thread().name)

    def loops(self) -> set[asyncio.AbstractEventLoop]:
        assert isinstance(self.store, AsyncMemoryStore)
        return {loop for call, loop in self.store.calls if call != "purge"}  # beside deliveries


class TestAsyncMemory(AsyncStoreContract, Clocked):
    @pytest.fixture
    def async_store(self, clock: Clock) -> AsyncStore:
        return AsyncMemoryStore(clock=clock)


# --- the async driver -------------------------------------------------------------------------


async def _outcomes(rig: Rig, *numbers: int) -> list[str]:
    return [(await rig.receiver.receive_async(*delivery(each))).outcome for each in numbers]


@pytest.mark.parametrize("kinds", [["async"], ["sync"], ["async", "sync", "async"], ["sync"] * 2])
def test_every_call_is_awaited_on_the_callers_loop(kinds: list[str]) -> None:
    """Under the async driver the store is called on the loop of the delivery, and nowhere else."""
    rig = Rig(*kinds)

    async def deliver() -> asyncio.AbstractEventLoop:
        assert await _outcomes(rig, 1, 1, 2) == ["handled", "duplicate", "handled"]
        return asyncio.get_running_loop()

    loop = asyncio.run(deliver())
    assert rig.loops() == {loop}


def test_an_async_store_costs_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """With an async handler a delivery does not leave the event loop's thread."""
    rig = Rig("async")
    started: list[str] = []
    start = threading.Thread.start

    def noted(thread: threading.Thread) -> None:
        started.append(thread.name)
        start(thread)

    async def deliver() -> None:
        await _outcomes(rig, 0)  # the watch over leases has its thread from now on
        monkeypatch.setattr(threading.Thread, "start", noted)
        monkeypatch.setattr(Receiver, "in_thread", None)
        assert await _outcomes(rig, 1, 1, 2) == ["handled", "duplicate", "handled"]

    asyncio.run(deliver())
    assert started == []
    assert rig.threads == ["MainThread"] * 3


def test_under_trio_a_loop_of_ours_awaits_it() -> None:
    """The drivers of async stores know asyncio alone; a delivery under trio works all the same."""
    rig = Rig("async", "sync")
    assert anyio.run(_outcomes, rig, 1, 1, backend="trio") == ["handled", "duplicate"]
    assert len(rig.loops()) == 1


def test_several_loops_in_several_threads() -> None:
    """Each loop's deliveries are awaited on that loop; an event is handled once."""
    rig = Rig("async", "sync")
    outcomes: list[str] = []

    def work() -> None:
        outcomes.extend(asyncio.run(_outcomes(rig, *range(20))))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("handled") == 20
    assert set(outcomes) <= {"handled", "duplicate", "busy"}
    assert len(rig.loops()) == 4


def test_a_cancelled_client_leaves_the_event_settled() -> None:
    """A sender that hangs up while the store is being asked loses nothing of the delivery."""
    rig = Rig("async")

    async def deliver() -> str:
        task = asyncio.create_task(rig.receiver.receive_async(*delivery()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        while True:
            outcome = (await rig.receiver.receive_async(*delivery())).outcome
            if outcome != "busy":
                return outcome

    assert asyncio.run(deliver()) == "duplicate"
    assert len(rig.threads) == 1


def test_a_nested_delivery_is_handled_with_an_async_store() -> None:
    """A handler may deliver another event, by each driver, while the first is being handled."""
    rig = Rig()

    async def inner(event: Event) -> None:
        if event.id == "evt_1":
            assert (await rig.receiver.receive_async(*delivery(2))).outcome == "handled"
            assert rig.receiver.receive(*delivery(3)).outcome == "handled"

    rig.receiver.on("*")(inner)
    assert asyncio.run(_outcomes(rig, 1, 2, 3)) == ["handled", "duplicate", "duplicate"]
    assert rig.receiver.receive(*delivery(1)).outcome == "duplicate"


class Away(AsyncMemoryStore):
    """Raises what a driver of somebody else's may raise."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error: BaseException | None = error

    async def _call(self, method: str, *arguments: Any, **options: Any) -> Any:
        if self.error is not None:
            raise self.error
        return await super()._call(method, *arguments, **options)


@pytest.mark.parametrize("driver", ["sync", "async"])
@pytest.mark.parametrize("error", [OSError("secret"), RuntimeError("secret"), KeyError("secret")])
def test_whatever_an_async_store_raises_is_unavailable(driver: str, error: Exception) -> None:
    """An error of a store of somebody else's is 503, tells nothing, and passes."""
    store = Away(error)
    rig = Rig("async", store=store)

    def deliver() -> Reply:
        if driver == "sync":
            return rig.receiver.receive(*delivery())
        return asyncio.run(rig.receiver.receive_async(*delivery()))

    reply = deliver()
    assert (reply.status, reply.outcome) == (503, "unavailable")
    assert b"secret" not in reply.body
    store.error = None
    assert deliver().outcome == "handled"


# --- sync code --------------------------------------------------------------------------------


@pytest.mark.parametrize("kinds", [["sync"], ["async"], ["async", "sync"]])
def test_the_sync_driver_works_with_an_async_store(kinds: list[str]) -> None:
    """`receive` waits for a loop of ours that awaits the store."""
    rig = Rig(*kinds)
    outcomes = [rig.receiver.receive(*delivery(each)).outcome for each in (1, 1, 2)]
    assert outcomes == ["handled", "duplicate", "handled"]
    assert len(rig.loops()) == 1


def test_what_commands_do_works_with_an_async_store() -> None:
    """Replays, forgetting and looking at events work from sync code."""
    rig = Rig("async")
    store = rig.receiver.store
    assert rig.receiver.receive(*delivery()).outcome == "handled"
    assert store.stats() == {"done": 1}
    [record] = store.find()
    assert store.get(record.key) is not None
    assert rig.receiver.forget("evt_1")
    assert store.find() == []
    assert repr(store) == repr(rig.store)


def test_a_handler_that_outlives_its_lease_keeps_its_claim() -> None:
    """Leases are renewed by a thread, which a handler that blocks its loop cannot hold up."""
    renewed = threading.Event()

    class Renewing(AsyncMemoryStore):
        async def _call(self, method: str, *arguments: Any, **options: Any) -> Any:
            found = await super()._call(method, *arguments, **options)
            if method == "renew":
                renewed.set()
            return found

    rig = Rig(store=Renewing(), lease=0.3)

    @rig.receiver.on("*")
    async def blocks(event: Event) -> None:
        assert renewed.wait(20)

    assert asyncio.run(_outcomes(rig, 1, 1)) == ["handled", "duplicate"]


FORK = """
import asyncio, os, sys
from coffrify_webhooks import Receiver, Router, sign
from tests.stores.async_memory import AsyncMemoryStore
router = Router()
@router.on("*")
async def handle(event): pass
receiver = Receiver("whsec_" + "ab" * 32, store=AsyncMemoryStore(), router=router)
def deliver(number):
    body = b'{"id": "evt_%d", "type": "ping"}' % number
    headers = sign(body, "whsec_" + "ab" * 32)
    first = receiver.receive(body, headers).outcome
    return first, asyncio.run(receiver.receive_async(body, headers)).outcome
assert deliver(1) == ("handled", "duplicate")
child = os.fork()
if child == 0:
    os._exit(deliver(2) != ("handled", "duplicate"))
assert os.waitpid(child, 0)[1] == 0
assert deliver(3) == ("handled", "duplicate")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_fork_after_the_first_delivery_to_an_async_store() -> None:
    """The child has a loop of its own."""
    command = [sys.executable, "-W", "ignore:This process", "-c", FORK]
    assert subprocess.run(command, check=False, timeout=100).returncode == 0


# --- mistakes ---------------------------------------------------------------------------------


class Mixed(MemoryStore):
    async def done(self, key: str, token: str) -> bool:  # type: ignore[override]
        return True


def test_a_store_that_mixes_sync_and_async_is_refused() -> None:
    """A store of which some methods only are async is told by the first that is not."""
    with pytest.raises(ConfigurationError, match=r"Mixed mixes sync and async: claim is not"):
        Receiver(SECRET, store=Mixed())  # type: ignore[arg-type]


def test_a_plain_store_is_no_async_one() -> None:
    """The async suite tells a store whose methods are plain ones."""
    with pytest.raises(AssertionError):
        AsyncStoreContract().test_each_method_is_async(MemoryStore())  # type: ignore[arg-type]


def atomic(receiver: Callable[..., Receiver]) -> Receiver:
    router = Router()

    @router.on("*", atomic=True)
    async def handler(event: Event) -> None: ...

    return receiver(SECRET, router=router)


def test_an_atomic_handler_needs_a_database_of_ones_own() -> None:
    """An async store that is in no database of the application's cannot run an atomic handler."""
    receiver = atomic(functools.partial(Receiver, store=AsyncMemoryStore()))
    reply = receiver.receive(*delivery())
    assert (reply.status, reply.outcome) == (500, "misconfigured")


def test_the_blocking_form_is_one_place_with_its_store() -> None:
    """Two endpoints of one name with other secrets on one async store are refused."""
    store = AsyncMemoryStore()
    first = Receiver(SECRET, store=store, router=Router())
    with pytest.raises(ConfigurationError, match="share a store"):
        Receiver("another", store=store, router=Router())
    del first
    assert blocking_form(store) is not None
