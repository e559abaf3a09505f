"""`events tail` and the filters of `events list`: what is shown, once each, in its order."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.stored_events import REASON, StoredEvents

from coffrify_webhooks.cli.events_tail import Tail
from coffrify_webhooks.stores import Filter


@pytest.fixture
def stored_events(tmp_path: Path):
    stored_events = StoredEvents(tmp_path / "store.db")
    yield stored_events
    stored_events.store.close()


def ids(stored_events: StoredEvents, *arguments: object) -> list[str]:
    ran = stored_events.run("list", "--json", *arguments)
    return sorted(json.loads(line)["id"] for line in ran.stdout.splitlines())


def test_each_change_is_shown_once_in_its_order(stored_events: StoredEvents) -> None:
    """The last few at first, and none of those before them later."""
    for number in range(5):
        stored_events.put(f"evt_{number}", age=20 - number)
    following = Tail(stored_events.store, Filter())
    assert [each.id for each in following.first(2)] == ["evt_3", "evt_4"]
    assert following.changes() == []
    stored_events.put("evt_5", "failed", age=1)
    stored_events.put("evt_6", age=2)  # ended later than it looks
    assert [each.id for each in following.changes()] == ["evt_6", "evt_5"]
    assert following.changes() == []
    stored_events.put("evt_5", "done")
    assert [(each.id, each.status) for each in following.changes()] == [("evt_5", "done")]


def test_an_empty_store_is_followed_from_its_first_event(stored_events: StoredEvents) -> None:
    following = Tail(stored_events.store, Filter(statuses=("failed",)))
    assert following.first(10) == []
    stored_events.put("evt_1")
    stored_events.put("evt_2", "failed")
    assert [each.id for each in following.changes()] == ["evt_2"]


def test_ctrl_c_ends_it_without_a_traceback(stored_events: StoredEvents, tmp_path: Path) -> None:
    """Once it has shown what was there, as the first line shows."""
    stored_events.put("evt_1", "failed")
    # A shell starts what runs in the background with Ctrl-C ignored, and so it starts these tests.
    heeded = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    command = f"{heeded}; from coffrify_webhooks.cli import main; main()"
    arguments = ("events", "tail", "--json", "--store", f"sqlite:///{tmp_path / 'store.db'}")
    with subprocess.Popen(
        [sys.executable, "-c", command, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["id"] == "evt_1"
        process.send_signal(signal.SIGINT)
        try:
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, errors) == (0, "")


def test_events_are_found_by_handler_and_by_error(stored_events: StoredEvents) -> None:
    """A handler that has finished an event, or that failed: by its whole name."""
    stored_events.put("evt_1", "failed")
    stored_events.put("evt_2", "failed", finished="shop:count")
    stored_events.put("evt_3", "done")
    name = REASON.split()[0]
    assert ids(stored_events, "--handler", "shop:count") == ["evt_2"]
    assert ids(stored_events, "--handler", name) == ["evt_1", "evt_2"]
    assert ids(stored_events, "--handler", name[:-1]) == []
    assert ids(stored_events, "--error", "valueerror") == ["evt_1", "evt_2"]
    assert ids(stored_events, "--error", "KeyError") == []
