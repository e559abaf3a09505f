"""The protocol of a store: who has already handled what."""

from collections.abc import Awaitable, Callable
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias, TypeVar, runtime_checkable

from .record import EVERYTHING, STATS_COUNT_TO, About, Filter, Record, Status

__all__ = [
    "AsyncAtomicStore",
    "AsyncOrderedStore",
    "AsyncStore",
    "AtomicStore",
    "Claim",
    "ClaimStatus",
    "Lock",
    "Move",
    "OrderedStore",
    "Store",
]

T = TypeVar("T")

ClaimStatus: TypeAlias = Literal["claimed", "busy", "queued", "done", "conflict"]
"""How a claim was answered; see `Claim`."""


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


class Lock(NamedTuple):
    """What a store answers to `lock`: the mark is ours, under `token`.

    state: what was written to the mark last, if anything was.
    """

    token: str
    state: str | None = None


class Move(NamedTuple):
    """A mark that is to be unlocked and, unless `state` is None, written to."""

    mark: str
    token: str
    state: str | None = None


@runtime_checkable
class Store(Protocol):
    """Remembers which events are being handled and which are done.

    Every call is atomic, may come from any thread or process, and returns or raises
    StoreUnavailable within a few seconds. Times are the store's own clock's. A `key` is the
    sha256 hex of receiver and event id; a `digest` is the sha256 hex of the body. Calls that take
    a `token` do nothing and return False when the claim is no longer that token's.

    A store whose database is the application's own may have one method more, `atomically`: see
    `AtomicStore`. One that keeps events of one object in order has three more: see `OrderedStore`.
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

        Nobody has an event that is new, one whose claim has expired, or one that failed or is dead.
        token: what an engine's message carries. With it a queued event can be taken too, one whose
        worker's lease is over, and the claim that the token itself stands for; the event then
        counts as running on an engine, for which deliveries need not come again. With such a token
        a dead letter is not taken: a message that was delivered twice must not revive it. With an
        empty token all of these can be taken, but the event counts as claimed. about: what to keep
        about it. body: to be kept until the event is done; that of another digest is dropped. over:
        take also an event that was done with another digest, and forget what had finished.
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
        """Record that the event is a dead letter: it will not be tried again automatically."""
        ...

    def release(self, key: str, token: str) -> bool:
        """Give the claim back; this leaves no trace, unless an earlier attempt did."""
        ...

    def forget(self, key: str) -> bool:
        """Delete the record of an event, so that a replay of it runs again."""
        ...

    def conflict(self, key: str, digest: str, about: About, body: bytes | None) -> None:
        """Keep a body that arrived under the id of an event handled before; `key` is its own."""
        ...

    def purge(self, older_than: float, limit: int = 1000) -> int:
        """Drop up to `limit` events untouched for `older_than` seconds; return how many.

        Events that are being handled, or that an engine has, stay. Marks are dropped and counted
        too, except locked ones; see `OrderedStore`.
        """
        ...

    def get(self, key: str) -> Record | None:
        """Return the record of one event, its body included."""
        ...

    def find(
        self, wanted: Filter = EVERYTHING, limit: int = 100, after: Record | None = None
    ) -> list[Record]:
        """Return records without bodies, those touched last first; `after` is where to go on."""
        ...

    def stats(self, most: int | None = STATS_COUNT_TO) -> dict[Status, int]:
        """Count the events of each status up to `most`; a status that none has may be missing.

        Where a count is `most` there may be more, so that it costs the same however many events
        are stored. None counts all.
        """
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


@runtime_checkable
class AtomicStore(Protocol):
    """A store in the application's own database, which can commit a handler's effects itself."""

    def atomically(
        self,
        key: str | None,
        token: str,
        lease: float,
        handler: str,
        work: Callable[[Any], T],
        move: Move | None = None,
        /,
    ) -> T:
        """Run `work` and record that `handler` has finished, in one transaction.

        `work` is given the connection, where the application does not have it by itself. The claim
        then holds for `lease` seconds from the record on. Raises ClaimLost, and rolls back, if the
        claim on `key` is no longer that token's; without a key nothing is recorded. move: what is
        to be unlocked in the same transaction, see `OrderedStore`; ClaimLost if it cannot be.
        StoreUnavailable if the database went away; anything else that is raised comes from `work`.
        """
        ...


@runtime_checkable
class OrderedStore(Protocol):
    """A store that can keep the events of one object in order.

    A mark stands for one object and one handler. It has a lock, held by one token for a lease, and
    a state: a text of up to 5000 characters, which tells how far the handler has come. Marks are
    not events: `find`, `stats` and `forget` do not touch them. `purge` drops the old ones.
    """

    def lock(self, mark: str, lease: float) -> Lock | None:
        """Lock a mark for `lease` seconds; None if another holds it and its lease is live."""
        ...

    def renew_lock(self, mark: str, token: str, lease: float, state: str | None = None) -> bool:
        """Extend the lock to `lease` seconds from now and, unless it is None, write the state.

        False, and nothing is changed, if the lock is no longer that token's.
        """
        ...

    def unlock(self, mark: str, token: str, state: str | None = None) -> bool:
        """Give the lock back and, unless it is None, write the state.

        False, and nothing is changed, if the lock is no longer that token's. A mark whose state is
        empty leaves no trace.
        """
        ...


class AsyncStore(Protocol):
    """A store whose calls are awaited: each method is that of `Store`, as an `async def`.

    The calls come from asyncio, from any event loop of any thread: `receive_async` awaits them on
    the caller's loop; `receive`, renewals of leases and commands on a loop of this package. A
    driver whose connections belong to one loop therefore needs connections for each.
    """

    async def claim(
        self,
        key: str,
        digest: str,
        lease: float,
        token: str | None = None,
        about: About | None = None,
        body: bytes | None = None,
        *,
        over: bool = False,
    ) -> Claim: ...
    async def renew(self, key: str, token: str, lease: float) -> bool: ...
    async def checkpoint(self, key: str, token: str, handler: str) -> bool: ...
    async def done(self, key: str, token: str) -> bool: ...
    async def queued(self, key: str, token: str, error: str | None = None) -> bool: ...
    async def failed(self, key: str, token: str, error: str, body: bytes | None = None) -> bool: ...
    async def dead(self, key: str, token: str, error: str, body: bytes | None = None) -> bool: ...
    async def release(self, key: str, token: str) -> bool: ...
    async def forget(self, key: str) -> bool: ...
    async def conflict(self, key: str, digest: str, about: About, body: bytes | None) -> None: ...
    async def purge(self, older_than: float, limit: int = 1000) -> int: ...
    async def get(self, key: str) -> Record | None: ...
    async def find(
        self, wanted: Filter = EVERYTHING, limit: int = 100, after: Record | None = None
    ) -> list[Record]: ...
    async def stats(self, most: int | None = STATS_COUNT_TO) -> dict[Status, int]: ...
    async def close(self) -> None: ...


@runtime_checkable
class AsyncAtomicStore(Protocol):
    """An `AsyncStore` in the application's own database; see `AtomicStore`."""

    async def atomically(
        self,
        key: str | None,
        token: str,
        lease: float,
        handler: str,
        work: Callable[[Any], Awaitable[T]],
        move: Move | None = None,
        /,
    ) -> T:
        """See `AtomicStore.atomically`; `work` is awaited on the caller's loop."""
        ...


@runtime_checkable
class AsyncOrderedStore(Protocol):
    """An `AsyncStore` that can keep the events of one object in order; see `OrderedStore`."""

    async def lock(self, mark: str, lease: float) -> Lock | None: ...
    async def renew_lock(
        self, mark: str, token: str, lease: float, state: str | None = None
    ) -> bool: ...
    async def unlock(self, mark: str, token: str, state: str | None = None) -> bool: ...
