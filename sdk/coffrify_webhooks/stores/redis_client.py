"""The client of a Redis or Valkey server: opened from a URL, checked, and what its errors mean."""

import re
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol, cast
from urllib.parse import SplitResult, urlsplit

from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.extras import needs
from coffrify_webhooks.observe import logger

from .url import MaskedURL, mask, place_of

__all__ = [
    "Client",
    "advise",
    "check_client",
    "driver_of",
    "is_async_client",
    "kind_of",
    "open_async_client",
    "open_client",
    "place_of_client",
    "read_url",
    "remedy_for",
    "shown_url",
]

_CONNECT_TIMEOUT = 1.0
"""Seconds."""


class Client(Protocol):
    """The part of a `redis.Redis`, `valkey.Valkey` or `redis.RedisCluster` that is used."""

    def evalsha(self, sha: str, numkeys: int, *keys_and_args: Any) -> Any: ...
    def eval(self, script: str, numkeys: int, *keys_and_args: Any) -> Any: ...
    def config_get(self, pattern: Any) -> Any: ...
    def close(self) -> None: ...


class _Driver:
    """The exceptions of redis-py or valkey-py, whichever a client is of."""

    def __init__(self, name: str) -> None:
        exceptions: Any = import_module(f"{name}.exceptions")
        known = {"redis": ("RedisError", "RedisClusterException")}
        names = known.get(name, ("ValkeyError", "ValkeyClusterException"))
        self.errors: list[type[Exception]] = [getattr(exceptions, each) for each in names]
        self.no_script: type[Exception] = exceptions.NoScriptError


def driver_of(client: object) -> _Driver:
    name = _package_of(client)
    if name is None:
        raise ConfigurationError(
            "the redis store takes a URL or a client of redis-py or valkey-py, "
            f"not {type(client).__name__}"
        )
    return _Driver(name)


def is_async_client(client: object) -> bool:
    """Tell whether a client's calls are to be awaited."""
    modules = [kind.__module__ for kind in type(client).__mro__]
    return _package_of(client) is not None and any("asyncio" in module for module in modules)


def _package_of(client: object) -> str | None:
    modules = {kind.__module__.partition(".")[0] for kind in type(client).__mro__}
    return next((name for name in ("redis", "valkey") if name in modules), None)


def check_client(client: Any) -> None:
    if client.get_encoder().decode_responses:
        raise ConfigurationError(
            "the redis store needs a client with decode_responses=False: bodies are bytes"
        )
    if client.get_connection_kwargs().get("socket_timeout") is None:
        raise ConfigurationError(
            "the redis store needs a client with a socket_timeout, say 3 seconds: without one a "
            "server that hangs would hang every delivery"
        )


def read_url(url: str) -> str:
    """Return the URL as redis-py takes it; raise ConfigurationError without repeating it."""
    url = mask(url)
    read = _translate_url(url)
    if read is None:
        raise ConfigurationError(
            "the redis store's URL cannot be read; it looks like redis://user:password@host:6379/0 "
            "or unix:///path/to/socket, with special characters of the password percent-encoded"
        )
    return read


def _translate_url(url: str) -> MaskedURL | None:
    scheme, separator, rest = url.partition("://")
    scheme = {"valkey": "redis", "valkeys": "rediss"}.get(scheme, scheme)
    with suppress(ValueError):
        parts = urlsplit(f"{scheme}://{rest}")
        if separator and "#" not in rest and parts.port != 0 and _has_place(parts):
            return MaskedURL(f"{scheme}://{rest}")
    return None


def _has_place(parts: SplitResult) -> bool:
    if parts.scheme == "unix":
        return len(parts.path) > 1
    # redis-py takes any other path for database 0, and /1/2 for 12
    return parts.scheme in ("redis", "rediss") and bool(re.fullmatch(r"/?|/\d+", parts.path))


def shown_url(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def place_of_client(client: Any, prefix: str) -> str:
    """Return what is equal for two stores of one database and prefix; see `place_of`.

    client: also a URL, as `read_url` returns it.
    """
    if isinstance(client, str):
        import redis.connection

        kept: Any = cast("Any", redis.connection).parse_url(client)
    else:
        kept = client.get_connection_kwargs()
    path, host, database = kept.get("path"), kept.get("host"), kept.get("db") or 0
    if path:
        return f"{path}?{database} {prefix}"
    if not host and not isinstance(client, str):  # of a cluster, or by sentinels
        return f"client {id(client)} {prefix}"
    server = f"redis://{host or 'localhost'}:{kept.get('port') or 6379}"
    return f"{place_of(f'{server}/{database}')} {prefix}"


def open_client(url: str, timeout: float) -> Client:
    with needs("redis"):
        import redis  # an application with a client of valkey-py needs none
        from redis.retry import Retry
    return cast("Client", _make_client(redis, Retry, url, timeout))


def open_async_client(url: str, timeout: float) -> Any:
    with needs("redis"):
        import redis.asyncio
        from redis.asyncio.retry import Retry
    return _make_client(redis.asyncio, Retry, url, timeout)


def _make_client(driver: Any, retry: Any, url: str, timeout: float) -> Any:
    import redis
    from redis.backoff import NoBackoff

    options: dict[str, Any] = {
        "socket_timeout": timeout,
        # The sender retries, and the pool notices by itself that an idle connection was dropped.
        "retry": retry(NoBackoff(), 0),
        # The third lets a server lengthen our timeouts.
        "protocol": 2,
    }
    # Told to no server who we are: twemproxy hangs up at that command.
    names = ("driver_info",) if find_spec("redis.driver_info") else ("lib_name", "lib_version")
    options |= dict.fromkeys(names)
    if not url.startswith("unix:"):
        options["socket_connect_timeout"] = min(_CONNECT_TIMEOUT, timeout)
    try:
        client = driver.Redis.from_url(url, **options)
        pool = client.connection_pool
        pool.connection_class(**pool.connection_kwargs)  # connects not, but reads the options
    except (ValueError, TypeError, redis.RedisError):
        raise ConfigurationError(
            "the redis store's URL has an option that redis-py does not accept"
        ) from None
    return client


def remedy_for(error: BaseException | None, prefix: str) -> str | None:
    """Say what to do, where a server that is there turns us away; None if it may pass."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    # Valkey refuses a long command before it asks for a password.
    unknown = "unauthenticated" in str(error)
    if unknown or kinds & {"AuthenticationError", "AuthenticationWrongNumberOfArgsError"}:
        return "check the user and password in the store's URL"
    if "NoPermissionError" in kinds:
        return (
            "let its user do what the store does: ACL SETUSER name "
            f"~{{{prefix}}}:* +@read +@write +@scripting +@connection +time"
        )
    if kinds & {"AskError", "ClusterCrossSlotError"}:
        return "the server belongs to a cluster; give a redis.RedisCluster client"
    # Passing states have a word in front, such as MISCONF or BUSY.
    if type(error).__name__ == "ResponseError" and not re.match(r"[A-Z]{4,} ", str(error)):
        return (
            "it does not accept the store's commands; use Redis >= 5 or Valkey with Lua scripts, "
            "and a database number that it has"
        )
    return None


def kind_of(error: BaseException) -> str:
    """Name the error, by what the operating system said where it did."""
    inner: BaseException | None = error
    while inner is not None and not isinstance(inner, OSError):
        inner = inner.__cause__ or inner.__context__
    return type(inner or error).__name__


def advise(client: Client, where: str, errors: tuple[type[Exception], ...]) -> None:
    """Warn of settings under which the server forgets claims; once for each server."""
    try:
        # One name each: only newer servers take several.
        policy, aof, rdb = (
            _setting(client.config_get(name)) for name in ("maxmemory-policy", "appendonly", "save")
        )
    except errors:
        return  # managed servers do not let us look
    if where in _advised:
        return
    _advised.add(where)
    if policy.startswith("allkeys-"):
        logger.warning(
            "%s has maxmemory-policy %s: it may drop claims, and their events are then "
            "handled again; set it to noeviction or a volatile-* policy",
            where,
            policy,
        )
    if aof == "no" and not rdb:
        logger.warning(
            "%s keeps nothing on disk: a restart forgets all claims, and their events are "
            "handled again if they arrive again; set appendonly to yes",
            where,
        )


_advised: set[str] = set()


def _setting(answer: dict[Any, Any]) -> str:
    [value] = answer.values()
    return value.decode(errors="surrogatepass") if isinstance(value, bytes) else str(value)
