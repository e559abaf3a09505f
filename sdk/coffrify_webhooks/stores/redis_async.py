"""The Redis store on async clients: redis-py's and valkey-py's.

`ClientStore` is the one text of both: here it runs in a greenlet, which gives way to the event loop
while it waits. A connection belongs to the event loop that it was opened on, so each loop has a
client of its own, with the settings of the application's.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib import import_module
from typing import Any, Protocol, cast

from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.extras import needs

from .async_calls import AsyncCalls
from .greenlets import in_greenlet, wait_for
from .per_loop import PerLoop
from .redis_client import (
    Client,
    is_async_client,
    open_async_client,
    place_of_client,
    read_url,
    shown_url,
)
from .redis_store import ClientStore
from .url import mask

__all__ = ["AsyncClient", "AsyncRedisStore"]

_CLOSE_WITHIN = 2.0
"""Seconds."""


class AsyncClient(Protocol):
    """The part of a `redis.asyncio.Redis` or `valkey.asyncio.Valkey` that is used."""

    def evalsha(self, sha: str, numkeys: int, *keys_and_args: Any) -> Awaitable[Any]: ...
    def eval(self, script: str, numkeys: int, *keys_and_args: Any) -> Awaitable[Any]: ...
    def config_get(self, pattern: Any) -> Awaitable[Any]: ...
    def aclose(self) -> Awaitable[None]: ...


class AsyncRedisStore(AsyncCalls):
    """An `AsyncStore` in Redis >= 5 or Valkey.

    server: a `redis.asyncio.Redis` or `valkey.asyncio.Valkey` of the application's own, or a URL.
    Its settings are used, and connections beside it. prefix, timeout and clock: see `RedisStore`,
    and for what is raised.
    """

    def __init__(
        self,
        server: str | AsyncClient,
        *,
        prefix: str = "coffrify-webhooks",
        timeout: float = 3.0,
        clock: Callable[[], float] | None = None,
    ) -> None:
        with needs("redis-async"):
            import_module("greenlet")
        server = mask(server)
        url = read_url(server) if isinstance(server, str) else None
        make: Callable[[], Any]
        if url is None:
            make = _maker_beside(server)
            self._shown = type(server).__name__
        else:
            make = lambda: open_async_client(url, timeout)  # noqa: E731
            self._shown = shown_url(url)
        self.place: str = place_of_client(url or server, prefix)
        """What it shares with every other store in this database."""
        self._prefix = prefix
        self._clock = clock
        self._stores = PerLoop(
            lambda: _LoopStore(make(), prefix, timeout, self._clock, self._shown), _close
        )
        with ThreadPoolExecutor(1) as thread:  # there may be a loop in this one
            thread.submit(asyncio.run, self._begin()).result()

    async def _begin(self) -> None:
        store = await self._stores.get()
        await in_greenlet(store._begin)

    def __repr__(self) -> str:
        if not hasattr(self, "_prefix"):
            return "AsyncRedisStore(...)"  # half made, in a crash report
        return f"AsyncRedisStore({self._shown!r}, prefix={self._prefix!r})"

    async def _call(self, method: str, *arguments: Any, **options: Any) -> Any:
        store = await self._stores.get()
        return await in_greenlet(getattr(store, method), *arguments, **options)

    async def close(self) -> None:
        """See `Store.close`; closes what was opened on the running loop."""
        await self._stores.close()


class _LoopStore(ClientStore):
    """The store of one event loop; each call of it runs in a greenlet."""

    def __init__(
        self,
        client: Any,
        prefix: str,
        timeout: float,
        clock: Callable[[], float] | None,
        shown: str,
    ) -> None:
        self.client: Any = client
        self._shown = shown
        self._set_up(cast("Client", _Awaited(client)), None, prefix, timeout, clock)
        self._know_errors_of(client)

    def __repr__(self) -> str:
        return f"RedisStore({self._shown!r}, prefix={self._prefix!r})"

    def _drop_connections(self) -> None:
        with suppress(Exception):
            wait_for(self.client.connection_pool.disconnect(inuse_connections=False))


class _Awaited:
    """A client as the sync text wants it."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    def evalsha(self, sha: str, numkeys: int, *keys_and_args: Any) -> Any:
        return wait_for(self._client.evalsha(sha, numkeys, *keys_and_args))

    def eval(self, script: str, numkeys: int, *keys_and_args: Any) -> Any:
        return wait_for(self._client.eval(script, numkeys, *keys_and_args))

    def config_get(self, pattern: Any) -> Any:
        return wait_for(self._client.config_get(pattern))


async def _close(store: _LoopStore) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(_CLOSE_WITHIN):
            await store.client.aclose()


def _maker_beside(client: Any) -> Callable[[], Any]:
    """Return what makes a client like the application's, with connections of its own."""
    if not is_async_client(client):
        raise ConfigurationError(
            "the async redis store takes a URL or a client of redis.asyncio or valkey.asyncio, "
            f"not {type(client).__name__}"
        )
    pool = getattr(client, "connection_pool", None)
    if pool is None:
        raise ConfigurationError(
            f"the redis store does not support {type(client).__name__} of asyncio; give a sync "
            "client of the cluster, whose calls run in threads"
        )

    kind = cast("Any", type(client))

    def make() -> Any:
        own = type(pool)(
            connection_class=pool.connection_class,
            max_connections=pool.max_connections,
            **pool.connection_kwargs,
        )
        return kind.from_pool(own)

    return make
