"""An async store in memory: what anybody may write by the protocol, and which loops called it."""

import asyncio
from typing import Any

from coffrify_webhooks.stores.async_calls import AsyncCalls
from coffrify_webhooks.stores.memory import MemoryStore

__all__ = ["AsyncMemoryStore"]


class AsyncMemoryStore(AsyncCalls):
    """Each call gives way to other tasks, as one to a server would."""

    def __init__(self, **options: Any) -> None:
        self.memory = MemoryStore(**options)
        self.calls: list[tuple[str, asyncio.AbstractEventLoop]] = []

    async def _call(self, method: str, *arguments: Any, **options: Any) -> Any:
        self.calls.append((method, asyncio.get_running_loop()))
        await asyncio.sleep(0)
        return getattr(self.memory, method)(*arguments, **options)

    async def close(self) -> None:
        self.memory.close()
