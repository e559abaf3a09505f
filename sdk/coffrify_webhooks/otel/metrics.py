"""Metrics: how many deliveries, how long each part took, what waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

from opentelemetry.metrics import CallbackOptions, Observation

from coffrify_webhooks.monitoring.health import read_health

from .names import SYSTEM, error_of, event_label, processing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from opentelemetry.metrics import Histogram, Meter

    from coffrify_webhooks.monitoring.health import Health
    from coffrify_webhooks.observe import Notice
    from coffrify_webhooks.receiver import Receiver

__all__ = ["METRICS", "Metric", "Metrics"]

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
"""The boundaries that the conventions advise for a duration."""
_AGES = (0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 6 * 3600, 24 * 3600, 72 * 3600)


class Metric(NamedTuple):
    """A metric's name, unit and meaning, and the labels that it can have."""

    name: str
    unit: str
    description: str
    labels: tuple[str, ...] = ()
    """Beside the receiver's name."""


_OUTCOME = ("coffrify_webhooks.outcome", "error.type")
_TYPE = "coffrify_webhooks.event.type"
PROCESS = Metric(
    "messaging.process.duration",
    "s",
    "Duration of a delivery, or of an attempt.",
    (_TYPE, *_OUTCOME),
)
DELIVERIES = Metric(
    "coffrify_webhooks.deliveries", "{delivery}", "Deliveries, by outcome.", _OUTCOME
)
ATTEMPTS = Metric(
    "coffrify_webhooks.attempts", "{attempt}", "Attempts of an engine's worker.", _OUTCOME
)
HANDLER = Metric(
    "coffrify_webhooks.handler.duration",
    "s",
    "Duration of a call of a handler.",
    ("coffrify_webhooks.handler", _TYPE, "error.type"),
)
STORE = Metric(
    "coffrify_webhooks.store.duration",
    "s",
    "Duration of a call of the store.",
    ("coffrify_webhooks.store.method", "error.type"),
)
AGE = Metric("coffrify_webhooks.delivery.age", "s", "Time from signature to receipt.")
QUEUED = Metric(
    "coffrify_webhooks.events.queued",
    "{event}",
    "Queued or running in the store, whose receivers are counted together; up to 1000.",
)
DEAD = Metric("coffrify_webhooks.events.dead", "{event}", "Dead letters in the store, likewise.")
OLDEST = Metric("coffrify_webhooks.events.oldest_queued", "s", "Age of the oldest queued event.")
LAST = Metric(
    "coffrify_webhooks.delivery.last",
    "s",
    "When an event last arrived, in seconds since 1970; 0 if none is known.",
)
METRICS = (PROCESS, DELIVERIES, ATTEMPTS, HANDLER, STORE, AGE, QUEUED, DEAD, OLDEST, LAST)


class Metrics:
    """An observer that counts and measures; and gauges that are read from the store."""

    def __init__(self, meter: Meter, receivers: Callable[[], Iterable[Receiver]]) -> None:
        self._receivers = receivers
        self.is_on: bool = True
        self._readings: WeakKeyDictionary[Receiver, tuple[Health, set[object]]]
        self._readings = WeakKeyDictionary()
        self._process = _histogram(meter, PROCESS, _SECONDS)
        self._handler = _histogram(meter, HANDLER, _SECONDS)
        self._store = _histogram(meter, STORE, _SECONDS)
        self._age = _histogram(meter, AGE, _AGES)
        self._deliveries = meter.create_counter(*DELIVERIES[:3])
        self._attempts = meter.create_counter(*ATTEMPTS[:3])
        for metric, read in (
            (QUEUED, _count_queued),
            (DEAD, _count_dead),
            (OLDEST, _oldest_age),
            (LAST, _last_delivery),
        ):
            meter.create_observable_gauge(metric.name, [self._gauge(read)], *metric[1:3])

    def __call__(self, notice: Notice) -> None:
        """See `Observer`."""
        if notice.phase not in ("completed", "failed") or notice.seconds is None:
            return
        where, error = {"messaging.destination.name": notice.receiver}, error_of(notice)
        match notice.kind:
            case "delivery" | "execute":
                self._record_end(notice, notice.seconds, error)
            case "handler":
                kind = {"coffrify_webhooks.event.type": event_label(notice.event)}
                named = {"coffrify_webhooks.handler": notice.handler or ""}
                self._handler.record(notice.seconds, {**where, **named, **kind, **error})
            case "store":
                method = {"coffrify_webhooks.store.method": notice.method or ""}
                self._store.record(notice.seconds, {**where, **method, **error})
            case _:
                pass

    def _record_end(self, notice: Notice, seconds: float, error: dict[str, str]) -> None:
        where = {"messaging.destination.name": notice.receiver}
        outcome = {"coffrify_webhooks.outcome": notice.outcome or "error"}
        kind = {
            "coffrify_webhooks.event.type": event_label(notice.event, notice.outcome),
        }
        self._process.record(seconds, {**processing(notice.receiver), **kind, **outcome, **error})
        counter = self._deliveries if notice.kind == "delivery" else self._attempts
        counter.add(1, {**where, **outcome, **error})
        if notice.kind == "delivery" and notice.age is not None:
            self._age.record(max(0.0, notice.age), where)

    def _gauge(
        self, read: Callable[[Health], float | None]
    ) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def observe(_options: CallbackOptions) -> Iterable[Observation]:
            for receiver in self._receivers() if self.is_on else ():
                health = self._health_for(receiver, read)
                value = read(health) if health.store_ok else None
                if value is not None:
                    labels = {"messaging.system": SYSTEM}
                    labels["messaging.destination.name"] = receiver.name
                    yield Observation(value, labels)

        return observe

    def _health_for(self, receiver: Receiver, gauge: object) -> Health:
        """Ask the store once for all gauges of one collection: until one of them comes again."""
        found = self._readings.get(receiver)
        if found is None or gauge in found[1]:
            health: Health = receiver.in_worker(read_health, receiver)
            found = self._readings[receiver] = (health, set())
        found[1].add(gauge)
        return found[0]


def _histogram(meter: Meter, metric: Metric, boundaries: Sequence[float]) -> Histogram:
    return meter.create_histogram(*metric[:3], explicit_bucket_boundaries_advisory=boundaries)


def _count_queued(health: Health) -> float:
    return health.counts.get("queued", 0) + health.counts.get("running", 0)


def _count_dead(health: Health) -> float:
    return health.counts.get("dead", 0)


def _oldest_age(health: Health) -> float | None:
    return health.oldest_queued


def _last_delivery(health: Health) -> float:
    return health.last_delivery or 0.0
