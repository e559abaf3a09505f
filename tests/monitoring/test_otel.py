"""OpenTelemetry: the exact spans and metrics of what can become of a delivery."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from flask import Flask
from opentelemetry import trace
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import messaging_attributes as messaging
from opentelemetry.semconv._incubating.metrics import messaging_metrics
from opentelemetry.semconv.attributes import error_attributes
from opentelemetry.trace import SpanKind, StatusCode
from tests.adapters.requests import Request, send_asgi
from tests.dispatch.kept_messages import Engine
from tests.stores.async_memory import AsyncMemoryStore

from coffrify_webhooks import ConfigurationError, Event, HandlerError, Receiver, Router
from coffrify_webhooks import sign as sign_body
from coffrify_webhooks.fastapi import webhook_router
from coffrify_webhooks.flask import CoffrifyWebhooks, CoffrifyWebhooksMiddleware
from coffrify_webhooks.observe import everywhere
from coffrify_webhooks.otel import instrument, names
from coffrify_webhooks.otel.metrics import METRICS
from coffrify_webhooks.otel.names import processing
from coffrify_webhooks.retries import Retries
from coffrify_webhooks.stores.memory import MemoryStore

SECRET, OTHER = "whsec_" + "ab" * 16, "whsec_" + "cd" * 16
NOW = 1_700_000_000
SENDER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
PATH = "/webhooks/coffrify"
PRIVATE = "hunter2 of the user"
DRIVERS = pytest.mark.parametrize("driver", ["sync", "async"])


class Rig:
    """A receiver that is instrumented, and what the exporters were given."""

    def __init__(self, **options: Any) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader])
        self.router = Router()
        options = {"store": MemoryStore(), "clock": lambda: NOW + 3, **options}
        self.receiver = Receiver(SECRET, router=self.router, **options)
        self.receiver.drifts._allowed = float("-inf")  # its event fits no class
        self.instrumentation = instrument(
            self.receiver, tracer_provider=self.tracers, meter_provider=self.meters
        )
        self.seen: list[trace.SpanContext] = []

    def on(self, name: str, error: Exception | None = None, *, kind: str = "sync") -> None:
        def handle(event: Event) -> None:
            self.seen.append(trace.get_current_span().get_span_context())
            if error is not None:
                raise error

        async def handle_async(event: Event) -> None:
            await asyncio.sleep(0)
            handle(event)

        both: dict[str, Any] = {"sync": handle, "async": handle_async}
        self.router.on("*", name=name, allow_unknown=True)(both[kind])

    def request(self, secret: str = SECRET, kind: str = "transfer.created") -> Any:
        body = json.dumps({"id": "evt_1", "type": kind, "data": {"note": PRIVATE}}).encode()
        return body, {**sign_body(body, secret, timestamp=NOW), "traceparent": SENDER}

    def deliver(self, driver: str = "sync", *arguments: str) -> Any:
        request = self.request(*arguments)
        if driver == "sync":
            return self.receiver.receive(*request)
        return asyncio.run(self.receiver.receive_async(*request))

    def spans(self) -> list[ReadableSpan]:
        """Those that have ended since it was asked for last, by when they began."""
        found = sorted(self.exporter.get_finished_spans(), key=lambda span: span.start_time or 0)
        self.exporter.clear()
        return found

    def tree(self) -> list[str]:
        """Each span below its parent: its name, and the status of a failed one."""
        return tree_of(self.spans())

    def points(self, metric: str) -> list[tuple[dict[str, Any], Any]]:
        """The points of a metric: the attributes, and a sum, a count or a value."""
        data: Any = self.reader.get_metrics_data()
        found = [
            point
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for each in scope.metrics
            if each.name == metric
            for point in each.data.data_points
        ]
        return [
            (dict(point.attributes), point.count if hasattr(point, "count") else point.value)
            for point in found
        ]


def tree_of(spans: list[ReadableSpan]) -> list[str]:
    """Write spans as an indented list, parents before their children."""
    ids = {span.context.span_id for span in spans if span.context}

    def below(parent: int | None, depth: int) -> Iterator[str]:
        for span in spans:
            above = span.parent.span_id if span.parent else None
            if (above if above in ids else None) == parent:
                failed = span.status.status_code is StatusCode.ERROR
                yield "  " * depth + span.name + f" !{span.status.description}" * failed
                assert span.context is not None
                yield from below(span.context.span_id, depth + 1)

    return list(below(None, 0))


@pytest.fixture(autouse=True)
def _no_class_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "_class_names", set())


@pytest.fixture
def rig() -> Rig:
    return Rig()


def everything_in(spans: list[ReadableSpan]) -> str:
    return "".join(span.to_json() for span in spans)


# --- spans ------------------------------------------------------------------------------------


@DRIVERS
@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("store", [MemoryStore, AsyncMemoryStore])
def test_a_handled_delivery_is_a_span_with_one_for_its_handler(
    driver: str, kind: str, store: Any
) -> None:
    """The handler sees its own as the current one, on whichever thread or loop it runs."""
    rig = Rig(store=store())
    rig.on("announce", kind=kind)
    assert rig.deliver(driver).outcome == "handled"
    [process, handle] = rig.spans()
    assert tree_of([process, handle]) == ["process transfer.created", "  handle announce"]
    assert (process.kind, handle.kind) == (SpanKind.CONSUMER, SpanKind.INTERNAL)
    assert rig.seen == [handle.context]
    assert dict(process.attributes or {}) == {
        "messaging.system": "coffrify",
        "messaging.destination.name": "default",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.message.id": "evt_1",
        "messaging.message.body.size": len(rig.request()[0]),
        "coffrify_webhooks.event.type": "transfer.created",
        "coffrify_webhooks.outcome": "handled",
        "coffrify_webhooks.attempt": 1,
        "coffrify_webhooks.test": False,
    }
    [link] = process.links
    assert f"{link.context.trace_id:032x}-{link.context.span_id:016x}" in SENDER
    assert trace.get_current_span() is trace.INVALID_SPAN


@DRIVERS
def test_of_two_handlers_only_the_one_that_fails_is_an_error(driver: str, rig: Rig) -> None:
    """The delivery is one too; neither says what the exception did."""
    rig.on("announce")
    rig.on("book", LookupError(PRIVATE))
    assert rig.deliver(driver).outcome == "failed"
    spans = rig.spans()
    assert tree_of(spans) == [
        "process transfer.created !handler_failed",
        "  handle announce",
        "  handle book !LookupError",
    ]
    assert PRIVATE not in everything_in(spans)
    assert SECRET not in everything_in(spans)
    assert all(not span.events for span in spans)


@DRIVERS
def test_a_duplicate_is_a_span_without_children(driver: str, rig: Rig) -> None:
    """It is no error."""
    rig.on("announce")
    rig.deliver(driver)
    rig.spans()
    assert rig.deliver(driver).outcome == "duplicate"
    [span] = rig.spans()
    assert tree_of([span]) == ["process transfer.created"]
    assert (span.attributes or {})["coffrify_webhooks.outcome"] == "duplicate"


@DRIVERS
def test_a_forged_delivery_is_a_span_that_says_nothing_of_its_content(
    driver: str, rig: Rig
) -> None:
    """Neither an id nor a type, which anybody may have written; no link either."""
    rig.on("announce")
    assert rig.deliver(driver, OTHER).outcome == "rejected"
    [span] = rig.spans()
    assert tree_of([span]) == ["process other !signature_mismatch"]
    assert not span.links
    assert dict(span.attributes or {}) == {
        **processing("default"),
        "error.type": "signature_mismatch",
        "coffrify_webhooks.outcome": "rejected",
    }


@DRIVERS
def test_a_delivery_that_is_queued_then_retried_then_dead(driver: str) -> None:
    """Each attempt is a span of its own, linked to the sender's and to the web process's."""
    engine = Engine()
    rig = Rig(dispatcher=engine, retries=Retries(attempts=3))
    error = LookupError(PRIVATE)
    rig.on("book", error)
    assert rig.deliver(driver).outcome == "queued"
    [web] = rig.spans()
    assert tree_of([web]) == ["process transfer.created"]
    message = json.loads(engine.sent[0])
    for attempt in (1, 2):
        with pytest.raises(HandlerError):
            rig.receiver.execute(message)
        spans = rig.spans()
        assert tree_of(spans) == [
            "process transfer.created !handler_failed",
            "  handle book !LookupError",
        ]
        assert (spans[0].attributes or {})["coffrify_webhooks.attempt"] == attempt
        linked = {each.context.span_id for each in spans[0].links}
        assert web.context is not None
        assert linked == {web.context.span_id, int(SENDER.split("-")[2], 16)}
    assert rig.receiver.execute(message) == "dead"
    spans = rig.spans()
    assert tree_of(spans) == ["process transfer.created !dead", "  handle book !LookupError"]
    assert PRIVATE not in everything_in(spans)
    outcomes = {
        each[0]["coffrify_webhooks.outcome"]: each[1]
        for each in rig.points("coffrify_webhooks.attempts")
    }
    assert outcomes == {"failed": 2, "dead": 1}


@DRIVERS
def test_the_span_stands_under_the_one_that_is_current(driver: str, rig: Rig) -> None:
    """As the framework's of its HTTP request."""
    rig.on("announce")
    around = rig.tracers.get_tracer("framework").start_as_current_span(f"POST {PATH}")

    async def serve() -> None:
        with around:
            await rig.receiver.receive_async(*rig.request())

    if driver == "async":
        asyncio.run(serve())
    else:
        with around:
            rig.deliver()
    assert rig.tree() == [
        "POST /webhooks/coffrify",
        "  process transfer.created",
        "    handle announce",
    ]


def test_a_span_stands_under_that_of_flasks_instrumentation(rig: Rig) -> None:
    """Whose trace is the sender's; WSGI middleware has no HTTP span to stand under."""
    rig.on("announce")
    app = Flask("example")
    CoffrifyWebhooks(app, rig.receiver)
    FlaskInstrumentor().instrument_app(app, tracer_provider=rig.tracers)
    body, headers = rig.request()
    assert app.test_client().post(PATH, data=body, headers=headers).status_code == 200
    spans = rig.spans()
    assert tree_of(spans)[1:] == ["  process transfer.created", "    handle announce"]
    assert f"{spans[0].context.trace_id:032x}" in SENDER
    bare = Rig()
    bare.on("announce")
    plain = Flask("example")
    plain.wsgi_app = CoffrifyWebhooksMiddleware(plain.wsgi_app, bare.receiver)  # type: ignore[method-assign]
    assert plain.test_client().post(PATH, data=body, headers=headers).status_code == 200
    [process, handle] = bare.spans()
    assert tree_of([process, handle]) == ["process transfer.created", "  handle announce"]
    assert [f"{each.context.span_id:016x}" for each in process.links] == [SENDER.split("-")[2]]


def test_a_span_stands_under_that_of_asgis_instrumentation(rig: Rig) -> None:
    """As Starlette's and FastAPI's, which are made of it."""
    rig.on("announce", kind="async")
    app = FastAPI()
    app.include_router(webhook_router(rig.receiver))
    traced = OpenTelemetryMiddleware(
        app, tracer_provider=rig.tracers, exclude_spans=["receive", "send"]
    )
    body, headers = rig.request()
    assert send_asgi(traced, Request("POST", PATH, body, headers, len(body))).status == 200
    assert [each.strip() for each in rig.tree()][1:] == [
        "process transfer.created",
        "handle announce",
    ]


# --- metrics ----------------------------------------------------------------------------------


def test_metrics_count_deliveries_by_outcome_and_code(rig: Rig) -> None:
    """Those too that are refused before their body is read."""
    rig.on("announce")
    rig.deliver()
    rig.deliver()
    rig.deliver("sync", OTHER)
    rig.receiver.refuse_early({})
    found = {
        (labels["coffrify_webhooks.outcome"], labels.get("error.type")): count
        for labels, count in rig.points("coffrify_webhooks.deliveries")
    }
    assert found == {
        ("handled", None): 1,
        ("duplicate", None): 1,
        ("rejected", "signature_mismatch"): 1,
        ("rejected", "missing_signature"): 1,
    }


def test_metrics_measure_each_part_of_a_delivery(rig: Rig) -> None:
    """Once each, by type, outcome, handler and method; and what the store holds."""
    rig.on("announce")
    rig.on("book", LookupError(PRIVATE))
    rig.deliver()
    where = {"messaging.destination.name": "default"}
    kind = {"coffrify_webhooks.event.type": "transfer.created"}
    failed = {"error.type": "handler_failed"}
    outcome = {"coffrify_webhooks.outcome": "failed"}
    assert rig.points("messaging.process.duration") == [
        ({**processing("default"), **kind, **outcome, **failed}, 1)
    ]
    named = "coffrify_webhooks.handler"
    assert rig.points("coffrify_webhooks.handler.duration") == [
        ({**where, **kind, named: "announce"}, 1),
        ({**where, **kind, named: "book", "error.type": "LookupError"}, 1),
    ]
    methods = [
        each[0]["coffrify_webhooks.store.method"]
        for each in rig.points("coffrify_webhooks.store.duration")
    ]
    assert sorted(methods) == ["checkpoint", "claim", "failed"]
    assert rig.points("coffrify_webhooks.delivery.age") == [(where, 1)]
    system = {"messaging.system": "coffrify"}
    assert rig.points("coffrify_webhooks.events.dead") == [({**system, **where}, 0)]


def test_gauges_tell_what_is_queued_and_dead() -> None:
    """And for how long the oldest has been waiting, by the store's clock."""
    clock = [float(NOW)]
    store = MemoryStore(clock=lambda: clock[0])
    rig = Rig(store=store, dispatcher=Engine(), clock=lambda: clock[0])
    rig.on("announce")
    assert rig.points("coffrify_webhooks.events.oldest_queued") == []
    rig.deliver()
    clock[0] += 40
    [(_, queued)] = rig.points("coffrify_webhooks.events.queued")
    [(_, waiting)] = rig.points("coffrify_webhooks.events.oldest_queued")
    assert (queued, waiting) == (1, 40)


def test_a_gauge_tells_when_an_event_last_arrived() -> None:
    """Zero where none ever has, so that an alarm for silence goes off; nothing forged counts."""
    clock = [float(NOW)]
    store = MemoryStore(clock=lambda: clock[0])
    rig = Rig(store=store, clock=lambda: clock[0])
    rig.on("announce")
    rig.deliver("sync", OTHER)
    assert [value for _, value in rig.points("coffrify_webhooks.delivery.last")] == [0]
    clock[0] += 2
    rig.deliver()
    clock[0] += 50
    rig.deliver("sync", OTHER)
    assert [value for _, value in rig.points("coffrify_webhooks.delivery.last")] == [NOW + 2]
    restarted = Rig(store=store, clock=lambda: clock[0])
    assert [value for _, value in restarted.points("coffrify_webhooks.delivery.last")] == [NOW + 2]


def test_all_gauges_of_a_collection_ask_the_store_once() -> None:
    """And again at the next collection."""
    asked: list[str] = []

    class Counted(MemoryStore):
        def stats(self, most: int | None = 1000) -> Any:
            asked.append("stats")
            return super().stats(most)

    rig = Rig(store=Counted())
    for times in (1, 2):
        assert len(rig.points("coffrify_webhooks.events.dead")) == 1
        assert len(asked) == times


def test_labels_are_bounded_whatever_is_sent(rig: Rig) -> None:
    """A type that is not in the catalog, or that no handler wants, is `other`: in names too."""
    rig.on("announce")
    for number in range(1000):
        body = json.dumps({"id": f"evt_{number}", "type": f"unknown.{number}"}).encode()
        headers = sign_body(body, SECRET, timestamp=NOW)
        assert rig.receiver.receive(body, headers).outcome == "handled"
    lone = Rig()
    lone.router.on("ping")(lambda event: None)
    lone.deliver()
    for each in (rig, lone):
        assert {span.name for span in each.spans()} <= {"process other", "handle announce"}
        kinds = {
            point[0]["coffrify_webhooks.event.type"]
            for metric in ("messaging.process.duration", "coffrify_webhooks.handler.duration")
            for point in each.points(metric)
        }
        assert kinds == {"other"}


def test_error_types_are_bounded_whatever_a_handler_raises() -> None:
    """A class made at run time may be named anyhow, and there may be one for each event."""
    rig = Rig()

    @rig.router.on("*", allow_unknown=True)
    def fail(event: Event) -> None:
        name = PRIVATE if event.type == "ping" else f"Error{event.id}"
        raise type(name, (Exception,), {})

    for number in range(150):
        kind = "transfer.created" if number else "ping"
        body = json.dumps({"id": f"evt_{number}", "type": kind}).encode()
        rig.receiver.receive(body, sign_body(body, SECRET, timestamp=NOW))
    found = {point[0]["error.type"] for point in rig.points("coffrify_webhooks.handler.duration")}
    assert len(found) <= 101
    assert error_attributes.ErrorTypeValues.OTHER.value in found
    assert PRIVATE not in everything_in(rig.spans())


def test_names_are_those_of_the_conventions(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the package of the semantic conventions has them; the old one only on demand."""
    assert processing("default") == {
        messaging.MESSAGING_SYSTEM: "coffrify",
        messaging.MESSAGING_DESTINATION_NAME: "default",
        messaging.MESSAGING_OPERATION_NAME: "process",
        messaging.MESSAGING_OPERATION_TYPE: messaging.MessagingOperationTypeValues.PROCESS.value,
    }
    assert {metric.name for metric in METRICS} & {messaging_metrics.MESSAGING_PROCESS_DURATION}
    assert error_attributes.ERROR_TYPE == "error.type"
    for opted, old in (("messaging", False), ("http, messaging/dup", True)):
        monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", opted)
        assert (messaging.MESSAGING_OPERATION in processing("default")) == old


# --- instrument -------------------------------------------------------------------------------


def test_all_receivers_are_instrumented_where_none_is_named() -> None:
    """Those made later too; and none any more once it is removed."""
    exporter, tracers = InMemorySpanExporter(), TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    reader = InMemoryMetricReader()
    made = instrument(tracer_provider=tracers, meter_provider=MeterProvider([reader]))
    try:
        router = Router()
        receiver = Receiver(SECRET, router=router, store="memory:", name="made-later")
        router.on("ping")(lambda event: None)
        body = b'{"id": "evt_1", "type": "ping"}'
        receiver.receive(body, sign_body(body, SECRET))
        assert [span.name for span in exporter.get_finished_spans()][-1] == "process ping"
        data: Any = reader.get_metrics_data()
        assert "made-later" in data.to_json()
    finally:
        made.remove()
    made.remove()
    assert everywhere == []
    exporter.clear()
    receiver.receive(body, sign_body(body, SECRET))
    assert exporter.get_finished_spans() == ()
    assert not receiver.tells_operations


def test_a_second_instrumentation_replaces_the_first(rig: Rig) -> None:
    """No delivery has two spans."""
    rig.on("announce")
    again = instrument(rig.receiver, tracer_provider=rig.tracers, meter_provider=rig.meters)
    rig.deliver()
    assert rig.tree() == ["process transfer.created", "  handle announce"]
    again.remove()
    rig.deliver()
    assert rig.spans() == []


def test_the_instrumentation_of_one_goes_before_that_of_all() -> None:
    """In whatever order they are made: no delivery has two spans, or is counted twice."""
    for order in ("one first", "all first"):
        others = Rig()
        own = Rig(name="own") if order == "one first" else None
        everything = instrument(tracer_provider=others.tracers, meter_provider=others.meters)
        own = own or Rig(name="own")
        own.on("announce")
        own.deliver()
        own_tree, tree_of_others = own.tree(), others.tree()
        counted = others.points("coffrify_webhooks.deliveries")
        own.instrumentation.remove()
        own.deliver()
        now_of_others = others.tree()
        everything.remove()
        others.instrumentation.remove()
        assert own_tree == ["process transfer.created", "  handle announce"]
        assert (tree_of_others, counted) == ([], [])
        assert now_of_others == ["process transfer.created"]


def test_metrics_have_the_units_and_buckets_that_the_conventions_advise() -> None:
    """Each has the unit and the kind that the page lists; seconds, and never milliseconds."""
    rig = Rig(dispatcher=Engine())
    rig.on("announce")
    rig.deliver()
    rig.receiver.execute(json.loads(rig.receiver.dispatcher.sent[0]))  # type: ignore[union-attr]
    data: Any = rig.reader.get_metrics_data()
    found = {
        each.name: each
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for each in scope.metrics
    }
    units = {name: each.unit for name, each in found.items()}
    assert units.items() <= {each.name: each.unit for each in METRICS}.items()
    [process, *_] = found[messaging_metrics.MESSAGING_PROCESS_DURATION].data.data_points
    advised = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
    assert list(process.explicit_bounds) == advised


def test_what_is_no_receiver_is_refused() -> None:
    """With the name of what was given."""
    with pytest.raises(ConfigurationError, match="not Flask"):
        instrument(Flask("example"))  # type: ignore[arg-type]
