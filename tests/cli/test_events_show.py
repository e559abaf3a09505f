"""`events show` and `events stats`: one event with all that is known of it, and the counts."""

import json
from pathlib import Path

import pytest
from tests.cli.came import REASON, Came


@pytest.fixture(params=["memory", "sqlite"])
def came(request, tmp_path: Path):
    came = Came(tmp_path / "store.db" if request.param == "sqlite" else None)
    yield came
    came.store.close()


def lines(came: Came, *arguments: object) -> list[str]:
    return came.run("show", *arguments).stdout.splitlines()


# --- show ---


def test_everything_is_shown_but_the_body(came: Came) -> None:
    """Everything is there but the body."""
    key = came.put("evt_1", "failed", age=7200, finished="shop:count", body=b"12345")
    record = came.store.get(key)
    assert record is not None
    shown = lines(came, "evt_1")
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


def test_a_claim_shows_how_long_it_is_held(came: Came) -> None:
    """A claim says how long it is held, or that its holder has stopped."""
    came.put("evt_1", "claimed")
    assert any("held for" in line for line in lines(came, "evt_1"))
    came.put("evt_2", "claimed", age=120)
    assert any("ended 1 min ago" in line for line in lines(came, "evt_2"))


def test_a_dropped_body_is_said_to_be(came: Came) -> None:
    """A body that was dropped is said to be."""
    came.put("evt_1", "done")
    assert "  body      not kept" in lines(came, "evt_1")


def test_every_record_of_an_id_is_shown(came: Came) -> None:
    """All records of an id are shown: of each receiver, and each body in conflict."""
    keys = {came.put("evt_1"), came.put("evt_1", receiver="b"), came.put("evt_1", "conflict")}
    came.put("evt_2")
    shown = came.run("show", "evt_1").stdout
    assert {line.split()[1] for line in shown.splitlines() if line.startswith("  key")} == keys
    assert shown.count("\n\nevt_1\n") == 2


@pytest.mark.parametrize("digits", [8, 20, 64])
def test_a_key_or_its_beginning_is_one_record(came: Came, digits: int) -> None:
    """A key, or 8 and more digits of its beginning, is one record; case does not matter."""
    came.put("evt_1")
    key = came.put("evt_1", "conflict")
    assert lines(came, key[:digits].upper())[-1] == f"  key       {key}"


def test_fewer_than_eight_digits_are_no_key(came: Came) -> None:
    """Fewer digits than 8 are no key."""
    key = came.put("evt_1")
    came.run("show", key[:7], status=1)


def test_a_beginning_of_several_keys_is_refused(came: Came) -> None:
    """A beginning that several keys have is refused."""
    for end in ("01", "02"):
        came.store.claim("a" * 62 + end, "0" * 64, 60)
    assert "2 keys begin with" in came.run("show", "aaaaaaaa", status=1).stderr


def test_id_like_key(came: Came) -> None:
    """What is an id is not taken for a key."""
    key = came.put("evt_1")
    came.put(key[:8])
    assert lines(came, key[:8])[0] == key[:8]


def test_an_unknown_id_exits_with_one_line(came: Came) -> None:
    """An unknown id exits 1 with one line that shows no control character."""
    ran = came.run("show", "evt\x1b_9", status=1)
    assert ran.stdout == ""
    (line,) = ran.stderr.splitlines()
    assert line.startswith("Error: the store has no event evt\\x1b_9; ")


def test_an_id_is_found_escaped_or_not(came: Came) -> None:
    """An id is found by what arrived, and by how it is shown."""
    came.store.claim("b" * 64, "0" * 64, 60)
    key = came.put("evt\x1b_1")
    assert lines(came, "evt\x1b_1")[-1].endswith(key)
    assert lines(came, "evt\\x1b_1")[-1].endswith(key)


def test_the_body_is_written_as_it_arrived(came: Came) -> None:
    """--body writes the bytes as they arrived, and nothing else."""
    came.put("evt_1", "dead", body=b"\xff\x00\r\n{}")
    ran = came.run("show", "evt_1", "--body")
    assert ran.stdout_bytes == b"\xff\x00\r\n{}"
    assert ran.stderr == ""


def test_without_a_body_the_option_exits_1(came: Came) -> None:
    """Without a body --body exits 1."""
    came.put("evt_1")
    ran = came.run("show", "evt_1", "--body", status=1)
    assert "no body is kept" in ran.stderr


def test_of_several_bodies_one_is_named_by_key(came: Came) -> None:
    """Of several bodies one is to be named by its key; a record without one does not count."""
    came.put("evt_1")
    first = came.put("evt_1", "conflict", body=b"one")
    assert came.run("show", "evt_1", "--body").stdout == "one"
    second = came.put("evt_1", "conflict", body=b"two")
    told = came.run("show", "evt_1", "--body", status=1).stderr
    assert first[:12] in told
    assert second[:12] in told
    assert came.run("show", second[:12], "--body").stdout == "two"


def test_the_json_has_the_fields_and_the_size(came: Came) -> None:
    """--json has the fields of the list, and the size of the body."""
    came.put("evt_1")
    came.put("evt_1", "conflict", body=b"123")
    listed = [json.loads(line) for line in came.run("list", "--json").stdout.splitlines()]
    found = [json.loads(line) for line in lines(came, "evt_1", "--json")]
    assert sorted(each.pop("body_bytes") or 0 for each in found) == [0, 3]
    assert found == listed


def test_body_as_json(came: Came) -> None:
    """--body and --json do not go together."""
    came.put("evt_1", "dead")
    assert came.run("show", "evt_1", "--body", "--json", status=2).stdout == ""


# --- stats ---


def test_the_stats_count_every_status(came: Came) -> None:
    """Every status is counted, those too that no event has, and the total."""
    came.put("evt_1", "dead")
    came.put("evt_2", "dead")
    came.put("evt_3")
    counts = dict(line.split() for line in came.run("stats").stdout.splitlines())
    assert list(counts) == [
        *("STATUS", "claimed", "queued", "running", "done", "failed", "dead", "conflict", "total")
    ]
    assert (counts["dead"], counts["done"], counts["failed"], counts["total"]) == tuple("2103")


def test_the_stats_as_json_have_every_status(came: Came) -> None:
    """--json is one object with every status."""
    came.put("evt_1", "conflict")
    assert json.loads(came.run("stats", "--json").stdout) == {
        **dict.fromkeys(("claimed", "queued", "running", "done", "failed", "dead"), 0),
        "conflict": 1,
    }
