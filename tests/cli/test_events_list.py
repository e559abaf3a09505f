"""`events list`: which events are listed, in which order, and how they look."""

import io
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.cli.stored_events import REASON, SECRET, StoredEvents

from coffrify_webhooks import Event, Receiver, Router, sign
from coffrify_webhooks.cli.events import events
from coffrify_webhooks.cli.source import Source

HOUR, DAY = 3600, 86_400


@pytest.fixture(params=["memory", "sqlite"])
def stored_events(request, tmp_path: Path):
    stored_events = StoredEvents(tmp_path / "store.db" if request.param == "sqlite" else None)
    yield stored_events
    stored_events.store.close()


def handle(event: Event) -> None:
    """Is a handler, as a replay needs one."""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def ids(stored_events: StoredEvents, *arguments: object) -> list[str]:
    """The ids that `list` gives, in its order."""
    ran = stored_events.run("list", "--json", *arguments)
    return [json.loads(line)["id"] for line in ran.stdout.splitlines()]


def test_the_table_has_a_line_for_each_event(stored_events: StoredEvents) -> None:
    """The table has a line for each event, the one that changed last first."""
    stored_events.put("evt_1", "failed", age=3 * HOUR)
    stored_events.put("evt_2", "done", age=2 * DAY, type_="transfer.deleted")
    stored_events.put("evt_3", "claimed", age=5 * 60 + 30)
    assert [line.split() for line in stored_events.run("list").stdout.splitlines()] == [
        ["STATUS", "CHANGED", "TRIES", "ID", "TYPE", "ERROR"],
        ["claimed", "5", "min", "ago", "1", "evt_3", "transfer.created"],
        ["failed", "3", "h", "ago", "1", "evt_1", "transfer.created", *REASON.split()],
        ["done", "2", "d", "ago", "1", "evt_2", "transfer.deleted"],
    ]


def test_events_that_a_handler_has_finished_are_found(stored_events: StoredEvents) -> None:
    """As a receiver stores them: once all of them are done, no list of the finished is kept."""
    router = Router()
    router.on("ping", name="shop:announce")(handle)
    router.on("ping", name="shop:count")(handle)
    receiver = Receiver(SECRET, router=router, store=stored_events.store)
    body = b'{"id": "evt_1", "type": "ping"}'
    assert receiver.receive(body, sign(body, SECRET)).outcome == "handled"
    for name, found in {"shop:announce": ["evt_1"], "shop:count": ["evt_1"], "shop": []}.items():
        assert ids(stored_events, "--handler", name) == found


def test_each_column_begins_at_one_place(stored_events: StoredEvents) -> None:
    """Each column begins at one place, whatever is in it."""
    stored_events.put("evt_1")
    stored_events.put("a-much-longer-id", "conflict")
    lines = stored_events.run("list").stdout.splitlines()
    assert len({line.index("TYPE" if n == 0 else "transfer.") for n, line in enumerate(lines)}) == 1


def test_several_receivers_make_a_column(stored_events: StoredEvents) -> None:
    """The receiver is a column where there are several."""
    stored_events.put("evt_1")
    assert "RECEIVER" not in stored_events.run("list").stdout
    stored_events.put("evt_1", receiver="other")
    ran = stored_events.run("list")
    assert "RECEIVER" in ran.stdout
    assert {line.split()[-1] for line in ran.stdout.splitlines()[1:]} == {"default", "other"}


def test_the_bare_command_lists_the_events(stored_events: StoredEvents) -> None:
    """`events` alone lists, and takes the options of `list`."""
    stored_events.put("evt_1", "dead")
    stored_events.put("evt_2", "done")
    assert stored_events.run().stdout == stored_events.run("list").stdout
    assert (
        stored_events.run("--status", "dead").stdout
        == stored_events.run("list", "--status", "dead").stdout
    )
    assert "replay" in stored_events.run("--help").stdout


def test_several_statuses_add_up(stored_events: StoredEvents) -> None:
    """Statuses add up."""
    for status in ("done", "failed", "dead", "conflict", "queued", "running", "claimed"):
        stored_events.put(status, status)
    assert ids(stored_events, "--status", "dead") == ["dead"]
    assert sorted(ids(stored_events, "--status", "running", "--status", "failed")) == [
        "failed",
        "running",
    ]
    assert "'gone' is not one of" in stored_events.run("list", "--status", "gone", status=2).stderr


def test_a_type_is_exact_or_ends_in_a_star(stored_events: StoredEvents) -> None:
    """A type is exact, or the beginning of one before a star."""
    for type_ in ("transfer.created", "transfer.e2e_created", "transferred", "ping"):
        stored_events.put(type_, type_=type_)
    assert ids(stored_events, "--type", "transfer.created") == ["transfer.created"]
    assert sorted(ids(stored_events, "--type", "transfer.*")) == [
        "transfer.created",
        "transfer.e2e_created",
    ]
    assert len(ids(stored_events, "--type", "*")) == 4


def test_a_star_elsewhere_is_refused(stored_events: StoredEvents) -> None:
    """A star that is not at the end is refused rather than matching nothing."""
    assert "transfer.*" in stored_events.run("list", "--type", "*.created", status=2).stderr


def test_an_age_is_that_of_the_last_change(stored_events: StoredEvents) -> None:
    """Ages are those of the last change, in seconds to weeks."""
    for name, age in (("10s", 10), ("10m", 600), ("3h", 3 * HOUR), ("2d", 2 * DAY)):
        stored_events.put(name, age=age)
    assert ids(stored_events, "--older-than", "5m") == ["10m", "3h", "2d"]
    assert ids(stored_events, "--older-than", "1d") == ["2d"]
    assert ids(stored_events, "--newer-than", "1h") == ["10s", "10m"]
    assert ids(stored_events, "--older-than", "9s", "--newer-than", "30s") == ["10s"]
    assert ids(stored_events, "--newer-than", "1w") == ["10s", "10m", "3h", "2d"]


@pytest.mark.parametrize("text", ["10", "m", "-1m", "1.5h", "1y", "\u0661m", "10 m", "9999999999s"])
def test_an_age_that_is_no_duration_is_refused(stored_events: StoredEvents, text: str) -> None:
    """What is no duration is refused with the forms that are."""
    told = stored_events.run("list", "--older-than", text, status=2).stderr
    assert "'--older-than'" in told
    assert "write 30s, 10m, 3h, 2d or 4w" in told


def test_the_receiver_option_lists_its_events(stored_events: StoredEvents) -> None:
    """--receiver lists the events of one."""
    stored_events.put("evt_1")
    stored_events.put("evt_2", receiver="other")
    assert ids(stored_events, "--receiver", "other") == ["evt_2"]


def test_what_the_limit_leaves_out_is_reported(stored_events: StoredEvents) -> None:
    """What the limit leaves out is told on stderr, and only then."""
    for number in range(3):
        stored_events.put(f"evt_{number}", age=number)
    ran = stored_events.run("list", "--limit", 2)
    assert len(ran.stdout.splitlines()) == 3
    assert ran.stderr == "there are more than 2: --limit\n"
    assert stored_events.run("list", "--limit", 3).stderr == ""
    assert (
        stored_events.run("list", "--json", "--limit", 2).stderr
        == "there are more than 2: --limit\n"
    )
    stored_events.run("list", "--limit", 0, status=2)


def test_fifty_events_are_listed_by_default(stored_events: StoredEvents) -> None:
    """Fifty are listed unless told."""
    for number in range(51):
        stored_events.put(f"evt_{number}")
    ran = stored_events.run("list")
    assert len(ran.stdout.splitlines()) == 51
    assert "more than 50" in ran.stderr


def test_several_pages_list_each_event_once(stored_events: StoredEvents) -> None:
    """More than a page is listed whole, each event once."""
    names = [f"evt_{number}" for number in range(1001)]
    for number, name in enumerate(names):
        stored_events.put(name, age=number // 3)
    assert sorted(ids(stored_events, "--limit", 5000)) == sorted(names)
    assert len(ids(stored_events, "--limit", 1000)) == 1000


def test_a_line_of_json_has_each_field(stored_events: StoredEvents) -> None:
    """A line of JSON has each field under its stable name, times in ISO 8601 and UTC."""
    key = stored_events.put("evt_1", "failed", finished="shop:count")
    record = stored_events.store.get(key)
    assert record is not None
    (line,) = stored_events.run("list", "--json").stdout.splitlines()
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


def test_json_of_held(stored_events: StoredEvents) -> None:
    """The end of a lease is a time; no error is null; a damaged delivery is empty."""
    key = stored_events.put("evt_1", "claimed")
    stored_events.store.forget(key)
    stored_events.store.claim(key, "0" * 64, 60)
    found = json.loads(stored_events.run("list", "--json").stdout)
    assert datetime.fromisoformat(found["lease_until"]) > datetime.now(UTC)
    assert found["error"] is None
    assert found["delivery"] == {}


def test_the_list_shows_no_payload(stored_events: StoredEvents) -> None:
    """Neither the table nor the JSON has anything of a body."""
    stored_events.put("evt_1", "dead", body=b'{"id": "evt_1", "type": "x", "data": "confidential"}')
    for arguments in (["list"], ["list", "--json"], ["show", "evt_1"], ["show", "evt_1", "--json"]):
        assert "confidential" not in stored_events.run(*arguments).output


def test_what_could_steer_a_terminal_is_escaped(stored_events: StoredEvents) -> None:
    """What could steer a terminal is shown escaped, also if a store did not see to it."""
    stored_events.put("evt\x1b[2J\n1", type_="x\r\u202ey")
    for arguments in (["list"], ["list", "--json"], ["show", stored_events.put("evt\x1b[2J\n1")]):
        assert all(c.isprintable() or c == "\n" for c in stored_events.run(*arguments).stdout)
    assert len(stored_events.run("list").stdout.splitlines()) == 2


@pytest.mark.parametrize("columns", [80, 40])
def test_a_narrow_terminal_cuts_the_lines(
    stored_events: StoredEvents, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    """On a narrow terminal lines are cut at its edge, and ids are whole at 80 columns."""
    monkeypatch.setenv("COLUMNS", str(columns))
    name = "evt_01HZX3S9V5T4QK8M2N7P6R0WYB"
    stored_events.put(name, "failed", type_="workspace.usage_limit_reached")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    events.main([], obj=Source(stored_events.store, None), standalone_mode=False)
    lines = terminal.getvalue().splitlines()
    assert max(map(len, lines)) == columns
    assert lines[1].endswith("...")
    assert (name in lines[1]) == (columns == 80)


def test_lines_into_a_pipe_are_whole(
    stored_events: StoredEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What goes into a pipe is whole, however narrow the terminal."""
    monkeypatch.setenv("COLUMNS", "40")
    stored_events.put("evt_1", "failed")
    assert REASON in stored_events.run("list").stdout


def test_a_long_id_moves_its_own_line_only(stored_events: StoredEvents) -> None:
    """One very long id pushes its own line along, and not the others."""
    stored_events.put("evt_1")
    stored_events.put("e" * 255)
    short = stored_events.run("list").stdout.splitlines()[2]
    assert len(short) < 120


@pytest.mark.parametrize(
    ("given", "near"),
    [
        ("transfer.creatd", "did you mean transfer.created"),
        ("transfr.*", "did you mean transfer.*"),
        ("transfer.deleted", ""),
        ("transfer.*", ""),
        ("shop.opened", ""),
    ],
)
@pytest.mark.parametrize("command", ["list", "replay"])
def test_a_misspelt_type_is_answered_by_the_nearest(
    stored_events: StoredEvents, command: str, given: str, near: str
) -> None:
    """Only where no event is of it: a store may have types that no catalog has."""
    router = Router()
    router.on("ping")(handle)
    ran = stored_events.run(command, "--type", given, router=router)
    assert "no " in ran.stderr
    assert ("did you mean" in ran.stderr) is bool(near)
    assert near in ran.stderr


def test_an_empty_list_is_no_error(stored_events: StoredEvents) -> None:
    """No events is told on stderr, and is no error."""
    ran = stored_events.run("list")
    assert (ran.stdout, ran.stderr) == ("", "no events\n")
    ran = stored_events.run("list", "--json")
    assert ran.output == ""
