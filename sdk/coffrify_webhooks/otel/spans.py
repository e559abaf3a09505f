"""Spans: one for each delivery and each attempt of an engine's worker, and one for each handler."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

from opentelemetry import context, trace
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from coffrify_webhooks.text import plain

from .names import OTHER, error_of, event_label, processing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextvars import Token
    from types import TracebackType

    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer

    from coffrify_webhooks.delivery import Delivery
    from coffrify_webhooks.observe import Notice

__all__ = ["Spans"]

_LONGEST = 255
_propagator = TraceContextTextMapPropagator()


class Spans:
    """An observer that makes a span of each delivery, `execute` and call of a handler.

    A delivery's stands under the span that is current, such as the framework's of the HTTP
    request. It is linked to the sender's trace, and in an engine's worker to the span of the web
    process that handed the event over.
    """

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._open: ContextVar[Span | None] = ContextVar("coffrify_webhooks_span", default=None)

    def __call__(self, notice: Notice) -> _Entered | None:
        """See `Observer`."""
        match notice.kind, notice.phase:
            case (("delivery" | "execute"), "started"):
                span = self._tracer.start_span(
                    f"process {OTHER}",
                    kind=SpanKind.CONSUMER,
                    attributes=processing(notice.receiver),
                )
                return _Entered(span, self._open)
            case "handler", "started":
                span = self._tracer.start_span(
                    f"handle {notice.handler}",
                    attributes={
                        "coffrify_webhooks.handler": notice.handler or "",
                        "coffrify_webhooks.event.type": event_label(notice.event),
                    },
                )
                return _Entered(span, self._open)
            case "dispatch", "started":
                if notice.delivery is not None:
                    _propagator.inject(notice.delivery.dispatch_context)
            case (("delivery" | "execute" | "handler"), ("completed" | "failed")):
                self._end(notice)
            case _:
                pass
        return None

    def _end(self, notice: Notice) -> None:
        span = self._open.get()
        if span is None or not span.is_recording():
            return
        error = error_of(notice)
        span.set_attributes(error)
        if notice.phase == "failed":
            span.set_status(Status(StatusCode.ERROR, error.get("error.type")))
        if notice.kind == "handler":
            return
        span.update_name(f"process {event_label(notice.event, notice.outcome)}")
        span.set_attributes(_attributes(notice))
        if notice.delivery is not None:
            _link(span, notice.delivery)


def _attributes(notice: Notice) -> dict[str, str | int | bool]:
    found: dict[str, str | int | bool] = {}
    if notice.outcome is not None:
        found["coffrify_webhooks.outcome"] = notice.outcome
    if notice.attempt is not None:
        found["coffrify_webhooks.attempt"] = notice.attempt
    event, delivery = notice.event, notice.delivery
    if event is not None:
        found["coffrify_webhooks.event.type"] = plain(event.type)[:_LONGEST]
        if isinstance(event.id, str):
            found["messaging.message.id"] = plain(event.id)[:_LONGEST]
    if delivery is not None:
        found["messaging.message.body.size"] = len(delivery.body)
        found["coffrify_webhooks.test"] = delivery.test
    return found


def _link(span: Span, delivery: Delivery) -> None:
    """Link to the sender's span, and to that of the web process."""
    own = span.get_span_context()
    for carrier, by in ((delivery.trace_context, "sender"), (delivery.dispatch_context, "web")):
        found = _span_context(carrier)
        if found.is_valid and found.span_id != own.span_id:
            span.add_link(found, {"coffrify_webhooks.linked": by})


def _span_context(carrier: Mapping[str, str]) -> trace.SpanContext:
    empty = context.Context()
    return trace.get_current_span(_propagator.extract(carrier, empty)).get_span_context()


class _Entered:
    """A span that is current from where its operation begins to where it ends."""

    def __init__(self, span: Span, open_: ContextVar[Span | None]) -> None:
        self._span = span
        self._open = open_
        self._token: Token[Span | None] | None = None
        self._attached: Token[Context] | None = None

    def __enter__(self) -> None:
        self._token = self._open.set(self._span)
        self._attached = context.attach(trace.set_span_in_context(self._span))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._span.end()
        attached, token = self._attached, self._token
        if attached is not None:
            context.detach(attached)
        if token is not None:
            self._open.reset(token)
