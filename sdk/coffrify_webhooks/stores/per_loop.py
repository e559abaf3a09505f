"""What belongs to an event loop: one for each, closed when its loop ends."""

import asyncio
import os
import threading
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, Generic, TypeVar

__all__ = ["PerLoop"]

T = TypeVar("T")


class PerLoop(Generic[T]):
    """Makes one for each running loop that asks, from any thread; `close` ends the running loop's.

    A loop's own is also closed when `asyncio.run`, or what else ends a loop in order, ends it.
    """

    def __init__(self, make: Callable[[], T], close: Callable[[T], Awaitable[object]]) -> None:
        self._make = make
        self._close = close
        self._reset()
        _all.add(self)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[asyncio.AbstractEventLoop, T] = {}
        self._ends: dict[asyncio.AbstractEventLoop, AsyncGenerator[None]] = {}

    async def get(self) -> T:
        """Return the running loop's."""
        loop = asyncio.get_running_loop()
        found = self._made.get(loop)
        return await self._add(loop) if found is None else found

    async def close(self) -> None:
        """Close the running loop's, if there is one; the next `get` makes another."""
        with self._lock:
            end = self._ends.get(asyncio.get_running_loop())
        if end is not None:
            await end.aclose()

    async def _add(self, loop: asyncio.AbstractEventLoop) -> T:
        made = self._make()
        with self._lock:
            for each in [each for each in self._made if each.is_closed()]:  # not in order
                del self._made[each], self._ends[each]
            self._made[loop] = made
            end = self._ends[loop] = self._until_the_end(loop)
        await anext(end)
        return made

    async def _until_the_end(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[None]:
        """Close with the loop: it ends the async generators that have begun on it."""
        try:
            yield
        finally:
            with self._lock:
                made = self._made.pop(loop, None)
                self._ends.pop(loop, None)
            if made is not None:
                await self._close(made)


_all: "weakref.WeakSet[PerLoop[Any]]" = weakref.WeakSet()
_parents: list[Any] = []


def _after_fork() -> None:
    """Leave to the parent what is the parent's, and let nothing end it here."""
    for each in list(_all):
        _parents.append((each._made, each._ends))
        each._reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
