"""Calls a handler, finishes what it returns, and tells what of it is its failure.

A result that still has to be run is run (an awaitable) or waited for (a future). One that nobody
would ever run, such as a generator, is a failure: else the event would be lost in silence.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Generator
from concurrent.futures import Future
from contextlib import _AsyncGeneratorContextManager, _GeneratorContextManager
from functools import partial
from inspect import isawaitable, iscoroutine
from types import BuiltinFunctionType, FunctionType, MethodType, TracebackType
from typing import TYPE_CHECKING, Any, TypeGuard, cast

from coffrify_webhooks.concurrency import bridge
from coffrify_webhooks.errors import ClaimLost, NotBegun, StoreUnavailable
from coffrify_webhooks.stores import AsyncAtomicStore, AtomicStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from coffrify_webhooks.pipeline.effects import CallHandler

__all__ = [
    "await_atomically",
    "call_atomically",
    "call_here",
    "call_on_loop",
    "failure_of",
]

_LAZY = (
    *(Generator, AsyncGenerator, map, filter, zip, enumerate),
    *(FunctionType, BuiltinFunctionType, MethodType, partial),
    *(_GeneratorContextManager, _AsyncGeneratorContextManager),
)
_COLLECTIONS = (list, tuple, set, frozenset)
"""Their members are looked at too: `lambda event: (save(event), mail(event))`."""


def call_here(call: CallHandler, run: Callable[..., Any]) -> None:
    """Call a plain handler in this thread; `run` runs what it returns and is async."""
    _end_here(call, run, call.handler.call(call.event, call.delivery))


def _end_here(call: CallHandler, run: Callable[..., Any], result: Any) -> None:
    while result is not None:
        if isawaitable(result):
            result = _run(run, result)
        elif _is_future(result):
            result = result.result()
        elif isinstance(result, _COLLECTIONS):
            for each in cast("Iterable[Any]", result):
                _end_here(call, run, each)
            return
        else:
            _refuse(call, result)
            return


async def call_on_loop(call: CallHandler) -> None:
    """Call an async handler on this event loop."""
    await _end_on_loop(call, call.handler.call(call.event, call.delivery))


async def _end_on_loop(call: CallHandler, result: Any) -> None:
    while result is not None:
        if isawaitable(result):
            result = await result
        elif _is_future(result):
            await bridge.wait_until_done(result, float("inf"))
            result = result.result()
        elif isinstance(result, _COLLECTIONS):
            for each in cast("Iterable[Any]", result):
                await _end_on_loop(call, each)
            return
        else:
            _refuse(call, result)
            return


def call_atomically(call: CallHandler, store: object, lease: float) -> None:
    """Call an atomic handler in a transaction that records its finish as well."""
    if not isinstance(store, AtomicStore):
        raise TypeError(call.handler)

    def work(connection: Any) -> None:
        _call_in_transaction(call, connection, getattr(store, "run_in_transaction", None))

    store.atomically(*_atomic_arguments(call, lease, work))


async def await_atomically(call: CallHandler, store: object, lease: float) -> None:
    """Await an atomic handler in a transaction that records its finish as well."""
    if not isinstance(store, AsyncAtomicStore):
        raise TypeError(call.handler)

    async def work(connection: Any) -> None:
        await _await_in_transaction(call, connection)

    await store.atomically(*_atomic_arguments(call, lease, work))


def _atomic_arguments(call: CallHandler, lease: float, work: Any) -> tuple[Any, ...]:
    """Return what `atomically` is given; a store that keeps no order knows nothing of a move."""
    move = () if call.move is None else (call.move,)
    return (call.key, call.token, lease, call.handler.name, work, *move)


def _call_in_transaction(
    call: CallHandler, connection: Any, run: Callable[..., Any] | None = None
) -> None:
    """Call an atomic handler; it must have done all that it does when it returns.

    run: runs an async handler in this thread's transaction, where the store can.
    """
    result = call.handler.call(call.event, call.delivery, connection)
    if call.handler.is_async and run is not None:
        result = _run(run, result)
    _refuse_late(call, result)


async def _await_in_transaction(call: CallHandler, connection: Any) -> None:
    """Await an atomic handler; it must have done all that it does when it returns."""
    _refuse_late(call, await call.handler.call(call.event, call.delivery, connection))


def _refuse_late(call: CallHandler, result: Any) -> None:
    if isinstance(result, _COLLECTIONS):
        for each in cast("Iterable[Any]", result):
            _refuse_late(call, each)
        return
    kind = type(result).__name__
    if isawaitable(result) or _is_future(result):
        if iscoroutine(result):
            result.close()  # or Python would say, elsewhere, that nobody awaited it
        raise TypeError(
            f"handler {call.handler.name} is atomic and returned a {kind}, which "
            "would run outside its transaction; let it do its work before it returns"
        )
    _refuse(call, result)


def _run(run: Callable[..., Any], result: Any) -> Any:
    try:
        return run(_await, result)
    except NotBegun:
        if iscoroutine(result):
            result.close()
        raise


async def _await(result: Any) -> Any:
    return await result


def _is_future(result: object) -> TypeGuard[Future[Any]]:
    return isinstance(result, Future)


def _refuse(call: CallHandler, result: object) -> None:
    kind = type(result)
    if issubclass(kind, _LAZY) or kind.__module__ == "itertools":
        raise TypeError(
            f"handler {call.handler.name} returned a {kind.__name__}, which nobody runs, so its "
            "work would never be done; do the work in the handler, or await it"
        )


def failure_of(call: CallHandler, error: BaseException) -> BaseException:
    """Return what a handler raised, to be told and recorded; raise what is not its doing.

    That is Ctrl-C, a signal that ends the process, that it could not begin, and what the store of
    an atomic one raised.
    """
    if call.handler.atomic and isinstance(error, (ClaimLost, StoreUnavailable)):
        raise error
    if threading.current_thread() is threading.main_thread():
        if isinstance(error, KeyboardInterrupt):
            raise error
        told = _exit_by_signal(error)
        if told is not None:
            raise told
    if isinstance(error, NotBegun):
        raise error
    return error


def _exit_by_signal(error: BaseException | None) -> SystemExit | None:
    """Return the SystemExit with which a signal's handler has struck, also if it was replaced.

    A server's or an engine's worker that is told to stop has one: billiard, gunicorn. A handler
    that calls `sys.exit` itself has none.
    """
    seen = set[int]()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, SystemExit) and _was_raised_by_signal(error.__traceback__):
            return error
        error = error.__cause__ or error.__context__
    return None


def _was_raised_by_signal(traceback: TracebackType | None) -> bool:
    """Tell whether a frame was called as a signal's handler is: with the frame that it struck."""
    while traceback is not None:
        frame = traceback.tb_frame
        for value in frame.f_locals.values():
            is_rest = type(value) is tuple  # of `def stop(*_)`
            values = cast("tuple[object, ...]", value) if is_rest else (value,)
            if frame.f_back is not None and any(each is frame.f_back for each in values):
                return True
        traceback = traceback.tb_next
    return False
