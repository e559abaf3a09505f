"""What the sandbox keeps, and what it forgets."""

import pytest

from coffrify_webhooks_sandbox import Sandbox, database


def test_old_events_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest events that are over are forgotten, heard by anyone or not; others stay."""
    monkeypatch.setattr(database, "_MOST_EVENTS", 10)
    monkeypatch.setattr(database, "_PRUNE_EVERY", 20)
    with Sandbox() as sandbox:
        sandbox.trigger("transfer.created", count=40)
        [last] = sandbox.trigger("transfer.created")
        kept = sandbox._service.database.events(100)
        assert len(kept) < 31
        assert kept[0] == last

        sandbox.create_endpoint("http://127.0.0.1:9/nobody-listens")
        [waits] = sandbox.trigger("ping")
        sandbox.settle()
        there = sandbox.serve(_app)
        for _ in range(3):
            sandbox.trigger("transfer.created", count=40, endpoint=there)
            sandbox.settle()
        assert sandbox._service.database.event(waits.id) == waits
        assert len(sandbox.deliveries()) < 80

        sandbox.run_out()
        for _ in range(3):
            sandbox.trigger("transfer.created", count=40, endpoint=there)
            sandbox.settle()
        [dead] = sandbox.deliveries(status="dead_letter")
        assert sandbox.event(dead) == waits

        sandbox._call(lambda: sandbox._service.endpoints.delete(dead.endpoint_id))
        sandbox.trigger("transfer.created", count=40, endpoint=there)
        sandbox.settle()
        assert sandbox.deliveries(status="dead_letter") == []  # nobody could replay it


def _app(_environ: object, start: object) -> list[bytes]:
    start("204 No Content", [])  # type: ignore[operator]
    return []
