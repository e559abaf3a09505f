"""`events forget` and `events purge`: what is dropped, and what is asked before."""

from pathlib import Path

import pytest
from tests.cli.came import Came

DAY = 86_400


@pytest.fixture(params=["memory", "sqlite"])
def came(request, tmp_path: Path):
    came = Came(tmp_path / "store.db" if request.param == "sqlite" else None)
    yield came
    came.store.close()


def left(came: Came) -> int:
    return sum(came.store.stats().values())


def test_with_yes_all_records_of_an_id_are_dropped(came: Came) -> None:
    """With --yes all records of the ids are dropped, and no others, without a question."""
    for name in ("evt_1", "evt_2", "evt_3"):
        came.put(name)
    came.put("evt_1", "conflict")
    ran = came.run("forget", "evt_1", "evt_2", "--yes")
    assert (ran.stdout, ran.stderr) == ("3 forgotten\n", "")
    assert [each.id for each in came.store.find()] == ["evt_3"]


def test_without_yes_only_a_yes_forgets(came: Came) -> None:
    """Without --yes the events are shown and a question asked; only yes forgets."""
    came.put("evt_1", "dead")
    ran = came.run("forget", "evt_1", answer="n\n", status=1)
    assert "evt_1 (transfer.created, dead)\nForget 1?" in ran.stderr
    came.run("forget", "evt_1", answer="", status=1)
    assert left(came) == 1
    came.run("forget", "evt_1", answer="y\n")
    assert left(came) == 0


def test_of_many_events_the_first_are_shown(came: Came) -> None:
    """Of many the question shows the first."""
    names = [f"evt_{number}" for number in range(12)]
    for name in names:
        came.put(name)
    told = came.run("forget", *names, answer="y\n").stderr
    assert told.count("transfer.created") == 10
    assert "... and 2 more\nForget 12?" in told


def test_a_key_forgets_one_record(came: Came) -> None:
    """A key forgets one record of several."""
    came.put("evt_1")
    key = came.put("evt_1", "conflict")
    came.run("forget", key[:12], "--yes")
    assert [each.status for each in came.store.find()] == ["done"]


def test_an_event_named_twice_is_forgotten_once(came: Came) -> None:
    """An event that is named twice is forgotten once."""
    key = came.put("evt_1")
    assert came.run("forget", "evt_1", key, "--yes").stdout == "1 forgotten\n"


def test_with_an_unknown_id_none_is_forgotten(came: Came) -> None:
    """If one is unknown none is forgotten."""
    came.put("evt_1")
    assert "no event evt_2" in came.run("forget", "evt_1", "evt_2", "--yes", status=1).stderr
    assert left(came) == 1


def test_without_an_event_it_is_a_usage_error(came: Came) -> None:
    """To forget nothing in particular is a usage error."""
    came.run("forget", "--yes", status=2)


def test_a_purge_drops_what_is_older(came: Came) -> None:
    """What is older goes, but for what an engine has; the rest stays."""
    for status in ("done", "dead", "queued", "running"):
        came.put(status, status, age=31 * DAY)
    came.put("young", age=29 * DAY)
    assert came.run("purge", "--older-than", "30d").stdout == "2 purged\n"
    assert {each.id for each in came.store.find()} == {"queued", "running", "young"}


def test_a_purge_goes_on_until_nothing_is_left(came: Came) -> None:
    """A purge goes on until nothing is left to drop."""
    for number in range(1203):
        came.put(f"evt_{number}", age=5 * DAY)
    assert came.run("purge", "--older-than", "4d").stdout == "1203 purged\n"


def test_a_young_event_is_purged_after_a_question_only(came: Came) -> None:
    """What the sender may still send again is dropped after a question only, or with --yes."""
    came.put("evt_1", age=2 * DAY)
    ran = came.run("purge", "--older-than", "71h", answer="n\n", status=1)
    assert "up to 72 h" in ran.stderr
    came.run("purge", "--older-than", "1d", answer="n\n", status=1)
    assert left(came) == 1
    assert came.run("purge", "--older-than", "1d", answer="y\n").stdout == "1 purged\n"
    came.put("evt_1", age=2 * DAY)
    assert came.run("purge", "--older-than", "1d", "--yes").stdout == "1 purged\n"
    assert came.run("purge", "--older-than", "72h").output == "0 purged\n"


def test_without_an_age_nothing_is_purged(came: Came) -> None:
    """Without an age nothing is purged."""
    assert "--older-than" in came.run("purge", status=2).stderr
