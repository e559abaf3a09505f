"""Claims in Redis or Valkey: for several machines, by the server's clock.

What is lost with the server is handled again: switch `appendonly` on. Replication is asynchronous,
so a failover may forget the last claims.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self, cast, overload

from .redis_async import AsyncClient, AsyncRedisStore
from .redis_client import Client, is_async_client, open_client, read_url
from .redis_store import ClientStore
from .url import mask

__all__ = ["AsyncClient", "AsyncRedisStore", "Client", "RedisStore"]


class RedisStore(ClientStore):
    """A store in Redis >= 5 or Valkey. See `Store` for the methods.

    server: "redis://:password@host:6379/0", "rediss://" (TLS), "valkey://", "valkeys://" or
    "unix:///path/to/socket"; or a client of the application's own (`redis.Redis`,
    `redis.RedisCluster`, `valkey.Valkey`), which keeps its own timeouts and
    retries, and which `close` leaves open. A `redis.asyncio.Redis` makes an `AsyncRedisStore`.
    prefix: what all names begin with. timeout: seconds for
    one answer before StoreUnavailable. clock: seconds since 1970, instead of the server's; for
    tests.

    Raises ConfigurationError, naming the remedy, for a URL or client that cannot be used, a server
    that refuses the connection, and data of another program. A server that is unavailable is no
    such error: deliveries are answered 503 until it is back.
    """

    if TYPE_CHECKING:

        @overload
        def __new__(  # type: ignore[misc]
            cls,
            server: AsyncClient,
            *,
            prefix: str = ...,
            timeout: float = ...,
            clock: Callable[[], float] | None = ...,
        ) -> AsyncRedisStore: ...
        @overload
        def __new__(
            cls,
            server: str | Client,
            *,
            prefix: str = ...,
            timeout: float = ...,
            clock: Callable[[], float] | None = ...,
        ) -> Self: ...

    def __new__(cls, server: Any, **options: Any) -> Any:
        """Make a store of the kind of the client."""
        if is_async_client(server):
            return AsyncRedisStore(server, **options)
        return super().__new__(cls)

    def __init__(  # pyright: ignore[reportInconsistentConstructor]
        self,
        server: str | Client | AsyncClient,
        *,
        prefix: str = "coffrify-webhooks",
        timeout: float = 3.0,
        clock: Callable[[], float] | None = None,
    ) -> None:
        server = mask(server)
        url = read_url(server) if isinstance(server, str) else None
        client = cast("Client", server) if url is None else open_client(url, timeout)
        self._set_up(client, url, prefix, timeout, clock)
        self._know_errors_of(client)
        self._begin()
