"""How a receiver is: for monitors, which ask again and again, and for people."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from coffrify_webhooks.concurrency import bridge
from coffrify_webhooks.errors import NotBegun
from coffrify_webhooks.observe import logger
from coffrify_webhooks.stores.record import Filter, Status
from coffrify_webhooks.stores.refused import MOST_CAPTURED, REFUSED, without_refused
from coffrify_webhooks.text import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sized
    from typing import Any, Protocol

    from coffrify_webhooks.stores import Record, Store

    from .keys import KeyUse

    class Watched(Protocol):
        """What of a receiver its health is read from."""

        @property
        def name(self) -> str: ...
        @property
        def store(self) -> Store: ...
        @property
        def router(self) -> Sized: ...
        @property
        def dispatcher(self) -> object: ...
        @property
        def clock(self) -> Callable[[], float]: ...
        @property
        def key_use(self) -> KeyUse: ...
        def in_worker(self, function: Callable[..., Any], *arguments: Any) -> Any: ...


__all__ = [
    "Health",
    "last_delivery",
    "oldest_queued",
    "read_health",
    "read_health_async",
    "shown_to_monitors",
]

_BEGIN_WITHIN = 5.0
"""Seconds until a thread has to be free: a monitor gives up soon."""
_PAGE = 100
"""Events of one question to the store."""
_TURNS = 16
"""Questions to the store until the oldest event is known well enough, however many there are."""


@dataclass(frozen=True, slots=True)
class Health:
    """The state of a receiver.

    ok: whether it can do its work: the store answers, and there is a handler or a dispatcher.
    store_ok: whether the store answers. handlers: how many are registered in this process.
    last_delivery: when an event last arrived, in seconds since 1970, None if none is known.
    oldest_queued: for how many seconds the event that an engine has had longest has been waiting,
    None if none is. counts: events of each status in the store, counted up to 1000. keys: when
    each secret signed last, by its label or its index, as far as this process knows.
    """

    ok: bool
    store_ok: bool
    handlers: int
    last_delivery: float | None = None
    oldest_queued: float | None = None
    counts: Mapping[Status, int] = field(default_factory=dict[Status, int])
    keys: Mapping[str, float] = field(default_factory=dict[str, float])


def read_health(receiver: Watched) -> Health:
    """Ask the store how things are; raises nothing."""
    handlers, keys = len(receiver.router), receiver.key_use.by_name()
    own = receiver.key_use.latest
    try:
        counts = without_refused(receiver.store, receiver.store.stats())
        last = last_delivery(receiver.store, receiver.name)
        oldest = oldest_queued(receiver.store, receiver.name, receiver.clock())
    except Exception as error:  # whatever a store raises, it is not well
        # Not the texts: a driver's may show a password.
        names = [type(each).__name__ for each in (error, error.__cause__) if each is not None]
        logger.warning("health: the store did not answer: %s", " from ".join(names))
        return _without_store(receiver)
    found = [each for each in (last, own) if each is not None]
    return Health(
        ok=bool(handlers) or receiver.dispatcher is not None,
        store_ok=True,
        handlers=handlers,
        last_delivery=max(found, default=None),
        oldest_queued=oldest,
        counts=counts,
        keys=keys,
    )


def _without_store(receiver: Watched) -> Health:
    """Return what this process knows by itself."""
    use = receiver.key_use
    return Health(
        ok=False,
        store_ok=False,
        handlers=len(receiver.router),
        last_delivery=use.latest,
        keys=use.by_name(),
    )


async def read_health_async(receiver: Watched) -> Health:
    """Ask the store from a thread, within a time that a monitor waits; raises nothing."""

    async def ask() -> Health:
        work = partial(receiver.in_worker, read_health, receiver)
        found: Health = await bridge.in_thread(work, begin_within=_BEGIN_WITHIN)
        return found

    try:
        return await bridge.shield(ask)
    except NotBegun:
        return _without_store(receiver)


def last_delivery(store: Store, receiver: str | None) -> float | None:
    """Return when an event came last, of those that the store has.

    The newest is among those touched last, unless a hundred older ones were touched since.
    """
    if receiver is None:  # the requests that were refused are found too
        found = store.find(Filter(), limit=MOST_CAPTURED + _PAGE)
    else:
        found = store.find(Filter(receiver=plain(receiver)), limit=_PAGE)
    return max((each.received_at for each in found if each.type != REFUSED), default=None)


def oldest_queued(store: Store, receiver: str, now: float) -> float | None:
    """Return for how long the event has been waiting that an engine has had for longest."""
    low, high, oldest = 0.0, None, None
    for _ in range(_TURNS):
        page = _find_queued(store, receiver, low)
        if page:
            oldest = max(0.0, now - page[-1].touched_at)
            if len(page) < _PAGE:
                break
            low = max(oldest, low)
        elif oldest is None:
            return None
        else:
            high, low = low, oldest
        if high is None:
            low = max(2 * low, 1.0)
        elif high - low < max(1.0, low / 10):
            break
        else:
            low = (low + high) / 2
    return oldest


def _find_queued(store: Store, receiver: str, idle: float) -> list[Record]:
    wanted = Filter(receiver=plain(receiver), statuses=("queued",), idle=idle or None)
    return store.find(wanted, limit=_PAGE)


def shown_to_monitors(health: Health) -> dict[str, object]:
    """Return what anybody may see: no ids, and nothing about secrets."""
    return {
        "ok": health.ok,
        "store_ok": health.store_ok,
        "handlers": health.handlers,
        "last_delivery": health.last_delivery,
        "oldest_queued": health.oldest_queued,
        "counts": dict(health.counts),
    }
