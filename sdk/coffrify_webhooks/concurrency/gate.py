"""How many threads one event loop may have at work for us."""

import asyncio
import weakref
from collections import deque
from typing import Any

from coffrify_webhooks.errors import NotBegun

from .async_library import await_within

__all__ = ["Gate", "gate_of"]

_MOST = 100
"""Threads: more than the 40 sync handlers at once, so that calls of a store find a free one."""


class Gate:
    """The places of one event loop; used on that loop alone."""

    def __init__(self) -> None:
        self._free = _MOST
        self._waiting: deque[Any] = deque()

    async def enter(self, trio: Any, seconds: float) -> None:
        """Take a place; raise NotBegun if none became free in time."""
        if self._free > 0:
            self._free -= 1
            return
        turn = asyncio.Event() if trio is None else trio.Event()
        self._waiting.append(turn)
        try:
            await await_within(seconds, turn.wait)
        except BaseException:
            if turn.is_set():
                self.leave()
            raise
        finally:
            if not turn.is_set():
                self._waiting.remove(turn)
        if not turn.is_set():
            raise NotBegun("no thread became free in time")

    def leave(self) -> None:
        """Give the place to whoever has waited longest."""
        if self._waiting:
            self._waiting.popleft().set()
        else:
            self._free += 1


_gates: "weakref.WeakKeyDictionary[Any, Gate]" = weakref.WeakKeyDictionary()


def gate_of(trio: Any) -> Gate:
    """Return the gate of the running loop; trio: the module, if it is trio's."""
    loop = asyncio.get_running_loop() if trio is None else trio.lowlevel.current_trio_token()
    gate = _gates.get(loop)
    return _gates.setdefault(loop, Gate()) if gate is None else gate
