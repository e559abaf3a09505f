"""`events list`: which events are listed, in which order, and how they look."""

import io
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.cli.came import REASON, Came

from coffrify_webhooks.cli.events import events
from coffrify_webhooks.cli.source import Source

HOUR, DAY = 3600, 86_400


@pytest.fixture(params=["memory", "sqlite"])
def came(request, tmp_path: Path):
    came = Came(tmp_path / "store.db" if request.param == "sqlite" else None)
    yield came
    came.store.close()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def ids(came: Came, *arguments: object) -> list[str]:
    """The ids that `list` gives, in its order."""
    ran = came.run("list", "--json", *arguments)
    return [json.loads(line)["id"] for line in ran.stdout.splitlines()]


def test_the_table_has_a_line_for_each_event(came: Came) -> None:
    """The table has a line for each event, the one that changed last first."""
    came.put("evt_1", "failed", age=3 * HOUR)
    came.put("evt_2", "done", age=2 * DAY, type_="transfer.deleted")
    came.put("evt_3", "claimed", age=5 * 60 + 30)
    assert [line.split() for line in came.run("list").stdout.splitlines()] == [
        ["STATUS", "CHANGED", "TRIES", "ID", "TYPE", "ERROR"],
        ["claimed", "5", "min", "ago", "1", "evt_3", "transfer.created"],
        ["failed", "3", "h", "ago", "1", "evt_1", "transfer.created", *REASON.split()],
        ["done", "2", "d", "ago", "1", "evt_2", "transfer.deleted"],
    ]


def test_each_column_begins_at_one_place(came: Came) -> None:
    """Each column begins at one place, whatever is in it."""
    came.put("evt_1")
    came.put("a-much-longer-id", "conflict")
    lines = came.run("list").stdout.splitlines()
    assert len({line.index("TYPE" if n == 0 else "transfer.") for n, line in enumerate(lines)}) == 1


def test_several_receivers_make_a_column(came: Came) -> None:
    """The receiver is a column where there are several."""
    came.put("evt_1")
    assert "RECEIVER" not in came.run("list").stdout
    came.put("evt_1", receiver="other")
    ran = came.run("list")
    assert "RECEIVER" in ran.stdout
    assert {line.split()[-1] for line in ran.stdout.splitlines()[1:]} == {"default", "other"}


def test_the_bare_command_lists_the_events(came: Came) -> None:
    """`events` alone lists, and takes the options of `list`."""
    came.put("evt_1", "dead")
    came.put("evt_2", "done")
    assert came.run().stdout == came.run("list").stdout
    assert came.run("--status", "dead").stdout == came.run("list", "--status", "dead").stdout
    assert "replay" in came.run("--help").stdout


def test_several_statuses_add_up(came: Came) -> None:
    """Statuses add up."""
    for status in ("done", "failed", "dead", "conflict", "queued", "running", "claimed"):
        came.put(status, status)
    assert ids(came, "--status", "dead") == ["dead"]
    assert sorted(ids(came, "--status", "running", "--status", "failed")) == ["failed", "running"]
    assert "'gone' is not one of" in came.run("list", "--status", "gone", status=2).stderr


def test_a_type_is_exact_or_ends_in_a_star(came: Came) -> None:
    """A type is exact, or the beginning of one before a star."""
    for type_ in ("transfer.created", "transfer.e2e_created", "transferred", "ping"):
        came.put(type_, type_=type_)
    assert ids(came, "--type", "transfer.created") == ["transfer.created"]
    assert sorted(ids(came, "--type", "transfer.*")) == ["transfer.created", "transfer.e2e_created"]
    assert len(ids(came, "--type", "*")) == 4


def test_a_star_elsewhere_is_refused(came: Came) -> None:
    """A star that is not at the end is refused rather than matching nothing."""
    assert "transfer.*" in came.run("list", "--type", "*.created", status=2).stderr


def test_an_age_is_that_of_the_last_change(came: Came) -> None:
    """Ages are those of the last change, in seconds to weeks."""
    for name, age in (("10s", 10), ("10m", 600), ("3h", 3 * HOUR), ("2d", 2 * DAY)):
        came.put(name, age=age)
    assert ids(came, "--older-than", "5m") == ["10m", "3h", "2d"]
    assert ids(came, "--older-than", "1d") == ["2d"]
    assert ids(came, "--newer-than", "1h") == ["10s", "10m"]
    assert ids(came, "--older-than", "9s", "--newer-than", "30s") == ["10s"]
    assert ids(came, "--newer-than", "1w") == ["10s", "10m", "3h", "2d"]


@pytest.mark.parametrize("text", ["10", "m", "-1m", "1.5h", "1y", "\u0661m", "10 m", "9999999999s"])
def test_an_age_that_is_no_duration_is_refused(came: Came, text: str) -> None:
    """What is no duration is refused with the forms that are."""
    told = came.run("list", "--older-than", text, status=2).stderr
    assert "'--older-than'" in told
    assert "write 30s, 10m, 3h, 2d or 4w" in told


def test_the_receiver_option_lists_its_events(came: Came) -> None:
    """--receiver lists the events of one."""
    came.put("evt_1")
    came.put("evt_2", receiver="other")
    assert ids(came, "--receiver", "other") == ["evt_2"]


def test_what_the_limit_leaves_out_is_reported(came: Came) -> None:
    """What the limit leaves out is told on stderr, and only then."""
    for number in range(3):
        came.put(f"evt_{number}", age=number)
    ran = came.run("list", "--limit", 2)
    assert len(ran.stdout.splitlines()) == 3
    assert ran.stderr == "there are more than 2: --limit\n"
    assert came.run("list", "--limit", 3).stderr == ""
    assert came.run("list", "--json", "--limit", 2).stderr == "there are more than 2: --limit\n"
    came.run("list", "--limit", 0, status=2)


def test_fifty_events_are_listed_by_default(came: Came) -> None:
    """Fifty are listed unless told."""
    for number in range(51):
        came.put(f"evt_{number}")
    ran = came.run("list")
    assert len(ran.stdout.splitlines()) == 51
    assert "more than 50" in ran.stderr


def test_several_pages_list_each_event_once(came: Came) -> None:
    """More than a page is listed whole, each event once."""
    names = [f"evt_{number}" for number in range(1001)]
    for number, name in enumerate(names):
        came.put(name, age=number // 3)
    assert sorted(ids(came, "--limit", 5000)) == sorted(names)
    assert len(ids(came, "--limit", 1000)) == 1000


def test_a_line_of_json_has_each_field(came: Came) -> None:
    """A line of JSON has each field under its stable name, times in ISO 8601 and UTC."""
    key = came.put("evt_1", "failed", finished="shop:count")
    record = came.store.get(key)
    assert record is not None
    (line,) = came.run("list", "--json").stdout.splitlines()
    found = json.loads(line)
    times = {name: found.pop(name) for name in ("received_at", "touched_at")}
    assert found == {
        "id": "evt_1",
        "type": "transfer.created",
        "receiver": "default",
        "status": "failed",
        "attempts": 1,
        "lease_until": None,
        "finished": ["shop:count"],
        "error": REASON,
        "delivery": {
            "id": "evt_1",
            "timestamp": 1_700_000_000,
            "scheme": "standard",
            "key": 0,
            "encoding": "hex",
            "test": False,
        },
        "digest": record.digest,
        "key": key,
    }
    assert all(text.endswith("Z") for text in times.values())
    read = datetime.fromisoformat(times["received_at"])
    assert read.tzinfo == UTC
    assert abs(read.timestamp() - record.received_at) < 0.002


def test_json_of_held(came: Came) -> None:
    """The end of a lease is a time; no error is null; a damaged delivery is empty."""
    key = came.put("evt_1", "claimed")
    came.store.forget(key)
    came.store.claim(key, "0" * 64, 60)
    found = json.loads(came.run("list", "--json").stdout)
    assert datetime.fromisoformat(found["lease_until"]) > datetime.now(UTC)
    assert found["error"] is None
    assert found["delivery"] == {}


def test_the_list_shows_no_payload(came: Came) -> None:
    """Neither the table nor the JSON has anything of a body."""
    came.put("evt_1", "dead", body=b'{"id": "evt_1", "type": "x", "data": "confidential"}')
    for arguments in (["list"], ["list", "--json"], ["show", "evt_1"], ["show", "evt_1", "--json"]):
        assert "confidential" not in came.run(*arguments).output


def test_what_could_steer_a_terminal_is_escaped(came: Came) -> None:
    """What could steer a terminal is shown escaped, also if a store did not see to it."""
    came.put("evt\x1b[2J\n1", type_="x\r\u202ey")
    for arguments in (["list"], ["list", "--json"], ["show", came.put("evt\x1b[2J\n1")]):
        assert all(c.isprintable() or c == "\n" for c in came.run(*arguments).stdout)
    assert len(came.run("list").stdout.splitlines()) == 2


@pytest.mark.parametrize("columns", [80, 40])
def test_a_narrow_terminal_cuts_the_lines(
    came: Came, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    """On a narrow terminal lines are cut at its edge, and ids are whole at 80 columns."""
    monkeypatch.setenv("COLUMNS", str(columns))
    name = "evt_01HZX3S9V5T4QK8M2N7P6R0WYB"
    came.put(name, "failed", type_="workspace.usage_limit_reached")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    events.main([], obj=Source(came.store, None), standalone_mode=False)
    lines = terminal.getvalue().splitlines()
    assert max(map(len, lines)) == columns
    assert lines[1].endswith("...")
    assert (name in lines[1]) == (columns == 80)


def test_lines_into_a_pipe_are_whole(came: Came, monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes into a pipe is whole, however narrow the terminal."""
    monkeypatch.setenv("COLUMNS", "40")
    came.put("evt_1", "failed")
    assert REASON in came.run("list").stdout


def test_a_long_id_moves_its_own_line_only(came: Came) -> None:
    """One very long id pushes its own line along, and not the others."""
    came.put("evt_1")
    came.put("e" * 255)
    short = came.run("list").stdout.splitlines()[2]
    assert len(short) < 120


def test_an_empty_list_is_no_error(came: Came) -> None:
    """No events is told on stderr, and is no error."""
    ran = came.run("list")
    assert (ran.stdout, ran.stderr) == ("", "no events\n")
    ran = came.run("list", "--json")
    assert ran.output == ""
