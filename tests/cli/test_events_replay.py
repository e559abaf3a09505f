"""`events replay`: which events run again, what is told of each, and how the run ends."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.cli.stored_events import SECRET, StoredEvents

from coffrify_webhooks import Event, Router

if TYPE_CHECKING:
    from coffrify_webhooks.stores import Status


@pytest.fixture(params=["memory", "sqlite"])
def stored_events(request, tmp_path: Path):
    stored_events = StoredEvents(tmp_path / "store.db" if request.param == "sqlite" else None)
    yield stored_events
    stored_events.store.close()


class Shop:
    """Handlers that note which events they got."""

    def __init__(self, work: Callable[[str], object] = lambda _id: None) -> None:
        self.got: list[str] = []
        self.router = Router()

        @self.router.on("transfer.*", name="announce")
        def announce(event: Event) -> None:
            self.got.append(event.id or "")
            work(event.id or "")


def refuse(id_: str) -> None:
    raise ValueError(f"confidential: {id_}")


class Engine:
    """Takes what it is given, or raises."""

    def __init__(self, *, up: bool = True) -> None:
        self.up = up
        self.took: list[dict[str, object]] = []

    def dispatch(self, message: dict[str, object]) -> None:
        if not self.up:
            raise ConnectionError("confidential")
        self.took.append(message)


def counts(**some: int) -> str:
    all_ = {"handled": 0, "failed": 0, "queued": 0, "skipped": 0} | some
    return ", ".join(f"{count} {name}" for name, count in all_.items()) + "\n"


def all_states(stored_events: StoredEvents) -> None:
    others: list[Status] = ["claimed", "queued", "running", "done", "conflict"]
    for age, status in enumerate(others, 1):
        stored_events.put(status, status, age=age)
    stored_events.put("failed", "failed", age=10)
    stored_events.put("dead", "dead", age=20)


# --- which ---


def test_a_named_event_is_handled_without_a_question(stored_events: StoredEvents) -> None:
    """An event that is named is handled, whatever it failed of, without a question."""
    shop = Shop()
    keys = [stored_events.put("evt_1", "dead"), stored_events.put("evt_2", "failed")]
    ran = stored_events.run("replay", "evt_1", "evt_2", router=shop.router)
    assert (ran.stdout, ran.stderr) == (counts(handled=2), "")
    assert [stored_events.status(key) for key in keys] == ["done", "done"]


def test_a_key_names_an_event_too(stored_events: StoredEvents) -> None:
    """A key names an event too, and twice named is once replayed."""
    shop = Shop()
    key = stored_events.put("evt_1", "dead")
    stored_events.run("replay", key[:9], "evt_1", router=shop.router)
    assert shop.got == ["evt_1"]


@pytest.mark.parametrize(
    ("options", "meant"),
    [
        (["--dead"], ["dead"]),
        (["--failed"], ["failed"]),
        (["--dead", "--failed"], ["dead", "failed"]),
        (["--type", "transfer.*"], ["dead", "failed"]),
        (["--type", "transfer.created", "--dead"], ["dead"]),
        (["--older-than", "15s"], ["dead"]),
        (["--failed", "--older-than", "15s"], []),
        (["--type", "ping"], []),
    ],
)
def test_a_filter_means_failed_and_dead_events(
    stored_events: StoredEvents, options: list[str], meant: list[str]
) -> None:
    """A filter means what failed or is dead, never what is done, held or in conflict."""
    all_states(stored_events)
    shop = Shop()
    ran = stored_events.run("replay", *options, "--yes", router=shop.router)
    assert shop.got == meant
    assert ran.stdout == counts(handled=len(meant))


def test_the_oldest_events_run_first(stored_events: StoredEvents) -> None:
    """Events run in the order in which they came."""
    shop = Shop()
    for number in (3, 1, 2):
        stored_events.put(f"evt_{number}", "failed", age=100 - number)
    stored_events.run("replay", "--failed", "--yes", router=shop.router)
    assert shop.got == ["evt_1", "evt_2", "evt_3"]


def test_more_than_a_page(stored_events: StoredEvents) -> None:
    """A run handles all, also more than the store gives at once, each once."""
    shop = Shop()
    for number in range(1001):
        stored_events.put(f"evt_{number}", "dead", age=number // 3)
    ran = stored_events.run("replay", "--dead", "--yes", router=shop.router)
    assert ran.stdout == counts(handled=1001)
    assert sorted(shop.got) == sorted(f"evt_{number}" for number in range(1001))


def test_a_replay_of_nothing_is_no_error(stored_events: StoredEvents) -> None:
    """No such events is told, and is no error."""
    ran = stored_events.run("replay", "--dead", router=Shop().router)
    assert (ran.stdout, ran.stderr) == (counts(), "no such events of the receiver default\n")


def test_with_an_unknown_id_none_is_replayed(stored_events: StoredEvents) -> None:
    """If one is unknown none is replayed."""
    shop = Shop()
    stored_events.put("evt_1", "dead")
    ran = stored_events.run("replay", "evt_1", "evt_2", router=shop.router, status=1)
    assert "no event evt_2" in ran.stderr
    assert shop.got == []


@pytest.mark.parametrize(
    "arguments",
    [[], ["--yes"], ["evt_1", "--dead"], ["evt_1", "--older-than", "1h"], ["--all-receivers"]],
)
def test_events_and_filters_exclude_each_other(
    stored_events: StoredEvents, arguments: list[str]
) -> None:
    """Either events are named or filters are."""
    stored_events.put("evt_1", "dead")
    assert (
        "name events, or"
        in stored_events.run("replay", *arguments, router=Shop().router, status=2).stderr
    )


# --- asking ---


def test_several_events_are_replayed_after_a_yes_only(stored_events: StoredEvents) -> None:
    """More than one by a filter is asked for; only yes begins."""
    shop = Shop()
    stored_events.put("evt_1", "dead")
    stored_events.put("evt_2", "dead")
    ran = stored_events.run("replay", "--dead", router=shop.router, answer="n\n", status=1)
    assert "Handle 2 events again?" in ran.stderr
    stored_events.run("replay", "--dead", router=shop.router, answer="", status=1)
    assert shop.got == []
    stored_events.run("replay", "--dead", router=shop.router, answer="y\n")
    assert len(shop.got) == 2


def test_asks_not_for_one(stored_events: StoredEvents) -> None:
    """One event by a filter is no question."""
    stored_events.put("evt_1", "dead")
    assert stored_events.run("replay", "--dead", router=Shop().router).stderr == ""


# --- whose ---


def test_only_the_receivers_own_events_are_replayed(stored_events: StoredEvents) -> None:
    """Without more, only events of the receiver's own name are meant; others are hinted at."""
    shop = Shop()
    stored_events.put("evt_1", "dead", receiver="other")
    told = stored_events.run("replay", "--dead", router=shop.router).stderr
    assert told == (
        "no such events of the receiver default; there are of other: --receiver, --all-receivers\n"
    )
    assert (
        "receiver other"
        in stored_events.run("replay", "evt_1", router=shop.router, status=1).stderr
    )
    assert shop.got == []


def test_a_named_receiver_replays_its_own_events(stored_events: StoredEvents) -> None:
    """A Receiver with a name replays its own."""
    shop = Shop()
    stored_events.put("evt_1", "dead", receiver="b")
    stored_events.put("evt_2", "dead")
    stored_events.run("replay", "--dead", router=shop.router, name="b")
    assert shop.got == ["evt_1"]


@pytest.mark.parametrize("named", [["--dead"], ["evt_1"]])
def test_the_receiver_option_means_anothers_events(
    stored_events: StoredEvents, named: list[str]
) -> None:
    """--receiver means another one's events, which keep their key."""
    shop = Shop()
    keys = [stored_events.put("evt_1", "dead", receiver=name) for name in ("default", "b")]
    stored_events.run("replay", *named, "--receiver", "b", router=shop.router)
    assert [stored_events.status(key) for key in keys] == ["dead", "done"]


@pytest.mark.parametrize("named", [["--dead"], ["evt_1"]])
def test_all_receivers_means_those_of_all(stored_events: StoredEvents, named: list[str]) -> None:
    """--all-receivers means those of all."""
    shop = Shop()
    keys = [stored_events.put("evt_1", "dead", receiver=name) for name in ("default", "b")]
    stored_events.run("replay", *named, "--all-receivers", "--yes", router=shop.router)
    assert [stored_events.status(key) for key in keys] == ["done", "done"]


def test_receiver_and_all(stored_events: StoredEvents) -> None:
    """One receiver and all of them exclude each other."""
    stored_events.run(
        "replay", "--dead", "--receiver", "b", "--all-receivers", router=Shop().router, status=2
    )


# --- conflicts ---


def test_conflict_by_id(stored_events: StoredEvents) -> None:
    """By an event's id its own body is meant, and not another one that came later."""
    shop = Shop()
    stored_events.put("evt_1", "dead")
    other = stored_events.put("evt_1", "conflict", body=b'{"id": "evt_1", "type": "transfer.x"}')
    stored_events.run("replay", "evt_1", router=shop.router)
    assert stored_events.status(other) == "conflict"


@pytest.mark.parametrize("receiver", ["default", "b"])
def test_conflict_by_key(stored_events: StoredEvents, receiver: str) -> None:
    """By its key a body in conflict is handled, of any receiver, and takes the event's place."""
    shop = Shop()
    first = stored_events.put("evt_1", "done", receiver=receiver)
    other = stored_events.put(
        "evt_1", "conflict", receiver=receiver, body=b'{"type": "transfer.x"}'
    )
    record = stored_events.store.get(other)
    stored_events.run("replay", other, router=shop.router)
    (left,) = stored_events.store.find()
    assert shop.got == ["evt_1"]
    assert record is not None
    assert (left.key, left.status, left.digest) == (first, "done", record.digest)


def test_a_lone_conflict_names_its_key(stored_events: StoredEvents) -> None:
    """An id under which there is only a conflict says which key to replay."""
    key = stored_events.put("evt_1", "conflict")
    ran = stored_events.run("replay", "evt_1", router=Shop().router, status=1)
    assert f"{key[:12]} (conflict, receiver default)" in ran.stderr


# --- how it goes ---


def test_a_failing_handler_stops_no_other_event(stored_events: StoredEvents) -> None:
    """An error of a handler is told without its text, stops nothing, and exits 1."""
    shop = Shop(lambda id_: refuse(id_) if id_ == "evt_2" else None)
    for number in (1, 2, 3):
        stored_events.put(f"evt_{number}", "dead", age=9 - number)
    ran = stored_events.run("replay", "--dead", "--yes", router=shop.router, status=1)
    assert ran.stdout == counts(handled=2, failed=1)
    (line,) = ran.stderr.splitlines()
    assert line.startswith("evt_2 failed: announce raised ValueError at test_events_replay.py:")
    assert shop.got == ["evt_1", "evt_2", "evt_3"]


def test_of_many_failures_the_first_are_shown(stored_events: StoredEvents) -> None:
    """Of many reasons the first are told, and how many more there are."""
    for number in range(25):
        stored_events.put(f"evt_{number}", "dead")
    ran = stored_events.run("replay", "--dead", "--yes", router=Shop(refuse).router, status=1)
    assert ran.stderr.count("failed: ") == 20
    assert "... and 5 more\n" in ran.stderr


def test_a_finished_handler_does_not_run_again(stored_events: StoredEvents) -> None:
    """A handler that has finished does not run again."""
    shop = Shop()
    later: list[str] = []
    shop.router.on("transfer.*", name="count")(lambda event: later.append(event.id or ""))
    stored_events.put("evt_1", "failed", finished="announce")
    stored_events.run("replay", "evt_1", router=shop.router)
    assert (shop.got, later) == ([], ["evt_1"])


def test_an_event_without_a_body_counts_as_failed(stored_events: StoredEvents) -> None:
    """An event without a body is told with the remedy, and counts as failed."""
    stored_events.put("evt_1", "done")
    stored_events.put("evt_2", "dead", body=None)
    ran = stored_events.run("replay", "evt_1", "evt_2", router=Shop().router, status=1)
    assert ran.stdout == counts(failed=2)
    assert ran.stderr.count("its body was not kept; forget the event, and replay it from the") == 2


def test_a_damaged_body_fails_and_stops_nothing(stored_events: StoredEvents) -> None:
    """A body that cannot be read again fails, and stops nothing."""
    shop = Shop()
    stored_events.put("evt_1", "dead", body=b"[", age=2)
    stored_events.put("evt_2", "dead", age=1)
    ran = stored_events.run("replay", "--dead", "--yes", router=shop.router, status=1)
    assert ran.stdout == counts(handled=1, failed=1)


def test_with_a_dispatcher_the_engine_gets_the_event(stored_events: StoredEvents) -> None:
    """With a dispatcher the engine gets the event; handlers need not be there."""
    engine = Engine()
    key = stored_events.put("evt_1", "dead")
    ran = stored_events.run("replay", "evt_1", router=Router(), dispatcher=engine)
    assert ran.stdout == counts(queued=1)
    assert (len(engine.took), stored_events.status(key)) == (1, "queued")


def test_an_engine_that_is_down_ends_the_run(stored_events: StoredEvents) -> None:
    """An engine that is down ends the run with the counts and one line; nothing is lost."""
    stored_events.put("evt_1", "dead")
    stored_events.put("evt_2", "dead")
    ran = stored_events.run(
        "replay", "--dead", "--yes", router=Router(), dispatcher=Engine(up=False), status=1
    )
    assert ran.stdout == counts().replace("\n", "; 2 not tried\n")
    assert ran.stderr == "Error: the engine did not take the event\n"
    assert {each.status for each in stored_events.store.find()} <= {"dead", "failed"}


def test_an_event_that_is_being_handled_is_left_alone(stored_events: StoredEvents) -> None:
    """An event that is being handled is left to whoever does."""
    stored_events.put("evt_1", "claimed")
    ran = stored_events.run("replay", "evt_1", router=Shop().router)
    assert ran.stdout == counts(skipped=1)
    assert ran.stderr == "evt_1 skipped: this event is being handled right now\n"


def test_an_event_without_a_handler_is_skipped(stored_events: StoredEvents) -> None:
    """An event that no handler wants is skipped, and stays."""
    key = stored_events.put("evt_1", "dead", type_="workspace.created")
    ran = stored_events.run("replay", "evt_1", router=Shop().router)
    assert ran.stderr == "evt_1 skipped: no handler wants it\n"
    assert stored_events.status(key) is not None


def test_an_event_that_another_handled_is_skipped(stored_events: StoredEvents) -> None:
    """What is forgotten or handled by another during the run is skipped."""
    keys = [stored_events.put(f"evt_{number}", "dead", age=9 - number) for number in range(3)]

    def interfere(id_: str) -> None:
        if id_ == "evt_0":
            stored_events.store.forget(keys[1])
            claim = stored_events.store.claim(keys[2], "0" * 64, 60)
            stored_events.store.done(keys[2], claim.token)

    ran = stored_events.run("replay", "--dead", "--yes", router=Shop(interfere).router)
    assert ran.stdout == counts(handled=1, skipped=2)
    assert ran.stderr.splitlines() == [
        "evt_1 skipped: it is forgotten meanwhile",
        "evt_2 skipped: it is done meanwhile",
    ]


def test_a_longer_run_shows_its_progress(stored_events: StoredEvents) -> None:
    """A longer run shows on stderr that it goes on."""
    for number in range(11):
        stored_events.put(f"evt_{number}", "dead")
    ran = stored_events.run("replay", "--dead", "--yes", router=Shop().router)
    assert "11 events" in ran.stderr
    assert ran.stdout == counts(handled=11)


def test_without_handlers_it_says_how_to_name_them(stored_events: StoredEvents) -> None:
    """Without handlers it says how to name them."""
    stored_events.put("evt_1", "dead")
    assert "--app myapp.webhooks" in stored_events.run("replay", "evt_1", status=2).stderr
    assert "no handler" in stored_events.run("replay", "evt_1", router=Router(), status=2).stderr


def test_the_secret_is_in_no_output(stored_events: StoredEvents) -> None:
    """The secret of the receiver is in no output."""
    stored_events.put("evt_1", "dead")
    ran = stored_events.run("replay", "evt_1", router=Shop(refuse).router, status=1)
    assert SECRET not in ran.output
