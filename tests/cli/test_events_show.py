"""`events show` and `events stats`: one event with all that is known of it, and the counts."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.stored_events import REASON, SECRET, StoredEvents

from coffrify_webhooks import Receiver, Router, sign
from coffrify_webhooks.stores import Status


@pytest.fixture(params=["memory", "sqlite"])
def stored_events(request, tmp_path: Path):
    stored_events = StoredEvents(tmp_path / "store.db" if request.param == "sqlite" else None)
    yield stored_events
    stored_events.store.close()


def lines(stored_events: StoredEvents, *arguments: object) -> list[str]:
    return stored_events.run("show", *arguments).stdout.splitlines()


# --- show ---


def test_everything_is_shown_but_the_body(stored_events: StoredEvents) -> None:
    """Everything is there but the body."""
    key = stored_events.put("evt_1", "failed", age=7200, finished="shop:count", body=b"12345")
    record = stored_events.store.get(key)
    assert record is not None
    shown = lines(stored_events, "evt_1")
    assert shown[0] == "evt_1"
    facts = dict(line.strip().split(maxsplit=1) for line in shown[1:])
    assert facts.pop("status").startswith("failed, since 20")
    assert facts.pop("received").endswith("Z (2 h ago)")
    assert facts == {
        "type": "transfer.created",
        "attempts": "1",
        "finished": "shop:count",
        "error": REASON,
        "receiver": "default",
        "delivery": "standard signature, key 0, encoding hex, signed 2023-11-14T22:13:20.000Z",
        "body": "5 bytes kept",
        "digest": record.digest,
        "key": key,
    }


def test_a_claim_shows_how_long_it_is_held(stored_events: StoredEvents) -> None:
    """A claim says how long it is held, or that its holder has stopped."""
    stored_events.put("evt_1", "claimed")
    assert any("held for" in line for line in lines(stored_events, "evt_1"))
    stored_events.put("evt_2", "claimed", age=120)
    assert any("ended 1 min ago" in line for line in lines(stored_events, "evt_2"))


def test_the_handlers_of_an_event_that_is_done_are_shown(stored_events: StoredEvents) -> None:
    """Stores drop the checkpoints of such an event: all that wanted it have finished."""
    router, body = Router(), b'{"id": "evt_1", "type": "ping"}'
    for name in ("shop:count", "shop:tell"):
        router.on("ping", name=name)(lambda event: None)
    receiver = Receiver(SECRET, router=router, store=stored_events.store)
    assert receiver.receive(body, sign(body, SECRET)).outcome == "handled"
    assert "  finished  shop:count, shop:tell" in lines(stored_events, "evt_1")
    shown = stored_events.run("show", "evt_1", "--json").stdout
    assert json.loads(shown)["finished"] == ["shop:count", "shop:tell"]


def test_a_dropped_body_is_said_to_be(stored_events: StoredEvents) -> None:
    """A body that was dropped is said to be."""
    stored_events.put("evt_1", "done")
    assert "  body      not kept" in lines(stored_events, "evt_1")


def test_every_record_of_an_id_is_shown(stored_events: StoredEvents) -> None:
    """All records of an id are shown: of each receiver, and each body in conflict."""
    keys = {
        stored_events.put("evt_1"),
        stored_events.put("evt_1", receiver="b"),
        stored_events.put("evt_1", "conflict"),
    }
    stored_events.put("evt_2")
    shown = stored_events.run("show", "evt_1").stdout
    assert {line.split()[1] for line in shown.splitlines() if line.startswith("  key")} == keys
    assert shown.count("\n\nevt_1\n") == 2


@pytest.mark.parametrize("digits", [8, 20, 64])
def test_a_key_or_its_beginning_is_one_record(stored_events: StoredEvents, digits: int) -> None:
    """A key, or 8 and more digits of its beginning, is one record; case does not matter."""
    stored_events.put("evt_1")
    key = stored_events.put("evt_1", "conflict")
    assert lines(stored_events, key[:digits].upper())[-1] == f"  key       {key}"


def test_fewer_than_eight_digits_are_no_key(stored_events: StoredEvents) -> None:
    """Fewer digits than 8 are no key."""
    key = stored_events.put("evt_1")
    stored_events.run("show", key[:7], status=1)


def test_a_beginning_of_several_keys_is_refused(stored_events: StoredEvents) -> None:
    """A beginning that several keys have is refused."""
    for end in ("01", "02"):
        stored_events.store.claim("a" * 62 + end, "0" * 64, 60)
    assert "2 keys begin with" in stored_events.run("show", "aaaaaaaa", status=1).stderr


def test_id_like_key(stored_events: StoredEvents) -> None:
    """What is an id is not taken for a key."""
    key = stored_events.put("evt_1")
    stored_events.put(key[:8])
    assert lines(stored_events, key[:8])[0] == key[:8]


def test_an_unknown_id_exits_with_one_line(stored_events: StoredEvents) -> None:
    """An unknown id exits 1 with one line that shows no control character."""
    ran = stored_events.run("show", "evt\x1b_9", status=1)
    assert ran.stdout == ""
    (line,) = ran.stderr.splitlines()
    assert line.startswith("Error: the store has no event evt\\x1b_9; ")


def test_an_id_is_found_escaped_or_not(stored_events: StoredEvents) -> None:
    """An id is found by what arrived, and by how it is shown."""
    stored_events.store.claim("b" * 64, "0" * 64, 60)
    key = stored_events.put("evt\x1b_1")
    assert lines(stored_events, "evt\x1b_1")[-1].endswith(key)
    assert lines(stored_events, "evt\\x1b_1")[-1].endswith(key)


def test_the_body_is_written_as_it_arrived(stored_events: StoredEvents) -> None:
    """--body writes the bytes as they arrived, and nothing else."""
    stored_events.put("evt_1", "dead", body=b"\xff\x00\r\n{}")
    ran = stored_events.run("show", "evt_1", "--body")
    assert ran.stdout_bytes == b"\xff\x00\r\n{}"
    assert ran.stderr == ""


def test_without_a_body_the_option_exits_1(stored_events: StoredEvents) -> None:
    """Without a body --body exits 1."""
    stored_events.put("evt_1")
    ran = stored_events.run("show", "evt_1", "--body", status=1)
    assert "no body is kept" in ran.stderr


def test_of_several_bodies_one_is_named_by_key(stored_events: StoredEvents) -> None:
    """Of several bodies one is to be named by its key; a record without one does not count."""
    stored_events.put("evt_1")
    first = stored_events.put("evt_1", "conflict", body=b"one")
    assert stored_events.run("show", "evt_1", "--body").stdout == "one"
    second = stored_events.put("evt_1", "conflict", body=b"two")
    told = stored_events.run("show", "evt_1", "--body", status=1).stderr
    assert first[:12] in told
    assert second[:12] in told
    assert stored_events.run("show", second[:12], "--body").stdout == "two"


def test_the_json_has_the_fields_and_the_size(stored_events: StoredEvents) -> None:
    """--json has the fields of the list, and the size of the body."""
    stored_events.put("evt_1")
    stored_events.put("evt_1", "conflict", body=b"123")
    listed = [json.loads(line) for line in stored_events.run("list", "--json").stdout.splitlines()]
    found = [json.loads(line) for line in lines(stored_events, "evt_1", "--json")]
    assert sorted(each.pop("body_bytes") or 0 for each in found) == [0, 3]
    assert found == listed


def test_body_as_json(stored_events: StoredEvents) -> None:
    """--body and --json do not go together."""
    stored_events.put("evt_1", "dead")
    assert stored_events.run("show", "evt_1", "--body", "--json", status=2).stdout == ""


# --- stats ---


def test_the_stats_count_every_status(stored_events: StoredEvents) -> None:
    """Every status is counted, those too that no event has, and the total."""
    stored_events.put("evt_1", "dead")
    stored_events.put("evt_2", "dead")
    stored_events.put("evt_3")
    counts = dict(line.split() for line in stored_events.run("stats").stdout.splitlines())
    assert list(counts) == [
        *("STATUS", "claimed", "queued", "running", "done", "failed", "dead", "conflict", "total")
    ]
    assert (counts["dead"], counts["done"], counts["failed"], counts["total"]) == tuple("2103")


def test_the_stats_as_json_have_every_status(stored_events: StoredEvents) -> None:
    """--json is one object with every status."""
    stored_events.put("evt_1", "conflict")
    assert json.loads(stored_events.run("stats", "--json").stdout) == {
        **dict.fromkeys(("claimed", "queued", "running", "done", "failed", "dead"), 0),
        "conflict": 1,
    }


@pytest.mark.parametrize(
    ("status", "age", "options", "says"),
    [
        ("queued", 7 * 3600, ("--fail-if-older", "6h"), "waiting for more than 6 h"),
        ("failed", 7 * 3600, ("--fail-if-older", "6h"), "waiting for more than 6 h"),
        ("queued", 5 * 3600, ("--fail-if-older", "6h"), ""),
        ("done", 7 * 3600, ("--fail-if-older", "6h"), ""),
        ("dead", 0, ("--fail-if-dead",), "dead letters: 1"),
        ("done", 0, ("--fail-if-dead",), ""),
        ("done", 7 * 3600, ("--fail-if-silent", "6h"), "no event has arrived for 7 h"),
        ("done", 5 * 3600, ("--fail-if-silent", "6h"), ""),
        (None, 0, ("--fail-if-silent", "6h"), "no event is known"),
    ],
)
def test_the_stats_fail_for_a_monitor_that_asks(
    stored_events: StoredEvents, status: Status | None, age: float, options: Any, says: str
) -> None:
    """With 1 and the reason, beside the counts; 0 where all is well."""
    if status is not None:
        stored_events.put("evt_1", status, age=age)
    ran = stored_events.run("stats", "--json", *options, status=1 if says else 0)
    assert json.loads(ran.stdout)
    assert says in ran.stderr
    assert bool(says) == bool(ran.stderr)
