"""Between sync and async: the one place where threads and event loops meet.

`run` calls async code from sync code, `in_thread` sync code from async code, and `shielded` lets
work finish although whoever waits for it was cancelled. asyncio and trio both work.
"""

import asyncio
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from functools import partial
from typing import Any, Literal, TypeAlias, TypeVar

__all__ = ["ended", "in_thread", "run", "shielded", "submit", "within"]

T = TypeVar("T")
Pool: TypeAlias = Literal["handlers", "stores", "engines", "others"]

_SIZES: dict[str, int] = {"handlers": 40, "stores": 64, "engines": 40, "others": 40}
_pools: dict[str, ThreadPoolExecutor] = {}
_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
_loop_thread: threading.Thread | None = None
_tasks: set[asyncio.Task[Any]] = set()
_inside: ContextVar[bool] = ContextVar("coffrify_webhooks_inside_handler", default=False)
_awaited: ContextVar[bool] = ContextVar("coffrify_webhooks_inside_run", default=False)


# --- async code from sync code ----------------------------------------------------------------


def run(function: Callable[..., Awaitable[T]], *arguments: Any) -> T:
    """Call an async function from sync code, on an event loop thread of ours.

    Works inside a running loop too. Within another call of `run` (an async handler that calls
    sync code that calls an async handler) it takes a fresh loop: ours may be waiting for us.
    """

    async def call() -> T:
        _awaited.set(True)
        _leave_library()
        return await function(*arguments)

    if _awaited.get():
        return _on_fresh_loop(call)
    return _on_shared_loop(call)


def _on_shared_loop(call: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Wait for a coroutine; if the wait is broken off, as by a signal, end the coroutine first.

    Else it would go on although its caller takes it for ended, and runs it anew.
    """
    loop = _shared_loop()
    future: Future[T] = Future()
    begun: list[asyncio.Task[T]] = []

    def begin() -> None:
        begun.append(loop.create_task(call()))
        begun[0].add_done_callback(settle)

    def settle(task: asyncio.Task[T]) -> None:
        if task.cancelled():
            future.set_exception(CancelledError())
        elif (error := task.exception()) is not None:
            future.set_exception(error)
        else:
            future.set_result(task.result())

    def end() -> None:
        if begun:
            begun[0].cancel()
        elif not future.done():  # the wait was broken off before the loop had heard of it
            future.set_exception(CancelledError())

    try:
        loop.call_soon_threadsafe(begin)
        return future.result()
    except BaseException:
        while not future.done():
            with suppress(BaseException):
                loop.call_soon_threadsafe(end)
                wait([future])
        raise


def _shared_loop() -> asyncio.AbstractEventLoop:
    global _loop, _loop_thread  # noqa: PLW0603
    with _lock:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            _loop_thread = threading.Thread(
                target=_serve, args=(_loop,), name="coffrify-webhooks-loop", daemon=True
            )
            _loop_thread.start()
        return _loop


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    """Run the loop for good: a handler's SystemExit ends `run_forever`, and others wait on it."""
    while not loop.is_closed():
        with suppress(BaseException):  # whoever waits for that handler is given it
            loop.run_forever()


def _on_fresh_loop(call: Callable[[], Coroutine[Any, Any, T]]) -> T:
    return _in_fresh_thread(lambda: asyncio.run(call()), copy_context()).result()


def _in_fresh_thread(call: Callable[[], T], context: Context) -> "Future[T]":
    future: Future[T] = Future()

    def work() -> None:
        try:
            future.set_result(context.run(call))
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits
            future.set_exception(error)

    threading.Thread(target=work, name="coffrify-webhooks-nested").start()
    return future


# --- sync code from async code ----------------------------------------------------------------


def submit(pool: Pool, function: Callable[..., T], *arguments: Any) -> "Future[T]":
    """Call a sync function in a worker thread, for whoever does not wait for its end."""
    return _pool(pool).submit(copy_context().run, function, *arguments)


async def ended(future: "Future[Any]", seconds: float) -> bool:
    """Wait for so long at most until a future of `submit` is done; tell whether it is."""
    trio = _running_trio()
    if trio is not None:
        token, news = trio.lowlevel.current_trio_token(), trio.Event()
        notify: Callable[[], object] = partial(token.run_sync_soon, news.set)
    else:
        news = asyncio.Event()
        notify = partial(asyncio.get_running_loop().call_soon_threadsafe, news.set)

    def done(_future: "Future[Any]") -> None:
        with suppress(RuntimeError):  # nobody waits any more: the loop is closed
            notify()

    future.add_done_callback(done)
    await within(seconds, news.wait)
    return future.done()


async def in_thread(pool: Pool, function: Callable[..., T], *arguments: Any) -> T:
    """Call a sync function in a worker thread; never leaves it behind, even when cancelled.

    Stores have threads of their own, so that slow handlers cannot starve a lease.
    """
    context = copy_context()
    nested = pool == "handlers" and context.run(_inside.get)
    context.run(_inside.set, True)  # noqa: FBT003
    context.run(_leave_library)

    def call() -> tuple[T]:  # boxed: trio refuses a function that returns a coroutine
        try:
            return (function(*arguments),)
        except StopIteration as error:  # no future can carry it: whoever waits would wait for ever
            raise RuntimeError("StopIteration was raised") from error

    trio = _running_trio()
    if trio is not None:
        limiter = trio.CapacityLimiter(1)  # one of our own: the program's limit is not ours to use
        return (await trio.to_thread.run_sync(context.run, call, limiter=limiter))[0]  # type: ignore[no-any-return]
    if nested:  # a pool full of handlers that wait for handlers would never drain
        future = asyncio.wrap_future(_in_fresh_thread(call, context))
    else:
        future = asyncio.wrap_future(_pool(pool).submit(context.run, call))
    while True:
        try:
            return (await asyncio.shield(future))[0]
        except asyncio.CancelledError:
            if future.done():
                return future.result()[0]


def _pool(name: Pool) -> ThreadPoolExecutor:
    with _lock:
        if name not in _pools:
            _pools[name] = ThreadPoolExecutor(_SIZES[name], f"coffrify-webhooks-{name}")
        return _pools[name]


# --- work that outlives its waiter ------------------------------------------------------------


async def shielded(function: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Await a coroutine function that goes on to its end even if we are cancelled."""
    trio = _running_trio()
    if trio is not None:
        with trio.CancelScope(shield=True):
            return await function()
    task = asyncio.get_running_loop().create_task(function())
    _tasks.add(task)  # a loop keeps only weak references to its tasks
    task.add_done_callback(_tasks.discard)
    return await asyncio.shield(task)


async def within(seconds: float, function: Callable[[], Awaitable[T]]) -> T | None:
    """Await a coroutine function for so long at most; None if it took longer."""
    trio = _running_trio()
    if trio is not None:
        with trio.move_on_after(seconds):
            return await function()
        return None
    try:
        async with asyncio.timeout(seconds):
            return await function()
    except TimeoutError:
        return None


def _running_trio() -> Any:
    """Return the trio module if this is a trio task; it is imported already if so."""
    trio = sys.modules.get("trio")
    return trio if trio is not None and trio.lowlevel.in_trio_task() else None


def _leave_library() -> None:
    """Forget which async library the caller runs on; what we call next runs in another thread."""
    sniffio = sys.modules.get("sniffio")
    if sniffio is not None:
        sniffio.current_async_library_cvar.set(None)


def _after_fork() -> None:
    """Threads do not survive a fork: start anew in the child."""
    global _lock, _loop, _loop_thread  # noqa: PLW0603
    _lock = threading.Lock()
    _loop = _loop_thread = None
    _pools.clear()
    _tasks.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
