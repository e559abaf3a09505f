"""An event loop on a thread of its own, for sync code that has to await something."""

import asyncio
import os
import threading
import weakref
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

__all__ = ["LoopThread"]

T = TypeVar("T")


class LoopThread:
    """Awaits what any other thread asks for; its thread starts with the first call."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._reset()
        _all.add(self)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, function: Callable[..., Awaitable[T]], *arguments: Any, **options: Any) -> T:
        """Await a call there, and return its result; a wait that breaks off cancels it.

        Raises RuntimeError, MemoryError or OSError if no thread or loop can be had.
        """

        async def call() -> T:
            return await function(*arguments, **options)

        future = asyncio.run_coroutine_threadsafe(call(), self._start())
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def _start(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                loop = asyncio.new_event_loop()
                thread = threading.Thread(
                    target=loop.run_forever, name=f"coffrify-webhooks-{self._name}", daemon=True
                )
                try:
                    thread.start()
                except BaseException:
                    loop.close()
                    raise
                self._loop = loop
            return self._loop


_all: "weakref.WeakSet[LoopThread]" = weakref.WeakSet()


def _after_fork() -> None:
    """Threads do not survive a fork."""
    for each in list(_all):
        each._reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
