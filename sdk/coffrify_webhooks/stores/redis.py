"""Claims in Redis or Valkey: for several machines, by the server's clock.

Each call is one Lua script, so it is atomic and one round trip. An event is a hash; a sorted set
for each status, scored by when its events were touched, lets them be found, counted and purged.
All names share a hash tag, so that a cluster keeps them on one node. Nothing carries a TTL:
`volatile-*` policies evict nothing of ours, and `purge` drops what is old.

What is lost with the server is handled again: switch `appendonly` on. Replication is asynchronous,
so a failover may forget the last claims.
"""

import heapq
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from hashlib import sha1
from importlib import import_module
from itertools import islice
from secrets import token_hex
from typing import Any, Protocol, cast
from urllib.parse import SplitResult, urlsplit

from coffrify_webhooks.errors import ConfigurationError, StoreUnavailable
from coffrify_webhooks.extras import needs
from coffrify_webhooks.observe import logger

from .memory import select
from .protocol import Claim, ClaimStatus
from .record import EVERYTHING, About, Filter, Record, Status
from .url import MaskedURL, mask

__all__ = ["Client", "RedisStore"]

VERSION = 1
# In this order are the indexes handed to the scripts: each needs the first few.
_STATUSES: tuple[Status, ...] = (
    "claimed",
    "failed",
    "dead",
    "queued",
    "running",
    "done",
    "conflict",
)
_PURGED: tuple[Status, ...] = ("done", "failed", "dead", "conflict", "claimed")
_PAGE = 500
_CONNECT_TIMEOUT = 1.0


class Client(Protocol):
    """What is used of a `redis.Redis`, `valkey.Valkey`, `redis.RedisCluster` ..."""

    def evalsha(self, sha: str, numkeys: int, *keys_and_args: Any) -> Any: ...
    def eval(self, script: str, numkeys: int, *keys_and_args: Any) -> Any: ...
    def config_get(self, pattern: Any) -> Any: ...
    def close(self) -> None: ...


class RedisStore:
    """A store in Redis >= 5 or Valkey. See `Store` for the methods.

    server: "redis://:password@host:6379/0", "rediss://" (TLS), "valkey://", "valkeys://" or
    "unix:///path/to/socket"; or a client of the application's own (`redis.Redis`,
    `redis.RedisCluster`, `valkey.Valkey`; not an async one), which keeps its own timeouts and
    retries, and which `close` leaves open. prefix: what all names begin with. timeout: seconds for
    one answer before StoreUnavailable. clock: seconds since 1970, instead of the server's; for
    tests.

    Raises ConfigurationError, naming the remedy, for a URL or client that cannot be used, a server
    that turns us away, and data that is not ours. A server that is away is no such error:
    deliveries are answered 503 until it is back.
    """

    def __init__(
        self,
        server: str | Client,
        *,
        prefix: str = "coffrify-webhooks",
        timeout: float = 3.0,
        clock: Callable[[], float] | None = None,
    ) -> None:
        server = mask(server)
        if not prefix or "{" in prefix or "}" in prefix:
            raise ConfigurationError("the redis store's prefix is a text without braces")
        self._prefix = prefix
        self._clock = clock
        self._timeout = timeout
        self._url = _read(server) if isinstance(server, str) else None
        self._client: Client = _open(self._url, timeout) if self._url else cast("Client", server)
        self._pid = os.getpid()
        driver = _driver(self._client)
        self._errors: tuple[type[Exception], ...] = (*driver.errors, OSError)
        self._no_script: type[Exception] = driver.no_script
        _check(self._client)
        tag = f"{{{prefix}}}:"
        self._version = f"{tag}version".encode()
        self._events = f"{tag}event:".encode()
        self._indexes = [f"{tag}index:{status}".encode() for status in _STATUSES]
        self._is_ready = False
        try:
            self._prepare()
        except StoreUnavailable as error:
            logger.warning("%s; it is tried again with each delivery", error)

    def __repr__(self) -> str:
        if not hasattr(self, "_client"):
            return "RedisStore(...)"  # half made, in a crash report
        where = type(self._client).__name__ if self._url is None else _shown(self._url)
        return f"RedisStore({where!r}, prefix={self._prefix!r})"

    def claim(
        self,
        key: str,
        digest: str,
        lease: float,
        token: str | None = None,
        about: About | None = None,
        body: bytes | None = None,
        *,
        over: bool = False,
    ) -> Claim:
        """See `Store.claim`."""
        mine = token_hex(16)
        receiver_id_type = "" if about is None else _json(about[:3])
        delivery = "{}" if about is None else about.delivery
        script = _OVER if over else _CLAIM if token is None else _TAKE
        status = "running" if token else "claimed"
        how = ("" if token is None else "worker") + ("over" if over else "")
        answer, attempts, finished = self._run(
            script,
            key,
            *(mine, lease, digest, status, token or "", receiver_id_type, delivery, how),
            body,
        )
        if answer != b"claimed":
            return Claim(cast("ClaimStatus", answer.decode()))
        return Claim("claimed", mine, _names(finished), attempts)

    def renew(self, key: str, token: str, lease: float) -> bool:
        """See `Store.renew`."""
        return bool(self._run(_RENEW, key, token, lease))

    def checkpoint(self, key: str, token: str, handler: str) -> bool:
        """See `Store.checkpoint`."""
        return bool(self._run(_CHECKPOINT, key, token, handler))

    def done(self, key: str, token: str) -> bool:
        """See `Store.done`."""
        return bool(self._run(_SETTLE, key, token, "done"))

    def queued(self, key: str, token: str, error: str | None = None) -> bool:
        """See `Store.queued`."""
        return bool(self._run(_SETTLE, key, token, "queued", error))

    def failed(self, key: str, token: str, error: str, body: bytes | None = None) -> bool:
        """See `Store.failed`."""
        return bool(self._run(_SETTLE, key, token, "failed", error, body))

    def dead(self, key: str, token: str, error: str, body: bytes | None = None) -> bool:
        """See `Store.dead`."""
        return bool(self._run(_SETTLE, key, token, "dead", error, body))

    def release(self, key: str, token: str) -> bool:
        """See `Store.release`."""
        return bool(self._run(_RELEASE, key, token))

    def forget(self, key: str) -> bool:
        """See `Store.forget`."""
        return bool(self._run(_FORGET, key))

    def conflict(self, key: str, digest: str, about: About, body: bytes | None) -> None:
        """See `Store.conflict`."""
        self._run(_CONFLICT, key, digest, _json(about[:3]), about.delivery, body)

    def purge(self, older_than: float, limit: int = 1000) -> int:
        """See `Store.purge`."""
        purged = 0
        for status in _PURGED:
            spared = 0  # these stay at the front
            while purged < limit:
                count = min(_PAGE, limit - purged)
                old = self._run(_OLD, (), status, older_than, spared, count)
                if not old:
                    break
                dropped, gone = self._run(_DROP, old, status, older_than)
                purged += dropped
                spared += len(old) - dropped - gone
        return purged

    def get(self, key: str) -> Record | None:
        """See `Store.get`."""
        [found] = self._run(_READ, key, "with its body")
        return _record(key, found) if found else None

    def find(
        self, wanted: Filter = EVERYTHING, limit: int = 100, after: Record | None = None
    ) -> list[Record]:
        """See `Store.find`."""
        now = self._now()
        high, low = "+inf", "-inf"
        if wanted.recent is not None:
            low = repr(now - wanted.recent)
        ends = [] if after is None else [after.touched_at]
        ends += [] if wanted.idle is None else [now - wanted.idle]
        if ends:
            high = repr(min(ends))
        statuses = [each for each in _STATUSES if each in (wanted.statuses or _STATUSES)]
        needles = _needles(wanted)
        size = _PAGE if needles else min(limit, _PAGE)
        walks = [self._walk(each, high, low, size) for each in statuses]
        walk = heapq.merge(*walks, reverse=True)
        # By key: an event that moves to another status meanwhile may be met twice.
        found: dict[str, Record] = {}
        while len(found) < limit and (page := list(islice(walk, size))):
            rows = self._run(_READ, [event for _, event in page], "", *needles)
            records = [
                _record(_str(event.removeprefix(self._events)), row)._replace(touched_at=at)
                for (at, event), row in zip(page, rows, strict=True)
                if row
            ]
            for record in select(records, wanted, limit - len(found), after, now):
                found.setdefault(record.key, record)
        return list(found.values())

    def stats(self) -> dict[Status, int]:
        """See `Store.stats`."""
        counts = self._run(_STATS, ())
        return {status: count for status, count in zip(_STATUSES, counts, strict=True) if count}

    def close(self) -> None:
        """See `Store.close`."""
        if self._url is not None:
            self._client.close()

    def _walk(self, status: str, high: str, low: str, size: int) -> Iterator[tuple[float, bytes]]:
        """Yield (touched_at, event) of one status, the last first, page by page."""
        skip = 0
        while True:
            page = self._run(_WALK, (), status, high, low, skip, size)
            found = [(float(at), event) for event, at in zip(page[::2], page[1::2], strict=True)]
            yield from found
            if len(found) < size:
                return
            # Go on by time, not by rank: events leave for other statuses meanwhile.
            last = repr(found[-1][0])
            skip = sum(repr(at) == last for at, _ in found) + (skip if last == high else 0)
            high = last

    def _now(self) -> float:
        if self._clock is not None:
            return self._clock()
        return float(self._run(_TIME, ()))

    def _run(self, script: "_Script", events: "str | list[bytes] | tuple[()]", *rest: Any) -> Any:
        if self._pid != os.getpid() and self._url is not None:
            # A pool's lock may have been held by another thread at the fork.
            self._client = _open(self._url, self._timeout)
            self._pid = os.getpid()
        if not self._is_ready:
            self._prepare()
        keys = self._indexes[: script.indexes]
        if isinstance(events, str):
            keys.append(self._events + _bytes(events))
        else:
            keys.extend(events)
        return self._ask(script, keys, rest)

    def _ask(self, script: "_Script", keys: list[bytes], rest: Iterable[Any]) -> Any:
        now = "" if self._clock is None else self._clock()
        # What is None is last, and nil for the script.
        words = [_bytes(word) for word in rest if word is not None]
        try:
            try:
                return self._client.evalsha(script.sha, len(keys), *keys, now, *words)
            except self._no_script:  # a new or restarted server; this lets it know the script
                return self._client.eval(script.text, len(keys), *keys, now, *words)
        except self._errors as error:
            self._drop_connections()
            raise StoreUnavailable(f"the redis store failed ({_kind(error)})") from error

    def _drop_connections(self) -> None:
        """Connect anew for the next call: after a failover these are to a server that only reads.

        The driver drops a connection that failed, not one on which the server refused.
        """
        pool = getattr(self._client, "connection_pool", None)  # a cluster's client does it itself
        if pool is not None:
            with suppress(Exception):
                pool.disconnect(inuse_connections=False)

    def _prepare(self) -> None:
        """Mark the store as ours, or tell at once why it cannot be used."""
        try:
            version = self._ask(_PREPARE, [*self._indexes, self._version], [VERSION])
        except StoreUnavailable as error:
            remedy = _remedy(error.__cause__, self._prefix)
            if remedy is None:
                raise
            raise ConfigurationError(f"{error}: {remedy}") from None
        except UnicodeError:
            raise ConfigurationError("the redis store's URL names an impossible host") from None
        if not version.isdigit():
            raise ConfigurationError(
                f"the server has data under the prefix {self._prefix!r} that is not of "
                "coffrify-webhooks; use another prefix= or database"
            )
        if int(version) > VERSION:
            raise ConfigurationError(
                "the store was made by a later version of coffrify-webhooks (its schema is "
                f"{int(version)}, this version knows {VERSION}); upgrade coffrify-webhooks"
            )
        self._is_ready = True
        self._advise()

    def _advise(self) -> None:
        """Warn of settings under which the server forgets claims; once for each server."""
        try:
            # One name each: only newer servers take several.
            policy, aof, rdb = (
                _setting(self._client.config_get(name))
                for name in ("maxmemory-policy", "appendonly", "save")
            )
        except self._errors:
            return  # managed servers do not let us look
        where = repr(self)
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
                "handled again if they come again; set appendonly to yes",
                where,
            )


_advised: set[str] = set()


# --- the server -------------------------------------------------------------------------------


class _Driver:
    """The exceptions of redis-py or valkey-py, whichever a client is of."""

    def __init__(self, name: str) -> None:
        exceptions: Any = import_module(f"{name}.exceptions")
        known = {"redis": ("RedisError", "RedisClusterException")}
        names = known.get(name, ("ValkeyError", "ValkeyClusterException"))
        self.errors: list[type[Exception]] = [getattr(exceptions, each) for each in names]
        self.no_script: type[Exception] = exceptions.NoScriptError


def _driver(client: object) -> _Driver:
    modules = [kind.__module__ for kind in type(client).__mro__]
    for name in ("redis", "valkey"):
        if any(module.split(".")[0] == name for module in modules):
            if any("asyncio" in module for module in modules):
                break
            return _Driver(name)
    raise ConfigurationError(
        "the redis store takes a URL or a client of redis-py or valkey-py that is not async, "
        f"not {type(client).__name__}"
    )


def _check(client: Any) -> None:
    if client.get_encoder().decode_responses:
        raise ConfigurationError(
            "the redis store needs a client with decode_responses=False: bodies are bytes"
        )
    if client.get_connection_kwargs().get("socket_timeout") is None:
        raise ConfigurationError(
            "the redis store needs a client with a socket_timeout, say 3 seconds: without one a "
            "server that hangs would hang every delivery"
        )


def _read(url: str) -> str:
    """Return the URL as redis-py takes it; raise ConfigurationError without repeating it."""
    url = mask(url)
    read = _translated(url)
    if read is None:
        raise ConfigurationError(
            "the redis store's URL cannot be read; it looks like redis://user:password@host:6379/0 "
            "or unix:///path/to/socket, with odd characters of the password percent-encoded"
        )
    return read


def _translated(url: str) -> MaskedURL | None:
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


def _shown(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _open(url: str, timeout: float) -> Client:
    with needs("redis"):
        import redis  # an application with a client of valkey-py needs none
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    options: dict[str, Any] = {
        "socket_timeout": timeout,
        # The sender retries, and the pool notices by itself that an idle connection was dropped.
        "retry": Retry(NoBackoff(), 0),
        # The third lets a server lengthen our timeouts.
        "protocol": 2,
    }
    if not url.startswith("unix:"):
        options["socket_connect_timeout"] = min(_CONNECT_TIMEOUT, timeout)
    driver: Any = redis
    try:
        client = driver.Redis.from_url(url, **options)
        pool = client.connection_pool
        pool.connection_class(**pool.connection_kwargs)  # connects not, but reads the options
    except (ValueError, TypeError, redis.RedisError):
        raise ConfigurationError(
            "the redis store's URL has an option that redis-py does not take"
        ) from None
    return cast("Client", client)


def _remedy(error: BaseException | None, prefix: str) -> str | None:
    """Say what to do, where a server that is there turns us away; None if it may pass."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if kinds & {"AuthenticationError", "AuthenticationWrongNumberOfArgsError"}:
        return "check user and password in the store's URL"
    if "NoPermissionError" in kinds:
        return (
            "let its user do what the store does: ACL SETUSER name "
            f"~{{{prefix}}}:* +@read +@write +@scripting +@connection +time"
        )
    if kinds & {"AskError", "ClusterCrossSlotError"}:
        return "the server is one of a cluster; hand over a redis.RedisCluster client"
    # Passing states have a word in front, such as MISCONF or BUSY.
    if type(error).__name__ == "ResponseError" and not re.match(r"[A-Z]{4,} ", str(error)):
        return (
            "it does not take our commands; use Redis >= 5 or Valkey with Lua scripts, and a "
            "database number that it has"
        )
    return None


def _kind(error: BaseException) -> str:
    """Name the error, by what the operating system said where it did."""
    inner: BaseException | None = error
    while inner is not None and not isinstance(inner, OSError):
        inner = inner.__cause__ or inner.__context__
    return type(inner or error).__name__


# --- to and fro -------------------------------------------------------------------------------


_json: Callable[[object], str] = json.JSONEncoder(separators=(",", ":")).encode


def _bytes(word: Any) -> Any:
    return word.encode("utf-8", "surrogatepass") if isinstance(word, str) else word


def _needles(wanted: Filter) -> list[str]:
    """Return texts of which a fitting event's names hold every one; others need not be sent."""
    words = [_json(word) for word in (wanted.receiver, wanted.id) if word is not None]
    if wanted.type is not None:
        prefix = wanted.type.endswith("*")
        words.append(_json(wanted.type[:-1])[:-1] if prefix else _json(wanted.type))
    return words


def _setting(answer: dict[Any, Any]) -> str:
    [value] = answer.values()
    return _str(value) if isinstance(value, bytes) else str(value)


def _names(finished: bytes) -> frozenset[str]:
    return frozenset(name for name in _str(finished).split("\n") if name)


def _str(value: bytes) -> str:
    return value.decode(errors="surrogatepass")


def _record(key: str, row: list[Any]) -> Record:
    about, status, attempts, received, touched, lease_until, digest, finished, error, *rest = row
    delivery, body = rest
    columns: list[Any] = [key, *(json.loads(about) if about else ("", "", "")), _str(status)]
    columns += [int(attempts), float(received), float(touched), float(lease_until), _str(digest)]
    columns += [_names(finished), _str(error), _str(delivery), body]
    return Record(*columns)


# --- the scripts ------------------------------------------------------------------------------


class _Script:
    def __init__(self, text: str, indexes: int = len(_STATUSES)) -> None:
        self.indexes: int = indexes
        self.text: str = _COMMON + text
        self.sha: str = sha1(self.text.encode(), usedforsecurity=False).hexdigest()


# KEYS: the first of the indexes, then the event or events. ARGV: the time ('' for the server's),
# then often a token.
# Numbers are written with 17 digits, which is exact; Lua's own way would cut times to 14.
_INDEXES = ", ".join(f"{status} = KEYS[{place}]" for place, status in enumerate(_STATUSES, 1))
_COMMON = """
local index = {INDEXES}
local event = KEYS[#KEYS]
local function now()
  if ARGV[1] ~= '' then return tonumber(ARGV[1]) end
  local time = redis.call('TIME')
  return time[1] + time[2] / 1000000
end
local function exact(number) return string.format('%.17g', number) end
local function held()
  local found = redis.call('HMGET', event, 'status', 'token')
  local live = found[1] == 'claimed' or found[1] == 'running'
  return live and found[2] == ARGV[2] and found[1]
end
local function move(from, to, touched)
  redis.call('ZREM', index[from], event)
  redis.call('ZADD', index[to], touched, event)
  redis.call('HSET', event, 'status', to)
end
""".replace("INDEXES", _INDEXES)

_CLAIM_TEXT = """
local mine, lease, digest, status, token, about, delivery, how, body = unpack(ARGV, 2)
local at = now()
local known = redis.call(
  'HMGET', event, 'status', 'token', 'lease_until', 'digest', 'attempts', 'finished')
local was, attempts = known[1], 1
if not was then
  local time = exact(at)
  redis.call('HSET', event, 'status', status, 'token', mine, 'lease_until', exact(at + lease),
    'digest', digest, 'attempts', 1, 'received_at', time, 'about', about, 'delivery', delivery)
  redis.call('ZADD', index[status], time, event)
else
  local expired = tonumber(known[3]) <= at
  local by_token = was == 'claimed' and known[2] == token
  local free = was == 'failed' or (was == 'dead' and token == '') or (was == 'claimed' and expired)
  if how == 'worker' or how == 'workerover' then
    free = free or was == 'queued' or (was == 'running' and expired) or by_token
  end
  if was == 'done' and known[4] ~= digest and (how == 'over' or how == 'workerover') then
    free = true
    redis.call('HDEL', event, 'finished')
    known[6] = nil
  end
  if not free then
    local answers = {claimed = 'busy', queued = 'queued', running = 'queued', dead = 'done'}
    return {answers[was] or (known[4] == digest and 'done') or 'conflict', 0, ''}
  end
  attempts = tonumber(known[5])
  if was == 'dead' then attempts = 0 end
  if not by_token then attempts = attempts + 1 end
  redis.call('HSET', event, 'token', mine, 'lease_until', exact(at + lease), 'digest', digest,
    'attempts', attempts)
  if known[4] ~= digest then redis.call('HDEL', event, 'body') end
  if about ~= '' then redis.call('HSET', event, 'delivery', delivery) end
  move(was, status, exact(at))
end
if body then redis.call('HSET', event, 'body', body) end
return {'claimed', attempts, known[6] or ''}
"""
_CLAIM = _Script(_CLAIM_TEXT, 3)
_TAKE = _Script(_CLAIM_TEXT, 5)
_OVER = _Script(_CLAIM_TEXT, 6)

_RENEW = _Script(
    """
if not held() then return 0 end
redis.call('HSET', event, 'lease_until', exact(now() + ARGV[3]))
return 1
""",
    0,
)

_CHECKPOINT = _Script(
    """
if not held() then return 0 end
local finished = redis.call('HGET', event, 'finished') or ''
redis.call('HSET', event, 'finished', finished .. ARGV[3] .. '\\n')
return 1
""",
    0,
)

_SETTLE = _Script("""
local status, error, body = unpack(ARGV, 3)
local was = held()
if not was then return 0 end
redis.call('HSET', event, 'lease_until', 0)
if status == 'done' then
  redis.call('HDEL', event, 'error', 'body')
elseif error then
  redis.call('HSET', event, 'error', error)
else
  redis.call('HINCRBY', event, 'attempts', -1)
end
if body then redis.call('HSET', event, 'body', body) end
move(was, status, exact(now()))
return 1
""")

_RELEASE = _Script("""
local was = held()
if not was then return 0 end
local left = redis.call('HMGET', event, 'finished', 'error')
if (left[1] or '') == '' and (left[2] or '') == '' then
  redis.call('DEL', event)
  redis.call('ZREM', index[was], event)
else
  redis.call('HSET', event, 'lease_until', 0)
  move(was, 'failed', redis.call('ZSCORE', index[was], event))
end
return 1
""")

_FORGET = _Script("""
local was = redis.call('HGET', event, 'status')
if not was then return 0 end
redis.call('DEL', event)
redis.call('ZREM', index[was], event)
return 1
""")

_CONFLICT = _Script("""
local digest, about, delivery, body = unpack(ARGV, 2)
if redis.call('EXISTS', event) == 1 then return 0 end
local time = exact(now())
redis.call('HSET', event, 'status', 'conflict', 'token', '', 'lease_until', 0, 'digest', digest,
  'attempts', 0, 'received_at', time, 'about', about, 'delivery', delivery)
if body then redis.call('HSET', event, 'body', body) end
redis.call('ZADD', index.conflict, time, event)
return 1
""")

_OLD = _Script("""
local status, age, skip, count = unpack(ARGV, 2)
return redis.call('ZRANGEBYSCORE', index[status], '-inf', '(' .. exact(now() - age),
  'LIMIT', skip, count)
""")

_DROP = _Script("""
local status, age = unpack(ARGV, 2)
local at = now()
local dropped, gone = 0, 0
for place = 8, #KEYS do
  local touched = tonumber(redis.call('ZSCORE', index[status], KEYS[place]) or '')
  local lease_until = tonumber(redis.call('HGET', KEYS[place], 'lease_until') or '')
  if not touched then
    gone = gone + 1
  elseif not lease_until then
    gone = gone + redis.call('ZREM', index[status], KEYS[place])
  elseif touched < at - age and lease_until <= at then
    redis.call('ZREM', index[status], KEYS[place])
    dropped = dropped + redis.call('DEL', KEYS[place])
  end
end
return {dropped, gone}
""")

_READ = _Script("""
local function fits(about)
  for place = 3, #ARGV do
    if not about or not string.find(about, ARGV[place], 1, true) then return false end
  end
  return true
end
local function read(key)
  if ARGV[3] and not fits(redis.call('HGET', key, 'about')) then return false end
  local row = redis.call('HMGET', key, 'about', 'status', 'attempts', 'received_at',
    'touched_at', 'lease_until', 'digest', 'finished', 'error', 'delivery')
  if not row[2] then return false end
  row[5] = redis.call('ZSCORE', index[row[2]], key) or row[4]
  row[8], row[9] = row[8] or '', row[9] or ''
  row[11] = ARGV[2] ~= '' and redis.call('HGET', key, 'body')
  return row
end
local rows = {}
for place = 8, #KEYS do rows[#rows + 1] = read(KEYS[place]) end
return rows
""")

_WALK = _Script("""
local status, high, low, skip, count = unpack(ARGV, 2)
return redis.call('ZREVRANGEBYSCORE', index[status], high, low, 'WITHSCORES', 'LIMIT', skip, count)
""")

_STATS = _Script("""
local counts = {}
for place = 1, 7 do counts[place] = redis.call('ZCARD', KEYS[place]) end
return counts
""")

_TIME = _Script("return exact(now())")

_PREPARE = _Script("""
for place, key in ipairs(KEYS) do
  local kind = redis.call('TYPE', key).ok
  if kind ~= 'none' and kind ~= (place == 8 and 'string' or 'zset') then return 'other' end
end
redis.call('SETNX', KEYS[8], ARGV[2])
return redis.call('GET', KEYS[8])
""")
