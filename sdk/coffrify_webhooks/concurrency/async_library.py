"""Which async library runs the code at hand: asyncio, trio, or none."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

__all__ = ["is_in_task", "leave_library", "running_trio", "within"]

T = TypeVar("T")


async def within(seconds: float, function: Callable[[], Awaitable[T]]) -> T | None:
    """Await a coroutine function for so long at most; None if it took longer."""
    trio = running_trio()
    if trio is not None:
        with trio.move_on_after(seconds):
            return await function()
        return None
    try:
        async with asyncio.timeout(seconds):
            return await function()
    except TimeoutError:
        return None


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
