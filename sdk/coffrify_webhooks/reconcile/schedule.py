"""Reconciliation again and again, for as long as a worker runs: one process at a time does it."""

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol, cast

from coffrify_webhooks.errors import ConfigurationError, WebhookError, shown
from coffrify_webhooks.stores.marks import has_marks

from .coffrify import CoffrifyHistory
from .history import HistoryError
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
_MOST_FAILURES = 20
"""That are counted, so that the pause stays a number."""
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
    No error ends it: each is logged, and it is tried again after a minute, then after two, and so
    on up to the interval, by whichever process looks first.

    since: how many seconds to look back each time. rate, wait: as for `reconcile`. on_report:
    called with each report; by default it is logged. least: the shortest interval that is allowed.

    Raises ConfigurationError for an interval that is shorter, for a time before the retention, for
    a store that cannot keep when it was begun, and if Coffrify's API has no such endpoint. If the
    API does not answer at the start, that is found out later.
    """
    _check(interval, least, since, receiver)
    stop = threading.Event() if stop is None else stop
    tell = on_report or _log
    if isinstance(history, CoffrifyHistory):
        with suppress(HistoryError):  # the first reconciliation tells it
            history.find_endpoint()
    failures = 0
    while not stop.is_set():
        pause = interval / _LOOKS
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
                failures = 0
        except Exception as error:
            again = min(least * 2**failures, interval)
            failures = min(failures + 1, _MOST_FAILURES)
            pause = min(pause, again)
            if isinstance(error, WebhookError):
                logger.warning("the reconciliation failed; it will be tried again: %s", error)
            else:
                logger.exception("the reconciliation failed; it will be tried again")
            with suppress(Exception):  # a store that does not answer says so the next time
                _put_off(receiver, interval, again)
        stop.wait(pause)


def _check(interval: float, least: float, since: float, receiver: "Receiver") -> None:
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


def _is_our_turn(receiver: "Receiver", interval: float) -> bool:
    """Tell whether an interval has passed since any process began; then it has begun."""
    now = receiver.clock()
    return _change(
        receiver, lambda state: None if now - interval < _seconds(state) <= now else repr(now)
    )


def _put_off(receiver: "Receiver", interval: float, seconds: float) -> None:
    """Let the interval be over in some seconds, for all processes."""
    begun = receiver.clock() - interval + seconds
    _change(receiver, lambda _: repr(begun))


def _change(receiver: "Receiver", choose: "Callable[[str | None], str | None]") -> bool:
    """Change what the store keeps of when it was begun; tell whether it was changed."""
    store = cast("OrderedStore", receiver.store)
    text = f"{receiver.name}\0(reconcile)"
    mark = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    lock = store.lock(mark, _LEASE)
    if lock is None:
        return False
    state = choose(lock.state)
    return store.unlock(mark, lock.token, state) and state is not None


def _seconds(state: str | None) -> float:
    try:
        return float(state or "-inf")
    except ValueError:
        return float("-inf")


def _log(report: Report) -> None:
    level = logging.INFO if report.is_complete else logging.WARNING
    logger.log(
        level,
        "reconciled %d events: %d were requested, %d of them arrived, %d are left",
        report.events,
        report.asked,
        report.arrived,
        len(report.left),
    )
