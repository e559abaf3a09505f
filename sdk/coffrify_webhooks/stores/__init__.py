"""Who has already handled what: the protocol of a store, and how a URL becomes one."""

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias, TypeVar, runtime_checkable
from weakref import WeakKeyDictionary

from coffrify_webhooks.errors import ConfigurationError, shown
from coffrify_webhooks.extras import needs

from .record import EVERYTHING, About, Filter, Record, Status
from .url import mask
from .url import place_of as _place_of_url

__all__ = [
    "About",
    "AtomicStore",
    "Claim",
    "ClaimStatus",
    "Filter",
    "Record",
    "Status",
    "Store",
    "default_store",
    "open_store",
    "place_of",
]

T = TypeVar("T")

logger: logging.Logger = logging.getLogger("coffrify_webhooks")

ClaimStatus: TypeAlias = Literal["claimed", "busy", "queued", "done", "conflict"]


class Claim(NamedTuple):
    """What a store answers to `claim`.

    status: "claimed" (it is ours, under `token`), "busy" (another holds it and its lease is
    live), "queued" (an engine has it), "done", or "conflict" (done with another body). finished:
    the names of the handlers that have already finished this event. attempts: how often its
    handlers were started, this time included.
    """

    status: ClaimStatus
    token: str = ""
    finished: frozenset[str] = frozenset()
    attempts: int = 1


@runtime_checkable
class Store(Protocol):
    """Remembers which events are being handled and which are done.

    Every call is atomic, may come from any thread or process, and returns or raises
    StoreUnavailable within a few seconds. Times are the store's own clock's. A `key` is the
    sha256 hex of receiver and event id; a `digest` is the sha256 hex of the body. Calls that take
    a `token` do nothing and return False when the claim is no longer that token's.

    A store whose database is the application's own may have one method more, `atomically`: see
    `AtomicStore`.
    """

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
        """Take the event for `lease` seconds, if nobody has it.

        Free are an event that is new, one whose claim has expired, and one that failed or is
        dead. token: what an engine's message carries. With it a queued event can be taken too, one
        whose worker's lease is over, and the claim that the token itself stands for; the event
        then counts as running on an engine, for which deliveries need not come again. What is dead
        it does not take: a message that was delivered twice must not raise it. With an
        empty token these can be taken as well, but the event counts as claimed. about: what to
        keep of it. body: to be kept until the event is done; that of another digest is dropped.
        over: take also an event that was done with another digest, and forget what had finished.
        """
        ...

    def renew(self, key: str, token: str, lease: float) -> bool:
        """Extend the claim to `lease` seconds from now."""
        ...

    def checkpoint(self, key: str, token: str, handler: str) -> bool:
        """Record that one handler has finished; kept when the claim is released."""
        ...

    def done(self, key: str, token: str) -> bool:
        """Record that every handler has finished; a body that was kept is dropped."""
        ...

    def queued(self, key: str, token: str, error: str | None = None) -> bool:
        """Record that an engine durably has the event.

        Without an error it was handed over, and this claim counts as no attempt; with one, a
        handler failed and the event is left to the engine's retry.
        """
        ...

    def failed(self, key: str, token: str, error: str, body: bytes | None = None) -> bool:
        """Record that a handler failed, and give the claim back; `body` is kept for a replay."""
        ...

    def dead(self, key: str, token: str, error: str, body: bytes | None = None) -> bool:
        """Record that the event is a dead letter: it will not be tried again by itself."""
        ...

    def release(self, key: str, token: str) -> bool:
        """Give the claim back to anybody; leaves no trace, unless an earlier attempt did."""
        ...

    def forget(self, key: str) -> bool:
        """Drop all that is known of an event, so that a replay of it runs again."""
        ...

    def conflict(self, key: str, digest: str, about: About, body: bytes | None) -> None:
        """Keep a body that came under the id of an event handled before; `key` is its own."""
        ...

    def purge(self, older_than: float, limit: int = 1000) -> int:
        """Drop up to `limit` events untouched for `older_than` seconds; return how many.

        Not those that are being handled, or that an engine has.
        """
        ...

    def get(self, key: str) -> Record | None:
        """Return all that is known of one event, its body included."""
        ...

    def find(
        self, wanted: Filter = EVERYTHING, limit: int = 100, after: Record | None = None
    ) -> list[Record]:
        """Return records without bodies, those touched last first; `after` is where to go on."""
        ...

    def stats(self) -> dict[Status, int]:
        """Count the events of each status; a status that none has may be missing."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


@runtime_checkable
class AtomicStore(Protocol):
    """A store in the application's own database, which can commit a handler's effects itself."""

    def atomically(
        self, key: str | None, token: str, lease: float, handler: str, work: Callable[[Any], T], /
    ) -> T:
        """Run `work` and record that `handler` has finished, in one transaction.

        `work` is given the connection, where the application does not have it by itself. The claim
        then holds for `lease` seconds from the record on. Raises ClaimLost, and rolls back, if the
        claim on `key` is no longer that token's; without a key nothing is recorded.
        StoreUnavailable if the database went away; whatever else is raised is the work's.
        """
        ...


STORE_VARIABLE = "COFFRIFY_WEBHOOKS_STORE"
_MISSPELT = "COFFRIFY_WEBHOOK_STORE"
DEFAULT_FILE = "coffrify-webhooks.db"


def default_store(folder: Path) -> Store:
    """Return the store of the variable COFFRIFY_WEBHOOKS_STORE, else a file in `folder`."""
    url = os.environ.get(STORE_VARIABLE)
    if url:
        return open_store(mask(url))
    if os.environ.get(_MISSPELT):
        raise ConfigurationError(
            f"{_MISSPELT} is set, which is not read; the variable is {STORE_VARIABLE}"
        )
    with suppress(OSError):  # the store says what is wrong with it, and what to do
        folder.mkdir(parents=True, exist_ok=True)
    path = (folder / DEFAULT_FILE).absolute()
    if path not in _told:
        _told.add(path)
        logger.info("claims are kept in %s; store= or %s sets another place", path, STORE_VARIABLE)
    return open_store(f"sqlite:///{path}")


def place_of(store: Any) -> object:
    """Return what is equal for two stores of one place, as far as can be seen: else the store."""
    place = getattr(store, "place", None)
    try:
        return place or _places.get(store, store)
    except TypeError:  # a store that cannot be hashed, or referred to weakly
        return id(store)


_places: WeakKeyDictionary[Any, str] = WeakKeyDictionary()
_told: set[Path] = set()
_SQL = {"postgresql": "postgresql", "postgres": "postgresql", "mysql": "mysql", "mariadb": "mysql"}
"""The extra that each needs, its driver included."""
_REDIS = ("redis", "rediss", "valkey", "valkeys", "unix")
_FORMS = (
    '"memory:", "sqlite:///path/to/webhooks.db", "postgresql://user:password@host/database", '
    '"mysql://...", "mariadb://...", "redis://host:6379/0" or "valkey://..."'
)


def open_store(url: str) -> Store:
    """Return the store that a URL names.

    Known are "memory:" (this process only: for tests), "sqlite:///relative.db" or
    "sqlite:////absolute.db" (all processes of one machine; `?synchronous=FULL` makes each commit
    survive a power cut), and for several machines "postgresql://", "mysql://", "mariadb://",
    "redis://", "rediss://", "valkey://" and "unix://". A driver may be named as SQLAlchemy does:
    "postgresql+psycopg2://". Raises ConfigurationError for any other, and for a store that cannot
    be used, with what to do.
    """
    url = mask(url)
    if url == "memory:":
        from .memory import MemoryStore  # noqa: PLC0415 - only what is used is imported

        return MemoryStore()
    store = _open(url)
    with suppress(ValueError):
        _places[store] = _place_of_url(url)
    return store


def _open(url: str) -> Store:
    scheme = url.partition(":")[0] if ":" in url else ""
    if url.startswith("sqlite:///"):
        return _sqlite(url.removeprefix("sqlite:///"))
    if scheme.partition("+")[0] in _SQL or scheme.startswith("sqlite+"):
        with needs(_SQL.get(scheme, "sql")):  # the driver included, where it is ours to choose
            import_module("sqlalchemy")
        from .sql import SQLStore  # noqa: PLC0415

        return SQLStore(url)
    if scheme in _REDIS:
        from .redis import RedisStore  # noqa: PLC0415

        return RedisStore(url)
    raise ConfigurationError(
        f"no store is known by a URL that begins {shown(scheme[:15] + ':')}; use {_FORMS}"
    )


def _sqlite(rest: str) -> Store:
    from .sqlite import SQLiteStore  # noqa: PLC0415

    path, _, query = rest.partition("?")
    if query not in ("", "synchronous=FULL", "synchronous=NORMAL"):
        raise ConfigurationError(
            "an sqlite store URL takes ?synchronous=FULL or ?synchronous=NORMAL, nothing else"
        )
    if path in ("", ":memory:"):
        raise ConfigurationError('the sqlite store needs a file; in memory is "memory:"')
    return SQLiteStore(path, synchronous="FULL" if query.endswith("FULL") else "NORMAL")
