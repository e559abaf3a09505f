"""`events forget` and `events purge`: what is dropped, and what is asked before."""

from pathlib import Path

import pytest
from tests.cli.stored_events import StoredEvents

DAY = 86_400


@pytest.fixture(params=["memory", "sqlite"])
def stored_events(request, tmp_path: Path):
    stored_events = StoredEvents(tmp_path / "store.db" if request.param == "sqlite" else None)
    yield stored_events
    stored_events.store.close()


def left(stored_events: StoredEvents) -> int:
    return sum(stored_events.store.stats().values())


def test_with_yes_all_records_of_an_id_are_dropped(stored_events: StoredEvents) -> None:
    """With --yes all records of the ids are dropped, and no others, without a question."""
    for name in ("evt_1", "evt_2", "evt_3"):
        stored_events.put(name)
    stored_events.put("evt_1", "conflict")
    ran = stored_events.run("forget", "evt_1", "evt_2", "--yes")
    assert (ran.stdout, ran.stderr) == ("3 forgotten\n", "")
    assert [each.id for each in stored_events.store.find()] == ["evt_3"]


def test_without_yes_only_a_yes_forgets(stored_events: StoredEvents) -> None:
    """Without --yes the events are shown and a question asked; only yes forgets."""
    stored_events.put("evt_1", "dead")
    ran = stored_events.run("forget", "evt_1", answer="n\n", status=1)
    assert "evt_1 (transfer.created, dead)\nForget 1?" in ran.stderr
    stored_events.run("forget", "evt_1", answer="", status=1)
    assert left(stored_events) == 1
    stored_events.run("forget", "evt_1", answer="y\n")
    assert left(stored_events) == 0


def test_of_many_events_the_first_are_shown(stored_events: StoredEvents) -> None:
    """Of many the question shows the first."""
    names = [f"evt_{number}" for number in range(12)]
    for name in names:
        stored_events.put(name)
    told = stored_events.run("forget", *names, answer="y\n").stderr
    assert told.count("transfer.created") == 10
    assert "... and 2 more\nForget 12?" in told


def test_a_key_forgets_one_record(stored_events: StoredEvents) -> None:
    """A key forgets one record of several."""
    stored_events.put("evt_1")
    key = stored_events.put("evt_1", "conflict")
    stored_events.run("forget", key[:12], "--yes")
    assert [each.status for each in stored_events.store.find()] == ["done"]


def test_an_event_named_twice_is_forgotten_once(stored_events: StoredEvents) -> None:
    """An event that is named twice is forgotten once."""
    key = stored_events.put("evt_1")
    assert stored_events.run("forget", "evt_1", key, "--yes").stdout == "1 forgotten\n"


def test_with_an_unknown_id_none_is_forgotten(stored_events: StoredEvents) -> None:
    """If one is unknown none is forgotten."""
    stored_events.put("evt_1")
    assert (
        "no event evt_2" in stored_events.run("forget", "evt_1", "evt_2", "--yes", status=1).stderr
    )
    assert left(stored_events) == 1


def test_without_an_event_it_is_a_usage_error(stored_events: StoredEvents) -> None:
    """To forget nothing in particular is a usage error."""
    stored_events.run("forget", "--yes", status=2)


def test_a_purge_drops_what_is_older(stored_events: StoredEvents) -> None:
    """What is older goes, but for what an engine has; the rest stays."""
    for status in ("done", "dead", "queued", "running"):
        stored_events.put(status, status, age=31 * DAY)
    stored_events.put("young", age=29 * DAY)
    assert stored_events.run("purge", "--older-than", "30d").stdout == "2 purged\n"
    assert {each.id for each in stored_events.store.find()} == {"queued", "running", "young"}


def test_a_purge_goes_on_until_nothing_is_left(stored_events: StoredEvents) -> None:
    """A purge goes on until nothing is left to drop."""
    for number in range(1203):
        stored_events.put(f"evt_{number}", age=5 * DAY)
    assert stored_events.run("purge", "--older-than", "4d").stdout == "1203 purged\n"


def test_a_young_event_is_purged_after_a_question_only(stored_events: StoredEvents) -> None:
    """What the sender may still send again is dropped after a question only, or with --yes."""
    stored_events.put("evt_1", age=2 * DAY)
    ran = stored_events.run("purge", "--older-than", "71h", answer="n\n", status=1)
    assert "up to 72 h" in ran.stderr
    stored_events.run("purge", "--older-than", "1d", answer="n\n", status=1)
    assert left(stored_events) == 1
    assert stored_events.run("purge", "--older-than", "1d", answer="y\n").stdout == "1 purged\n"
    stored_events.put("evt_1", age=2 * DAY)
    assert stored_events.run("purge", "--older-than", "1d", "--yes").stdout == "1 purged\n"
    assert stored_events.run("purge", "--older-than", "72h").output == "0 purged\n"


def test_without_an_age_nothing_is_purged(stored_events: StoredEvents) -> None:
    """Without an age nothing is purged."""
    assert "--older-than" in stored_events.run("purge", status=2).stderr
