"""Advances the sandbox's time, and waits until due deliveries have been sent."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from .clock import check_skip

if TYPE_CHECKING:
    from collections.abc import Callable

    from .clock import Clock
    from .courier import Courier
    from .database import Database

__all__ = ["TimeControl"]


class TimeControl:
    """Moves the clock; changed: called with "" after each move."""

    def __init__(
        self, database: Database, clock: Clock, courier: Courier, changed: Callable[[str], None]
    ) -> None:
        self._database = database
        self._clock = clock
        self._courier = courier
        self._changed = changed
        self._lock = asyncio.Lock()

    async def advance(self, seconds: Any) -> None:
        """Advance time by some seconds; deliveries that become due are sent in order."""
        check_skip(seconds)
        async with self._lock:  # one after another: an hour and an hour are two
            target = self._clock.now() + seconds
            await self._courier.wait_until_quiet()
            while (due := self._database.next_due()) is not None and due <= target:
                self._jump(max(0.0, due - self._clock.now()))
                await self._courier.wait_until_quiet()
            self._jump(max(0.0, target - self._clock.now()))
            await self._courier.wait_until_quiet()

    def _jump(self, seconds: float) -> None:
        self._clock.skip(seconds)
        self.save()
        self._changed("")
        self._courier.wake()

    async def advance_to_next(self) -> bool:
        """Advance to the next due delivery, and wait until it was sent; False without one."""
        async with self._lock:
            await self._courier.wait_until_quiet()
            due = self._database.next_due()
            if due is None:
                return False
            self._jump(max(0.0, due - self._clock.now()))
            await self._courier.wait_until_quiet()
            return True

    async def run_out(self) -> None:
        """Advance time until no delivery is left to be sent."""
        while await self.advance_to_next():
            pass

    def save(self) -> None:
        """Save the clock, so that the next sandbox continues from there."""
        self._database.set("anchor", json.dumps(list(self._clock.anchor)))
