"""Reconciliation again and again, for as long as a worker runs: one process at a time does it."""

import logging
import threading
from collections.abc import Callable
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol, cast

from coffrify_webhooks.errors import ConfigurationError, WebhookError, shown
from coffrify_webhooks.stores.marks import has_marks

from .run import Report, reconcile

if TYPE_CHECKING:
    from coffrify_webhooks.receiver import Receiver
    from coffrify_webhooks.stores import OrderedStore

    from .history import History

__all__ = ["Stop", "reconcile_every"]

logger: logging.Logger = logging.getLogger("coffrify_webhooks")

_LEAST = 60.0
"""Seconds of the shortest interval: each run asks the API for a list."""
_LEASE = 10.0
"""Seconds for which the store's mark is locked while a process reads and writes it."""
_LOOKS = 10
"""How often in an interval each process looks whether it is time."""


class Stop(Protocol):
    """Ends it: a `threading.Event`, or an object that behaves like one."""

    def is_set(self) -> bool: ...
    def wait(self, timeout: float, /) -> bool: ...


def reconcile_every(
    interval: float,
    receiver: "Receiver",
    history: "History",
    *,
    since: float = 3 * 86_400.0,
    rate: float = 5.0,
    wait: float = 60.0,
    on_report: Callable[[Report], object] | None = None,
    stop: Stop | None = None,
    least: float = _LEAST,
) -> None:
    """Reconcile every `interval` seconds, until `stop` is set.

    It runs in the calling thread, so give it one of its own. Several processes may call it for one
    receiver: when it was begun last is kept in the store, so that one of them does it each time.
    No error ends it: each is logged, and it tries again when it is time.

    since: how many seconds to look back each time. rate, wait: as for `reconcile`. on_report:
    called with each report; by default it is logged. least: the shortest interval that is allowed.

    Raises ConfigurationError for an interval that is shorter, for a time before the retention, and
    for a store that cannot keep when it was begun.
    """
    if not interval >= least:
        raise ConfigurationError(f"interval={shown(interval)}: give {least:g} seconds or more")
    if not 0 < since < receiver.retention:
        raise ConfigurationError(
            f"since={shown(since)}: give less than the {receiver.retention:g} s for which handled "
            "events are remembered (retention)"
        )
    if not has_marks(receiver.store):
        raise ConfigurationError(
            "reconcile_every needs a store with the methods of "
            "coffrify_webhooks.stores.OrderedStore; or call `reconcile` from cron"
        )
    stop = threading.Event() if stop is None else stop
    tell = on_report or _log
    while not stop.is_set():
        try:
            if _is_our_turn(receiver, interval):
                tell(
                    reconcile(
                        receiver,
                        history,
                        since=receiver.clock() - since,
                        rate=rate,
                        wait=wait,
                        stop=stop.is_set,
                        sleep=stop.wait,
                    )
                )
        except WebhookError as error:
            logger.warning("the reconciliation failed, and is tried again: %s", error)
        except Exception:
            logger.exception("the reconciliation failed, and is tried again")
        stop.wait(interval / _LOOKS)


def _is_our_turn(receiver: "Receiver", interval: float) -> bool:
    """Tell whether an interval has passed since any process began; then it has begun."""
    store = cast("OrderedStore", receiver.store)
    text = f"{receiver.name}\0(reconcile)"
    mark = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    lock = store.lock(mark, _LEASE)
    if lock is None:
        return False
    now = receiver.clock()
    is_due = not now - interval < _seconds(lock.state) <= now
    return store.unlock(mark, lock.token, repr(now) if is_due else None) and is_due


def _seconds(state: str | None) -> float:
    try:
        return float(state or "-inf")
    except ValueError:
        return float("-inf")


def _log(report: Report) -> None:
    level = logging.INFO if report.is_complete else logging.WARNING
    logger.log(
        level,
        "reconciled %d events: %d were asked for, %d of them arrived, %d are left",
        report.events,
        report.asked,
        report.arrived,
        len(report.left),
    )
