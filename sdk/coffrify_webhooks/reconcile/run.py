"""One reconciliation: list, compare, ask, wait, report."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from coffrify_webhooks.clock import monotonic
from coffrify_webhooks.errors import ConfigurationError, shown
from coffrify_webhooks.pipeline.identity import key_of

from .history import HistoryError

if TYPE_CHECKING:
    from coffrify_webhooks.receiver import Receiver
    from coffrify_webhooks.stores import Record

    from .history import DeliveryRecord, History

__all__ = ["Report", "State", "reconcile"]

State: TypeAlias = Literal["handled", "under_way", "coming", "unwanted", "missing", "failed"]
"""handled: recorded as done. under_way: being handled, or an engine has it. coming: the sender will
try by itself. unwanted: no handler wants its type, so that no record is kept. missing: it is not
known here. failed: its handlers raised, and the sender has given up."""

_ASK_FOR: tuple[State, ...] = ("missing", "failed")
_LOOK_EVERY = 0.25
_MOST_REFUSALS = 5
"""In a row; then the API is away, or there is a reason that holds for all."""
_MOST_ERRORS = 20


@dataclass
class Report:
    """What was found and done: counts of events, and the ids of those that are not handled."""

    events: int = 0
    """How many events the sender delivered in that time."""
    found: dict[State, int] = field(default_factory=dict[State, int])
    """How many of them were in each state when they were compared."""
    asked: int = 0
    """For how many a redelivery was requested."""
    arrived: int = 0
    """How many of those were handled by the end, or handed to an engine."""
    left: list[str] = field(default_factory=list[str])
    """The ids of those requested, or in a dry run to be requested, that are not handled."""
    errors: list[str] = field(default_factory=list[str])
    """Why some could not be requested, each reason once; after five in a row no more are."""
    is_dry_run: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to be handled."""
        return not self.left

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {**asdict(self), "is_complete": self.is_complete}


def reconcile(
    receiver: "Receiver",
    history: "History",
    *,
    since: float,
    dry_run: bool = False,
    rate: float = 5.0,
    wait: float = 60.0,
    on_step: Callable[[str, int, int], object] | None = None,
    stop: Callable[[], bool] = lambda: False,
    sleep: Callable[[float], object] = time.sleep,
) -> Report:
    """Request a redelivery of every event that was sent and not handled here.

    It can be stopped at any moment and run again: what was handled is known from the store, so
    nothing that arrived is requested twice, and an event that arrives twice is a duplicate.

    since: seconds since 1970; events older than the receiver's retention cannot be told from
    missing ones. rate: how many to ask for in a second. wait: seconds without any arrival after
    which what was requested counts as left. on_step: called with "list", "ask" or "wait", and how
    many of how many events. stop: asked between any two steps.

    Raises ConfigurationError for a time before the receiver's retention began, or a rate or wait
    that is none, HistoryError if the deliveries cannot be listed, and StoreUnavailable. That one of
    them cannot be requested is in the report.
    """
    _check(receiver, since, rate, wait)
    tell = on_step or _tell_nobody
    store = receiver.store
    report = Report(is_dry_run=dry_run)
    open_: list[DeliveryRecord] = []
    for each in _find_latest(history.deliveries(since), tell):
        state = _state(receiver, each, store.get(key_of(receiver.name, each.event_id)))
        report.events += 1
        report.found[state] = report.found.get(state, 0) + 1
        if state in _ASK_FOR:
            open_.append(each)
    open_.sort(key=lambda each: each.created_at)
    asked = [] if dry_run else _ask(history, open_, report, rate, tell, stop, sleep)
    report.asked = len(asked)
    waiting = {each.event_id for each in asked}
    give_up = monotonic() + wait
    while waiting and not stop() and monotonic() < give_up:
        arrived = {each for each in waiting if _is_safe(store.get(key_of(receiver.name, each)))}
        waiting -= arrived
        give_up = monotonic() + wait if arrived else give_up
        tell("wait", len(asked) - len(waiting), len(asked))
        if waiting:
            sleep(_LOOK_EVERY)
    report.arrived = len(asked) - len(waiting)
    done = {each.event_id for each in asked} - waiting
    report.left = [each.event_id for each in open_ if each.event_id not in done]
    return report


def _ask(
    history: "History",
    open_: "list[DeliveryRecord]",
    report: Report,
    rate: float,
    tell: Callable[[str, int, int], object],
    stop: Callable[[], bool],
    sleep: Callable[[float], object],
) -> "list[DeliveryRecord]":
    """Ask for one after the other, and return those that could be asked for."""
    asked: list[DeliveryRecord] = []
    in_a_row = 0
    for number, each in enumerate(open_, 1):
        if stop() or in_a_row >= _MOST_REFUSALS:
            break
        if number > 1:
            sleep(1 / rate)
        try:
            history.redeliver(each.id)
        except HistoryError as error:  # of this one: those after it must not wait for it
            in_a_row += 1
            if str(error) not in report.errors and len(report.errors) < _MOST_ERRORS:
                report.errors.append(str(error))
        else:
            in_a_row = 0
            asked.append(each)
        tell("ask", number, len(open_))
    return asked


def _tell_nobody(what: str, number: int, of: int) -> None:
    del what, number, of


def _check(receiver: "Receiver", since: float, rate: float, wait: float) -> None:
    if receiver.clock() - since > receiver.retention:
        raise ConfigurationError(
            f"since is longer ago than the {receiver.retention:g} s for which handled events are "
            "remembered (retention), so handled events would be requested again"
        )
    for name, value in (("rate", rate), ("wait", wait)):
        if not value > 0:  # so too if it is not a number
            raise ConfigurationError(f"{name}={shown(value)}: give a number above 0")


def _find_latest(
    deliveries: "Iterable[DeliveryRecord]", tell: Callable[[str, int, int], object]
) -> "Iterator[DeliveryRecord]":
    """Yield the last delivery of each event; one that is pending counts before all others."""
    latest: dict[str, DeliveryRecord] = {}
    for number, each in enumerate(deliveries, 1):
        tell("list", number, number)
        if each.is_test:
            continue
        before = latest.get(each.event_id)
        if before is None or (each.is_pending, each.created_at) > (
            before.is_pending,
            before.created_at,
        ):
            latest[each.event_id] = each
    yield from latest.values()


def _state(receiver: "Receiver", delivery: "DeliveryRecord", record: "Record | None") -> State:
    status = None if record is None else record.status
    if status == "done":
        return "handled"
    is_live = status == "claimed" and record is not None and record.lease_until > receiver.clock()
    if is_live or status in ("queued", "running"):
        return "under_way"
    if delivery.is_pending:
        return "coming"
    if record is not None:
        return "failed"
    return "missing" if _is_wanted(receiver, delivery.event_type) else "unwanted"


def _is_wanted(receiver: "Receiver", event_type: str) -> bool:
    """Tell whether a handler wants events of a type; so too if the sender does not say which."""
    known = receiver.router.registry.get(event_type) is not None
    handlers = receiver.router.handlers
    return not event_type or any(each.wants(event_type, known=known) for each in handlers)


def _is_safe(record: "Record | None") -> bool:
    """Tell whether an event is handled, or in an engine's hands."""
    return record is not None and record.status in ("done", "queued", "running")
