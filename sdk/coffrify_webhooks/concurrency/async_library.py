"""Which async library runs the code at hand: asyncio, trio, or none."""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar, cast

__all__ = ["await_within", "is_in_task", "leave_library", "running_trio"]

T = TypeVar("T")


async def await_within(seconds: float, function: Callable[[], Coroutine[Any, Any, T]]) -> T | None:
    """Await a coroutine function for so long at most; None if it took longer.

    Under asyncio what need not wait gets no timer: 8 us of a request whose body is there already.
    """
    trio = running_trio()
    if trio is not None:
        with trio.move_on_after(seconds):
            return await function()
        return None
    coroutine = function()
    try:
        try:
            awaited = coroutine.send(None)
        except StopIteration as stop:
            return cast("T", stop.value)
        async with asyncio.timeout(seconds):
            return await _Begun(coroutine, awaited)
    except TimeoutError:
        return None


class _Begun(Generic[T]):
    """The rest of a coroutine that has begun, and of which an event loop has yet to hear."""

    def __init__(self, coroutine: Coroutine[Any, Any, T], awaited: Any) -> None:
        self._coroutine = coroutine
        self._awaited = awaited

    def __await__(self) -> Generator[Any, Any, T]:
        awaited = self._awaited
        try:
            while True:
                try:
                    sent = yield awaited
                except GeneratorExit:
                    self._coroutine.close()
                    raise
                except BaseException as error:
                    awaited = self._coroutine.throw(error)
                else:
                    awaited = self._coroutine.send(sent)
        except StopIteration as stop:
            return cast("T", stop.value)


def is_in_task() -> bool:
    """Tell whether a task runs in this thread: not while a coroutine is merely thrown away."""
    if running_trio() is not None:
        return True
    try:
        return asyncio.current_task() is not None
    except RuntimeError:
        return False


def running_trio() -> Any:
    """Return the trio module if this is a trio task; it is imported already if so."""
    trio = sys.modules.get("trio")
    return trio if trio is not None and trio.lowlevel.in_trio_task() else None


def leave_library() -> None:
    """Forget which async library the caller runs on; what we call next runs in another thread."""
    sniffio = sys.modules.get("sniffio")
    if sniffio is not None:
        sniffio.current_async_library_cvar.set(None)
