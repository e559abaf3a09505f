"""`instrument()`: has receivers observed by OpenTelemetry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry import metrics, trace

from coffrify_webhooks._version import __version__
from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.monitoring.observable import all_observables
from coffrify_webhooks.observe import Others, everywhere
from coffrify_webhooks.receiver import Receiver

from .metrics import Metrics
from .spans import Spans

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from coffrify_webhooks.observe import Observer

__all__ = ["Instrumentation", "instrument"]

_SCHEMA = "https://opentelemetry.io/schemas/1.36.0"
_NAME = "coffrify_webhooks"
_current: dict[int | None, Instrumentation] = {}
"""By the identity of its receiver, which each keeps alive; None for that of all."""


class Instrumentation:
    """What `instrument` has added; `remove` takes it away."""

    def __init__(self, receiver: Receiver | None, spans: Spans, metrics: Metrics) -> None:
        self._receiver = receiver
        self._metrics = metrics
        self._observers: tuple[Observer, ...]
        if receiver is None:
            self._observers = (Others(spans, _is_instrumented), Others(metrics, _is_instrumented))
            everywhere.extend(self._observers)
        else:
            self._observers = (spans, metrics)
            for observer in self._observers:
                receiver.add_observer(observer)

    def remove(self) -> None:
        """Observe no more."""
        for observer in self._observers:
            if self._receiver is not None:
                self._receiver.remove_observer(observer)
            elif observer in everywhere:
                everywhere.remove(observer)
        self._metrics.is_on = False  # its gauges stay registered
        key = None if self._receiver is None else id(self._receiver)
        if _current.get(key) is self:
            del _current[key]


def instrument(
    receiver: Receiver | None = None,
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
) -> Instrumentation:
    """Make spans and metrics of what a receiver does; without one, of all in this process.

    receiver: instrument one, or all; each a second time replaces the first, and that of one goes
    before that of all. tracer_provider, meter_provider: those to use, else the global ones.
    """
    if receiver is not None and not isinstance(receiver, Receiver):
        raise ConfigurationError(f"receiver must be a Receiver, not {type(receiver).__name__}")
    key = None if receiver is None else id(receiver)
    if key in _current:
        _current[key].remove()
    tracer = trace.get_tracer(_NAME, __version__, tracer_provider, _SCHEMA)
    meter = metrics.get_meter(_NAME, __version__, meter_provider, _SCHEMA)

    def instrumented() -> Iterable[Receiver]:
        if receiver is not None:
            return (receiver,)
        found = (each for each in all_observables() if isinstance(each, Receiver))
        return (each for each in found if not _is_instrumented(each))

    made = _current[key] = Instrumentation(receiver, Spans(tracer), Metrics(meter, instrumented))
    return made


def _is_instrumented(receiver: object) -> bool:
    """Tell whether a receiver has an instrumentation of its own."""
    return id(receiver) in _current  # which keeps it alive
