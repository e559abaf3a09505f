"""Between sync and async: the one place where threads and event loops meet.

`run` calls async code from sync code, `in_thread` sync code from async code, and `shield` lets
work finish although whoever waits for it was cancelled. asyncio and trio both work.
"""

import asyncio
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import CancelledError, Future, wait
from contextlib import AbstractContextManager, nullcontext, suppress
from contextvars import ContextVar, copy_context
from functools import partial
from typing import Any, Generic, TypeVar

from coffrify_webhooks.errors import NotBegun

from . import threads
from .async_library import await_within, leave_library, running_trio
from .gate import gate_of

__all__ = ["in_thread", "run", "shield", "wait_until_done"]

T = TypeVar("T")

_LAST_MOMENTS = 1.0
"""Seconds that a thread is still waited for while its event loop shuts down."""
_loop: asyncio.AbstractEventLoop | None = None
_loop_thread: threading.Thread | None = None
_lock = threading.Lock()
_tasks: set[asyncio.Task[Any]] = set()
_awaited: ContextVar[bool] = ContextVar("coffrify_webhooks_inside_run", default=False)


# --- async code from sync code ----------------------------------------------------------------


def run(function: Callable[..., Awaitable[T]], *arguments: Any, begin_within: float) -> T:
    """Call an async function from sync code, on an event loop thread of ours.

    Works inside a running loop too. Within another call of `run` (an async handler that calls
    sync code that calls an async handler) it takes a fresh loop: ours may be waiting for us.
    Raises NotBegun if the call could not begin within so many seconds, and then it never does.
    """

    async def call() -> T:
        _awaited.set(True)
        leave_library()
        return await function(*arguments)

    if _awaited.get():
        return threads.submit("nested", lambda: asyncio.run(call())).result()
    return _LoopCall(call).wait(begin_within)


class _LoopCall(Generic[T]):
    """A coroutine on the shared loop, for which a thread waits."""

    def __init__(self, call: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._call = call
        self._loop = _shared_loop()
        self._future: Future[T] = Future()
        self._task: asyncio.Task[T] | None = None

    def wait(self, begin_within: float) -> T:
        """Wait for its end; if the wait is broken off, as by a signal, end the coroutine first.

        Else it would go on although its caller takes it for ended, and runs it anew.
        """
        try:
            self._loop.call_soon_threadsafe(self._begin)
            if not self._has_begun(begin_within):
                raise NotBegun("the event loop of the async handlers is blocked by one of them")  # noqa: TRY301
            return self._future.result()
        except BaseException:
            while not self._future.done() and not self._future.cancel():
                with suppress(BaseException):
                    self._loop.call_soon_threadsafe(self._cancel)
                    wait([self._future])
            raise

    def _has_begun(self, within: float) -> bool:
        """Wait for the end, or for so long; tell whether it has begun. If not, it never does."""
        with suppress(TimeoutError, CancelledError):
            self._future.exception(within)
        return not self._future.cancel()

    def _begin(self) -> None:
        if self._future.set_running_or_notify_cancel():
            self._task = self._loop.create_task(self._call())
            self._task.add_done_callback(self._copy_result)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _copy_result(self, task: asyncio.Task[T]) -> None:
        if task.cancelled():
            self._future.set_exception(CancelledError())
        elif (error := task.exception()) is not None:
            self._future.set_exception(error)
        else:
            self._future.set_result(task.result())


def _shared_loop() -> asyncio.AbstractEventLoop:
    global _loop, _loop_thread
    with _lock:
        if _loop is None:
            try:
                loop = asyncio.new_event_loop()
            except OSError as error:  # no file descriptor is left
                raise NotBegun("no event loop could be created") from error
            thread = threading.Thread(
                target=_serve, args=(loop,), name="coffrify-webhooks-loop", daemon=True
            )
            try:
                thread.start()
            except BaseException as error:
                loop.close()
                raise NotBegun("no thread could be started") from error
            # Not before it runs: whoever comes next would wait for it for ever.
            _loop, _loop_thread = loop, thread
        return _loop


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    """Run the loop for good: a handler's SystemExit ends `run_forever`, and others wait on it."""
    while not loop.is_closed():
        with suppress(BaseException):  # whoever waits for that handler is given it
            loop.run_forever()


# --- sync code from async code ----------------------------------------------------------------


async def in_thread(
    function: Callable[..., T],
    *arguments: Any,
    begin_within: float,
    on_abandoned: Callable[[T], object] | None = None,
) -> T:
    """Call a sync function in a thread of ours, from which `anyio.from_thread` works.

    Raises NotBegun if no thread became free within so many seconds. To be called where only the
    end of the event loop cancels, as in `shield`: it then gives up after a moment, and the thread
    goes on alone and calls `on_abandoned` with the result.
    """
    future: Future[T] = Future()
    context = copy_context()
    context.run(leave_library)
    claim = _anyio_membership()

    def work() -> None:
        results: list[T] = []

        def call() -> T:
            results.append(context.run(function, *arguments))
            return results[0]

        with claim():
            if not threads.complete(future, call) and results and on_abandoned is not None:
                on_abandoned(results[0])

    trio = running_trio()
    gate = gate_of(trio)
    await gate.enter(trio, begin_within)
    try:
        await (_in_asyncio_thread(work, future) if trio is None else _in_trio(trio, work, future))
    finally:
        gate.leave()
    return future.result()


async def _in_asyncio_thread(work: Callable[[], None], future: "Future[Any]") -> None:
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[None] = loop.create_future()

    def notify() -> None:
        if not waiter.done():
            waiter.set_result(None)

    def done(_: "Future[Any]") -> None:
        with suppress(RuntimeError):  # nobody waits any more: the loop is closed
            loop.call_soon_threadsafe(notify)

    future.add_done_callback(done)
    threads.start(work)
    try:
        await asyncio.shield(waiter)
    except asyncio.CancelledError:
        await asyncio.wait([waiter], timeout=_LAST_MOMENTS)
        if threads.complete(future, _refuse_abandoned):
            raise


async def _in_trio(trio: Any, work: Callable[[], None], future: "Future[Any]") -> None:
    if trio.current_effective_deadline() == float("-inf"):
        threads.complete(future, _refuse_abandoned)
        threads.start(work)
        await trio.lowlevel.checkpoint()
    limiter = trio.CapacityLimiter(1)  # one of our own: the program's limit is not ours to use
    try:
        await trio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=limiter)
    except trio.Cancelled:
        if threads.complete(future, _refuse_abandoned):
            raise


def _refuse_abandoned() -> Any:
    raise CancelledError


def _anyio_membership() -> Callable[[], AbstractContextManager[object]]:
    """Return what makes a thread one of AnyIO's, in a program that has it loaded.

    AnyIO's own threads would hold up the exit of the process, and what it has for others' threads
    is not public; without it `anyio.from_thread` does not work, and all else does.
    """
    if "anyio" not in sys.modules:
        return nullcontext
    try:
        from anyio._core._eventloop import claim_worker_thread, threadlocals
        from anyio.lowlevel import current_token

        token = current_token()
    except (ImportError, AttributeError, RuntimeError):
        return nullcontext

    def claim() -> AbstractContextManager[object]:
        threadlocals.current_cancel_scope = None  # what waits for us is shielded: none cancels us
        return claim_worker_thread(token.backend_class, token.native_token)

    return claim


# --- work that outlives its waiter ------------------------------------------------------------


async def shield(function: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Await a coroutine function that goes on to its end even if we are cancelled."""
    trio = running_trio()
    if trio is not None:
        return await _in_system_task(trio, function)
    loop = asyncio.get_running_loop()
    if sys.version_info >= (3, 12):  # one that does not wait ends without a turn of the loop
        task = asyncio.Task(function(), loop=loop, eager_start=True)
        if task.done():
            return task.result()
    else:
        task = loop.create_task(function())
    _tasks.add(task)  # a loop keeps only weak references to its tasks
    task.add_done_callback(_tasks.discard)
    return await asyncio.shield(task)


async def _in_system_task(trio: Any, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """A task of trio's own: it outlives its caller, and the end of the run still cancels it."""
    future: Future[T] = Future()
    done = trio.Event()

    async def work() -> None:
        try:
            result = await function()
        except BaseException as error:
            threads.complete(future, _raise, error)
            if isinstance(error, trio.Cancelled):
                raise
        else:
            future.set_result(result)
        finally:
            done.set()

    trio.lowlevel.spawn_system_task(work, context=copy_context())
    await done.wait()
    return future.result()


def _raise(error: BaseException) -> Any:
    raise error


async def wait_until_done(future: "Future[Any]", seconds: float) -> bool:
    """Wait for so long at most until a future of `submit` is done; tell whether it is."""
    trio = running_trio()
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
    await await_within(seconds, news.wait)
    return future.done()


def _after_fork() -> None:
    """Threads do not survive a fork: start anew in the child."""
    global _lock, _loop, _loop_thread
    _lock = threading.Lock()
    _loop = _loop_thread = None
    _tasks.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
