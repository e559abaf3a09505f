"""Where each effect of a delivery is performed under the async driver: on the loop, or in a thread.

What cannot block is done in place; what may block goes to a thread, once for a delivery if its
handlers let it. No call of ours that may block is made on the event loop's thread.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import anyio
import pytest
from tests.test_drivers import HANDLERS, SECRET, Rig, until

from coffrify_webhooks import Receiver, Reply, sign
from coffrify_webhooks.stores import About
from coffrify_webhooks.stores.memory import MemoryStore
from coffrify_webhooks.stores.sqlite import SQLiteStore
from coffrify_webhooks.stores.turn import WouldWait

T = TypeVar("T")

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])


class Blocking(MemoryStore):
    """A store that may block; notes the thread of each call."""

    blocking = True

    def __init__(self) -> None:
        super().__init__()
        self.threads = list[tuple[str, int]]()

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name not in ("claim", "done", "failed", "release", "checkpoint", "purge", "renew"):
            return found

        def noted(*arguments: Any, **options: Any) -> Any:
            self.threads.append((name, threading.get_ident()))
            return found(*arguments, **options)

        return noted


class Hops(Receiver):
    """Counts how often a delivery goes to a thread."""

    hops = 0

    async def in_thread(self, function: Callable[[T], T], argument: T, **options: Any) -> T:
        self.hops += 1
        return await super().in_thread(function, argument, **options)


def hopping(rig: Rig) -> Hops:
    rig.receiver = Hops(SECRET, router=rig.router, store=rig.store)
    rig.receiver.purge_schedule._next = float("inf")  # once an hour, and in a thread
    return rig.receiver


@BACKENDS
@pytest.mark.parametrize(
    ("store", "kinds", "hops"),
    [
        ("memory", ["async"], 0),
        ("memory", ["async", "async"], 0),
        ("memory", ["sync", "sync"], 1),
        ("memory", ["async", "sync"], 1),
        ("sqlite", ["async"], 0),
        ("sqlite", ["sync", "sync"], 1),
        ("blocking", ["sync", "sync"], 1),
        ("blocking", ["async"], 2),
        ("blocking", [], 1),
    ],
)
def test_a_delivery_goes_to_a_thread_as_seldom_as_it_can(
    store: str, kinds: list[str], hops: int, backend: str, tmp_path: Path
) -> None:
    """Never for what cannot block; once where no async handler wants the loop back."""
    made = {"memory": MemoryStore, "blocking": Blocking}.get(
        store, partial(SQLiteStore, tmp_path / "store.db")
    )()
    rig = Rig(made)
    for number, kind in enumerate(kinds):
        rig.handle(kind, lambda event: None, on="test", name=f"handler{number}")
    rig.handle("sync", lambda event: None, on="opening", name="opening")
    rig.receiver.purge_schedule._next = float("inf")  # whose thread would have the file's turn
    assert rig.deliver("opening", "opening").outcome == "handled"  # opens the file
    receiver = hopping(rig)
    reply = anyio.run(rig.deliver_async, "evt", "test", backend=backend)
    assert reply.outcome == ("handled" if kinds else "ignored")
    assert receiver.hops == hops
    made.close()


@BACKENDS
@HANDLERS
def test_a_store_that_may_block_is_never_asked_on_the_loop(handler: str, backend: str) -> None:
    """Not one of its calls, whether the handlers finish or fail."""

    def fail(event: Any) -> None:
        raise ValueError

    store, here = Blocking(), threading.get_ident()
    rig = Rig(store)
    rig.handle(handler, lambda event: None, name="good")
    rig.handle(handler, fail, on="bad", name="bad")
    outcomes = [
        anyio.run(rig.deliver_async, each, kind, backend=backend).outcome
        for each, kind in (("a", "ping"), ("a", "ping"), ("b", "bad"), ("c", "nobody"))
    ]
    assert outcomes == ["handled", "duplicate", "failed", "handled"]
    assert {name for name, _ in store.threads} >= {"claim", "done", "failed", "purge"}
    assert [name for name, thread in store.threads if thread == here] == []


# --- sqlite -----------------------------------------------------------------------------------


class Watched(SQLiteStore):
    """Notes the thread in which each claim is made."""

    def __init__(self, path: Path, **options: Any) -> None:
        super().__init__(path, **options)
        self.threads: list[int] = []

    def claim(self, *arguments: Any, **options: Any) -> Any:
        self.threads.append(threading.get_ident())
        return super().claim(*arguments, **options)


def test_sqlite_is_asked_on_the_loop_once_it_is_open(tmp_path: Path) -> None:
    """The file is opened in a thread; what does not wait afterwards is done in place."""
    store, here = Watched(tmp_path / "store.db"), threading.get_ident()
    rig = Rig(store)
    rig.handle("async", lambda event: None)

    async def main() -> None:
        for number in range(3):
            assert (await rig.deliver_async(f"evt{number}")).outcome == "handled"

    asyncio.run(main())
    assert [thread == here for thread in store.threads] == [False, True, True]
    store.close()


def test_sqlite_that_is_busy_is_waited_for_in_a_thread(tmp_path: Path) -> None:
    """While another process writes the loop goes on, and the delivery gets through afterwards."""
    store, here = Watched(tmp_path / "store.db"), threading.get_ident()
    rig = Rig(store)
    rig.handle("async", lambda event: None)
    assert rig.deliver("first").outcome == "handled"
    other = sqlite3.connect(store.path, isolation_level=None)

    async def main() -> Reply:
        other.execute("BEGIN IMMEDIATE")
        task = asyncio.create_task(rig.deliver_async())
        await until(lambda: len(store.threads) == 3)  # tried here, and then in a thread
        assert not task.done()
        other.execute("COMMIT")
        return await task

    assert asyncio.run(main()).outcome == "handled"
    assert [thread == here for thread in store.threads] == [True, True, False]
    assert rig.status() == "done"
    other.close()
    store.close()


def test_sqlite_in_place_refuses_what_may_take_long(tmp_path: Path) -> None:
    """Then nothing is done: not opened, busy, a large body, a purge, a flush for each event."""
    about = About("default", "evt", "ping")
    claim = ("claim", "k" * 64, "d" * 64, 60.0, None, about)
    flushing = SQLiteStore(tmp_path / "flushing.db", synchronous="FULL")
    flushing.stats()
    store = SQLiteStore(tmp_path / "store.db")
    with pytest.raises(WouldWait):
        store.at_once(*claim)
    assert store.stats() == {}  # which has opened it
    refused: list[tuple[SQLiteStore, Any]] = [
        (flushing, claim),
        (store, (*claim, b"x" * 100_000)),
        (store, ("purge", 0.0)),
        (store, ("find",)),
    ]
    for each, call in refused:
        with pytest.raises(WouldWait):
            each.at_once(*call)
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(WouldWait):
        store.at_once(*claim)
    with store._turn, pytest.raises(WouldWait):
        store.at_once(*claim)
    other.execute("ROLLBACK")
    assert store.stats() == {}
    assert store.at_once(*claim).status == "claimed"
    for each in (store, flushing):
        each.close()
    other.close()


def test_a_lost_file_is_noticed_in_a_thread(tmp_path: Path) -> None:
    """A file that was replaced under an open store is opened anew, though not on the loop."""
    store = Watched(tmp_path / "store.db")
    rig, here = Rig(store), threading.get_ident()
    rig.handle("async", lambda event: None)
    assert rig.deliver("first").outcome == "handled"
    for path in tmp_path.glob("store.db*"):
        path.unlink()
    assert asyncio.run(rig.deliver_async("second")).outcome == "handled"
    assert [thread == here for thread in store.threads] == [True, False]
    assert rig.status("second") == "done"
    store.close()


def test_what_waits_for_the_loop_is_timed_and_what_does_not_is_not() -> None:
    """A reply to a body that is there sets no timer; see `async_library.await_within`."""
    from coffrify_webhooks.concurrency.async_library import await_within

    async def now() -> str:
        return "now"

    async def later() -> str:
        await asyncio.sleep(0)
        await asyncio.sleep(0.001)
        return "later"

    async def broken() -> str:
        await asyncio.sleep(0)
        raise KeyError

    async def main() -> None:
        loop = asyncio.get_running_loop()
        timers, call_at = list[float](), loop.call_at

        def noted(when: float, *arguments: Any, **options: Any) -> Any:
            timers.append(when)
            return call_at(when, *arguments, **options)

        loop.call_at = noted  # type: ignore[assignment, method-assign]
        assert await await_within(20, now) == "now"
        assert timers == []
        assert await await_within(20, later) == "later"
        with pytest.raises(KeyError):
            await await_within(20, broken)
        assert await await_within(0.001, asyncio.Event().wait) is None
        waiting = asyncio.create_task(await_within(20, asyncio.Event().wait))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(main())


def test_cancelled_before_a_claim_nothing_is_kept() -> None:
    """A delivery that is refused needs no task of its own; one that is claimed runs to its end."""
    rig = Rig()
    rig.handle("async", lambda event: None)
    body, headers = rig.request("evt", "ping")

    async def main() -> None:
        before = asyncio.all_tasks()
        tasks = set[Any]()

        def noted(loop: Any, work: Any, **options: Any) -> Any:
            tasks.add(work)
            return asyncio.Task(work, loop=loop, **options)

        asyncio.get_running_loop().set_task_factory(noted)
        assert (await rig.receiver.receive_async(body, {})).outcome == "rejected"
        assert (await rig.receiver.receive_async(body, sign(b"x", SECRET))).outcome == "rejected"
        assert not tasks
        assert asyncio.all_tasks() == before
        assert (await rig.receiver.receive_async(body, headers)).outcome == "handled"

    asyncio.run(main())
