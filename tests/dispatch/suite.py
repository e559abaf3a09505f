"""What every engine must do that a third party might write a dispatcher for: the shared suite."""

from types import ModuleType
from typing import Any

import pytest
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tests.dispatch.site import PATIENCE, wait_until
from tests.in_time import in_time

from coffrify_webhooks.otel import instrument

__all__ = ["EngineSuite"]


class EngineSuite:
    """Subclasses give the fixtures `site`, with `working` and `waiting`, and `own`: one more site.

    `own` comes with the server, which no other test uses.
    """

    module: ModuleType
    """Holds the dispatcher, and AFTER_A_FAULT."""
    away: type[Exception]
    """What the engine raises when its server is away."""

    def test_answer_waits_for_no_handler(self, site: Any) -> None:
        """The event is acknowledged while its handler still runs, and settled when it has."""
        site.released.clear()
        with site.working():
            reply = site.deliver("evt_1")
            assert (reply.status, reply.outcome) == (200, "queued")
            assert site.begun.wait(PATIENCE)
            assert site.status("evt_1") == "running"
            site.released.set()
            assert site.outcome() == "handled"
            assert site.status("evt_1") == "done"
            wait_until(lambda: not site.waiting())

    def test_the_span_of_the_worker_links_to_the_web_processs(self, site: Any) -> None:
        """The message carries the context through the engine; the worker has a trace of its own."""
        exporter, tracers = InMemorySpanExporter(), TracerProvider()
        tracers.add_span_processor(SimpleSpanProcessor(exporter))
        both = [
            instrument(each, tracer_provider=tracers, meter_provider=NoOpMeterProvider())
            for each in (site.web, site.receiver)
        ]
        with site.working():
            site.deliver("evt_1")
            assert site.outcome() == "handled"
            wait_until(lambda: not site.waiting())
        for each in both:
            each.remove()
        consumers = [
            span for span in exporter.get_finished_spans() if span.name.startswith("process ")
        ]
        web, worker = sorted(consumers, key=lambda span: span.start_time or 0)
        assert [link.context.span_id for link in worker.links] == [web.context.span_id]
        assert worker.parent is None
        assert worker.context.trace_id != web.context.trace_id

    def test_a_duplicate_is_acknowledged_and_not_run(self, site: Any) -> None:
        """A duplicate while the event is queued, or when it is done, is acknowledged, not run."""
        assert site.deliver("evt_1").outcome == "queued"
        assert site.deliver("evt_1").outcome == "duplicate"
        with site.working():
            site.outcome()
            assert site.deliver("evt_1").outcome == "duplicate"
            wait_until(lambda: not site.waiting())
        assert len(site.runs) == 1

    def test_an_async_handler_runs_in_the_worker(self, site: Any) -> None:
        """Async handlers run as they do in a web process."""
        with site.working():
            site.deliver("evt_1", "ping")
            assert site.outcome() == "handled"

    def test_an_odd_id_arrives_whole(self, site: Any) -> None:
        """An id that is no proper text, and that a jsonb would refuse, arrives whole."""
        with site.working():
            assert site.deliver("evt_\ud800\0").outcome == "queued"
            assert site.outcome() == "handled"

    def test_failing_handler_is_tried_again(self, site: Any) -> None:
        """A handler that raised is run again after the time that the receiver's policy says."""
        site.failing = 1
        with site.working():
            site.deliver("evt_1")
            assert site.outcome() == "handled"
        (_, first), (_, second) = site.runs
        assert second - first >= 0.3

    def test_dead_after_the_last_attempt(self, site: Any) -> None:
        """After the last attempt the event is a dead letter, and the engine is done with it."""
        site.failing = 9
        with site.working():
            site.deliver("evt_1")
            assert site.outcome() == "dead"
            wait_until(lambda: not site.waiting())
        assert (len(site.runs), site.status("evt_1")) == (3, "dead")

    def test_after_any_fault_the_event_comes_back(
        self, site: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whatever goes wrong, the event comes back."""
        execute = site.receiver.execute
        faults = [RuntimeError("a bug")]

        def at_first_not(message: Any) -> Any:
            if faults:
                raise faults.pop()
            return execute(message)

        monkeypatch.setattr(site.receiver, "execute", at_first_not)
        monkeypatch.setattr(self.module, "AFTER_A_FAULT", 0.1)
        with site.working():
            site.deliver("evt_1")
            assert site.outcome() == "handled"
        assert not faults

    def test_message_of_another_version(self, site: Any, caplog: pytest.LogCaptureFixture) -> None:
        """A message that is not ours is reported and dropped; the others are handled."""
        site.engine.dispatch({"version": 99, "receiver": "default"})
        site.deliver("evt_1")
        with site.working():
            assert site.outcome() == "handled"
            wait_until(lambda: not site.waiting())
        assert "was dropped: " in caplog.text

    def test_a_server_that_is_away_or_hangs_costs_a_delivery_seconds(
        self, own: tuple[Any, Any]
    ) -> None:
        """A server that is away or hangs costs a delivery 5 s at most; then all is well again."""
        server, site = own
        assert site.deliver("evt_1").status == 200
        server.pause()
        with pytest.raises(self.away), in_time(5):
            site.engine.dispatch({})
        with in_time(5.5):
            assert site.deliver("evt_2").status == 503
        server.resume()
        assert site.deliver("evt_2").outcome == "queued"
        server.kill()
        with in_time(5):
            assert site.deliver("evt_3").status == 503
        server.restart()
        assert site.deliver("evt_3").outcome == "queued"
        with site.working():
            assert {site.outcome() for _ in range(3)} == {"handled"}
