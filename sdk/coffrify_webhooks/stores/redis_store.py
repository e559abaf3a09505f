"""A store on a client of Redis or Valkey, by the server's clock.

Its text is sync; on an async client it runs in a greenlet, see `redis_async`.

Each call is one Lua script, so it is atomic and one round trip. An event is a hash; a sorted set
for each status, scored by when its events were touched, lets them be found, counted and purged.
All names share a hash tag, so that a cluster keeps them on one node. Nothing carries a TTL:
`volatile-*` policies evict nothing of ours, and `purge` drops what is old.

What is lost with the server is handled again: switch `appendonly` on. Replication is asynchronous,
so a failover may forget the last claims.
"""

import heapq
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from os import urandom
from typing import Any, cast

from coffrify_webhooks.errors import ConfigurationError, StoreUnavailable
from coffrify_webhooks.observe import logger

from . import redis_scripts as scripts
from .driver_frames import unframed
from .protocol import Claim, ClaimStatus
from .record import EVERYTHING, STATS_COUNT_TO, About, Filter, Record, Status
from .redis_client import (
    Client,
    advise,
    check_client,
    driver_of,
    kind_of,
    open_client,
    place_of_client,
    remedy_for,
    shown_url,
)
from .redis_marks import RedisMarks
from .redis_scripts import STATUSES, Script
from .select import select

__all__ = ["ClientStore"]

VERSION = 1
"""The version of the keys and their fields; a release refuses those of a later one."""
_PURGED: tuple[Status, ...] = ("done", "failed", "dead", "conflict", "claimed")
_PAGE = 500
_Place = tuple[float, bytes]  # touched_at, event


class ClientStore(RedisMarks):
    """See `RedisStore`; and `Store` for the methods."""

    def _set_up(
        self,
        client: Client,
        url: str | None,
        prefix: str,
        timeout: float,
        clock: Callable[[], float] | None,
    ) -> None:
        if not prefix or "{" in prefix or "}" in prefix:
            raise ConfigurationError("the redis store's prefix must be a text without braces")
        self._prefix = prefix
        self._clock = clock
        self._timeout = timeout
        self._url = url
        self._client = client
        self._pid = os.getpid()
        self._tag = tag = f"{{{prefix}}}:"
        self._version = f"{tag}version".encode()
        self._events = f"{tag}event:".encode()
        self._indexes = [f"{tag}index:{status}".encode() for status in STATUSES]
        self._is_ready = False

    def _know_errors_of(self, client: object) -> None:
        driver = driver_of(client)
        self._errors: tuple[type[Exception], ...] = (*driver.errors, OSError)
        self._no_script: type[Exception] = driver.no_script
        check_client(client)

    def _begin(self) -> None:
        """Look at the server, or say at once why it cannot be used."""
        try:
            self._prepare()
        except StoreUnavailable as error:
            logger.warning("%s; each delivery tries again", error)

    def __repr__(self) -> str:
        if not hasattr(self, "_client"):
            return "RedisStore(...)"  # half made, in a crash report
        where = type(self._client).__name__ if self._url is None else shown_url(self._url)
        return f"RedisStore({where!r}, prefix={self._prefix!r})"

    @property
    def place(self) -> str:
        """What it shares with every other store in this database."""
        return place_of_client(self._client, self._prefix)

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
        mine = urandom(16).hex()
        receiver_id_type = "" if about is None else _json(about[:3])
        delivery = "{}" if about is None else about.delivery
        script = scripts.OVER if over else scripts.CLAIM if token is None else scripts.TAKE
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
        return bool(self._run(scripts.RENEW, key, token, lease))

    def checkpoint(self, key: str, token: str, handler: str) -> bool:
        """See `Store.checkpoint`."""
        return bool(self._run(scripts.CHECKPOINT, key, token, handler))

    def done(self, key: str, token: str) -> bool:
        """See `Store.done`."""
        return bool(self._run(scripts.SETTLE, key, token, "done"))

    def queued(self, key: str, token: str, error: str | None = None) -> bool:
        """See `Store.queued`."""
        return bool(self._run(scripts.SETTLE, key, token, "queued", error))

    def failed(self, key: str, token: str, error: str, body: bytes | None = None) -> bool:
        """See `Store.failed`."""
        return bool(self._run(scripts.SETTLE, key, token, "failed", error, body))

    def dead(self, key: str, token: str, error: str, body: bytes | None = None) -> bool:
        """See `Store.dead`."""
        return bool(self._run(scripts.SETTLE, key, token, "dead", error, body))

    def release(self, key: str, token: str) -> bool:
        """See `Store.release`."""
        return bool(self._run(scripts.RELEASE, key, token))

    def forget(self, key: str) -> bool:
        """See `Store.forget`."""
        return bool(self._run(scripts.FORGET, key))

    def conflict(self, key: str, digest: str, about: About, body: bytes | None) -> None:
        """See `Store.conflict`."""
        self._run(scripts.CONFLICT, key, digest, _json(about[:3]), about.delivery, body)

    def purge(self, older_than: float, limit: int = 1000) -> int:
        """See `Store.purge`."""
        purged = 0
        for status in _PURGED:
            spared = 0  # these stay at the front
            while purged < limit:
                count = min(_PAGE, limit - purged)
                old = self._run(scripts.OLD, (), status, older_than, spared, count)
                if not old:
                    break
                dropped, gone = self._run(scripts.DROP, old, status, older_than)
                purged += dropped
                spared += len(old) - dropped - gone
        return purged + self._purge_marks(older_than, limit - purged)

    def get(self, key: str) -> Record | None:
        """See `Store.get`."""
        [found] = self._run(scripts.READ, key, "with its body")
        return _record(key, found) if found else None

    def find(
        self, wanted: Filter = EVERYTHING, limit: int = 100, after: Record | None = None
    ) -> list[Record]:
        """See `Store.find`."""
        now = self._now()
        high, low = "+inf", "-inf" if wanted.recent is None else repr(now - wanted.recent)
        ends = [] if after is None else [after.touched_at]
        ends += [] if wanted.idle is None else [now - wanted.idle]
        if ends:
            high = repr(min(ends))
        statuses = [each for each in STATUSES if each in (wanted.statuses or STATUSES)]
        needles = _needles(wanted)
        size = _PAGE if needles else min(limit, _PAGE)
        walks = [self._walk(each, high, low, size) for each in statuses]
        walk = heapq.merge(*walks, reverse=True)
        # By key: an event that moves to another status meanwhile may be met twice.
        found: dict[str, Record] = {}
        while len(found) < limit and (some := list(islice(walk, size))):
            page = self._ahead(some, wanted.key, after)
            events = [event for _, event in page]
            rows: list[Any] = self._run(scripts.READ, events, "", *needles) if events else []
            records = [
                _record(_str(event.removeprefix(self._events)), row)._replace(touched_at=at)
                for (at, event), row in zip(page, rows, strict=True)
                if row
            ]
            for record in select(records, wanted, limit - len(found), after, now):
                found.setdefault(record.key, record)
        return list(found.values())

    def _ahead(self, page: list[_Place], prefix: str | None, after: Record | None) -> list[_Place]:
        """Leave out what its name tells not to be wanted, so that it need not be read."""
        start = self._events + _bytes(prefix or "")
        place = (after.touched_at, self._events + _bytes(after.key)) if after else (math.inf, b"")
        return [each for each in page if each[1].startswith(start) and each < place]

    def stats(self, most: int | None = STATS_COUNT_TO) -> dict[Status, int]:
        """See `Store.stats`."""
        found = zip(STATUSES, self._run(scripts.STATS, ()), strict=True)  # Redis knows them
        return {each: count if most is None else min(count, most) for each, count in found if count}

    def close(self) -> None:
        """See `Store.close`."""
        if self._url is not None:
            self._client.close()

    def _walk(self, status: str, high: str, low: str, size: int) -> Iterator[_Place]:
        """Yield (touched_at, event) of one status, the last first, page by page."""
        skip = 0
        while True:
            page = self._run(scripts.WALK, (), status, high, low, skip, size)
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
        return float(self._run(scripts.TIME, ()))

    def _run(self, script: Script, events: "str | list[bytes] | tuple[()]", *rest: Any) -> Any:
        if self._pid != os.getpid() and self._url is not None:
            # A pool's lock may have been held by another thread at the fork.
            self._client = open_client(self._url, self._timeout)
            self._pid = os.getpid()
        if not self._is_ready:
            self._prepare()
        keys = self._indexes[: script.indexes]
        if isinstance(events, str):
            keys.append(self._events + _bytes(events))
        else:
            keys.extend(events)
        return self._ask(script, keys, rest)

    def _ask(self, script: Script, keys: list[bytes], rest: Iterable[Any]) -> Any:
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
            raise StoreUnavailable(f"the redis store failed ({kind_of(error)})") from unframed(
                error
            )

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
            version = self._ask(scripts.PREPARE, [*self._indexes, self._version], [VERSION])
        except StoreUnavailable as error:
            remedy = remedy_for(error.__cause__, self._prefix)
            if remedy is None:
                raise
            raise ConfigurationError(f"{error}: {remedy}") from None
        except UnicodeError:
            raise ConfigurationError("the redis store's URL names an invalid host") from None
        if not version.isdigit():
            raise ConfigurationError(
                f"the server has data under the prefix {self._prefix!r} that does not belong to "
                "coffrify-webhooks; use another prefix= or database"
            )
        if int(version) > VERSION:
            raise ConfigurationError(
                "the store was created by a later version of coffrify-webhooks (its schema is "
                f"{int(version)}, this version knows {VERSION}); upgrade coffrify-webhooks"
            )
        self._is_ready = True
        advise(self._client, repr(self), self._errors)


# --- records ----------------------------------------------------------------------------------


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
