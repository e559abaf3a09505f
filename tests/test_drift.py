"""A catalog that moves: what no longer fits is noted for each type, once it was verified."""

import json
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any
from unittest.mock import patch

import anyio.to_thread
import pytest
from click.testing import CliRunner
from tests.stores.async_memory import AsyncMemoryStore

from coffrify_webhooks import Event, Notice, Receiver, Router, sign
from coffrify_webhooks.cli.catalog import catalog
from coffrify_webhooks.cli.source import Source
from coffrify_webhooks.errors import StoreUnavailable
from coffrify_webhooks.parsing.walk import Walk
from coffrify_webhooks.stores import drift as drift_module
from coffrify_webhooks.stores.drift import SLOTS, Drift, drift_in, mark_of, read, write
from coffrify_webhooks.stores.memory import MemoryStore
from coffrify_webhooks.stores.sqlite import SQLiteStore
from coffrify_webhooks.testing import deliver, isolated

SECRET = "whsec_" + "7d" * 32
NOW = 1_700_000_000.0


class Ticks:
    """A monotonic clock that a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def ticks(monkeypatch: pytest.MonkeyPatch) -> Ticks:
    ticks = Ticks()
    monkeypatch.setattr(drift_module, "monotonic", ticks)
    return ticks


class Shop:
    """A receiver that is told of unknown types and of shapes that do not fit."""

    def __init__(self, store: Any = "memory:", pattern: str = "*", **options: Any) -> None:
        self.told: list[Notice] = []
        self.now = NOW
        self.number = 0
        router = Router()
        router.on(pattern, name="any")(self.handle)
        self.receiver = Receiver(
            SECRET,
            router=router,
            store=store,
            observers=[self.told.append],
            clock=lambda: self.now,
            **options,
        )

    def handle(self, event: Event) -> None:
        if event.type == "fails.always":
            raise ValueError

    def request(self, type_: str, **data: Any) -> tuple[bytes, dict[str, str]]:
        self.number += 1
        document = {"id": f"evt_{id(self)}_{self.number}", "type": type_, "data": data}
        body = json.dumps(document).encode()
        return body, sign(body, SECRET, timestamp=int(self.now))

    def send(self, type_: str, **data: Any) -> str:
        return self.receiver.receive(*self.request(type_, **data)).outcome

    def found(self) -> dict[str, Drift]:
        return {each.type: each for each in drift_in(self.receiver.store, self.receiver.name)}


@pytest.fixture(params=["memory", "sqlite", "async"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    if request.param == "memory":
        yield MemoryStore()
    elif request.param == "async":
        yield AsyncMemoryStore()
    else:
        found = SQLiteStore(tmp_path / "drift.db")
        yield found
        found.close()


def test_a_type_without_a_class_is_noted_with_its_first_and_last_time(store: Any) -> None:
    shop = Shop(store)
    assert shop.send("transfer.archived") == "handled"
    shop.now += 50
    assert shop.send("transfer.archived") == "handled"
    assert shop.found() == {
        "transfer.archived": Drift(
            "transfer.archived",
            is_known=False,
            first_seen=NOW,
            last_seen=NOW + 50,
            deliveries=2,
            fields=(),
        )
    }
    [notice] = [each for each in shop.told if each.kind == "unknown_type"]
    assert notice.values == ("'transfer.archived'",)


def test_a_shape_that_does_not_fit_is_noted_with_its_fields(store: Any) -> None:
    """By the names of fields alone: an entry's number and a value are in no record."""
    shop = Shop(store)
    files = [{"id": "f", "transfer_id": "t", "name": 5, "size": "secret value"}] * 3
    shop.send("transfer.created", files=files)
    [found] = shop.found().values()
    assert (found.type, found.is_known, found.deliveries) == ("transfer.created", True, 1)
    assert any(each.startswith("data.files.*.") for each in found.fields)
    assert "secret value" not in str(found)
    assert len(found.fields) <= 10


async def test_an_async_receiver_notes_the_same(store: Any) -> None:
    shop = Shop(store)
    assert (await shop.receiver.receive_async(*shop.request("a.b"))).outcome == "handled"
    assert [*await anyio.to_thread.run_sync(shop.found)] == ["a.b"]


def test_all_processes_of_a_receiver_count_together(tmp_path: Path) -> None:
    """Each has its own connections; none loses what another one wrote."""
    stores = [SQLiteStore(tmp_path / "drift.db") for _ in range(3)]
    shops = [Shop(each, name="shared") for each in stores]
    threads = [Thread(target=lambda s=s: [s.send("a.b") for _ in range(5)]) for s in shops]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for shop in shops:  # what a lock kept one of them from writing is written with the next
        shop.send("a.b")
    assert shops[0].found()["a.b"].deliveries == 18
    for store in stores:
        store.close()


def test_a_strict_receiver_notes_what_it_refuses() -> None:
    shop = Shop(strict=True)
    assert shop.send("transfer.created", files=5) == "unreadable"
    assert [*shop.found()] == ["transfer.created"]
    body = b"no json"
    shop.receiver.receive(body, sign(body, SECRET, timestamp=int(NOW)))
    assert [*shop.found()] == ["transfer.created"]


def test_an_event_whose_handler_fails_is_noted_as_well() -> None:
    shop = Shop()
    assert shop.send("fails.always") == "failed"
    assert [*shop.found()] == ["fails.always"]


def test_a_duplicate_is_not_counted() -> None:
    shop = Shop()
    request = shop.request("a.b")
    assert [shop.receiver.receive(*request).outcome for _ in "12"] == ["handled", "duplicate"]
    assert shop.found()["a.b"].deliveries == 1


def test_nobody_without_the_secret_writes_anything() -> None:
    shop = Shop()
    body, _ = shop.request("a.b")
    assert shop.receiver.receive(body, sign(body, "whsec_" + "01" * 32)).status == 400
    assert shop.found() == {}


class Counted(MemoryStore):
    """Counts the locks that are asked for."""

    locks = 0

    def lock(self, *arguments: Any) -> Any:
        self.locks += 1
        return super().lock(*arguments)


def test_an_event_that_fits_costs_no_call_of_the_store() -> None:
    store = Counted()
    shop = Shop(store)
    assert shop.send("webhook.endpoint_disabled", **example("webhook.endpoint_disabled")) == (
        "handled"
    )
    assert store.locks == 0


def example(type_: str) -> dict[str, Any]:
    from coffrify_webhooks.testing import make_event

    data: dict[str, Any] = json.loads(make_event(type_).raw)["data"]
    return data


def test_a_flood_writes_once_a_second_and_counts_all(ticks: Ticks) -> None:
    store = Counted()
    shop = Shop(store)
    for _ in range(100):
        shop.send("a.b")
    assert store.locks == 20
    ticks.now += 1
    shop.send("a.b")
    assert store.locks == 21
    assert shop.found()["a.b"].deliveries == 101


def test_a_flood_names_no_places_that_are_not_written(ticks: Ticks) -> None:
    """Each of a type is named for what is written, and for the first that waits; others count."""
    shop = Shop()
    with patch.object(Walk, "listed", autospec=True, side_effect=Walk.listed) as listed:
        for _ in range(50):
            shop.send("transfer.created", id=5)
    assert listed.call_count == 21
    ticks.now += 60
    shop.send("transfer.created", id=5)
    assert shop.found()["transfer.created"].deliveries == 51


def test_a_store_that_fails_is_left_alone_for_a_minute(ticks: Ticks) -> None:
    """The answer stays the same, and nothing that was seen is lost."""

    class Failing(Counted):
        is_well = False

        def lock(self, *arguments: Any) -> Any:
            if self.is_well:
                return super().lock(*arguments)
            self.locks += 1
            raise StoreUnavailable("it is away")

    store = Failing()
    shop = Shop(store)
    assert {shop.send("a.b") for _ in range(5)} == {"handled"}
    assert store.locks == 1
    store.is_well = True
    ticks.now += 62
    shop.send("a.b")
    assert shop.found()["a.b"].deliveries == 6


def test_a_store_whose_lock_is_odd_changes_no_answer() -> None:
    """One of the user's own, which returns what no lock is."""

    class Odd(MemoryStore):
        def lock(self, *_: Any) -> Any:
            return 5

    shop = Shop(Odd())
    assert {shop.send("a.b") for _ in range(3)} == {"handled"}


def test_types_and_fields_are_bounded_whatever_arrives() -> None:
    """With long and hostile names too; those seen last are kept."""
    shop = Shop()
    for number in range(400):
        shop.receiver.drifts._allowed = 20
        shop.now += 1
        shop.send(f"\U0001f600\x00{number}." + "x" * 300, **{"k" * 500: number})
    assert len(shop.found()) <= SLOTS * 16
    latest = max(each.last_seen for each in shop.found().values())
    assert latest == shop.now
    for slot in range(SLOTS):
        lock = shop.receiver.store.lock(mark_of("default", slot), 1)  # type: ignore[attr-defined]
        assert len(lock.state or "") <= 5000
        assert (lock.state or "").isascii()


def test_a_mark_that_cannot_be_read_is_begun_anew() -> None:
    for state in (None, "", "[]", "no", '{"a": 5}', '{"a": [1, "x", 2, 3, []]}', "[" * 4000):
        assert read(state) == {}
    kept = {
        "a": Drift(
            "a",
            is_known=True,
            first_seen=1.0,
            last_seen=2.0,
            deliveries=3,
            fields=("data.x: missing",),
        )
    }
    assert read(write(kept)) == kept


def test_records_of_drift_are_no_events() -> None:
    shop = Shop()
    shop.send("a.b")
    store = shop.receiver.store
    assert [each.type for each in store.find()] == ["a.b"]
    assert store.stats() == {"done": 1}
    assert shop.receiver.health().counts["done"] == 1


def test_a_store_without_marks_takes_part_in_nothing_else() -> None:
    """One of the user's own; the notice is told all the same."""

    class Plain:
        def __init__(self) -> None:
            inner = MemoryStore()
            for name in (
                *("claim", "renew", "checkpoint", "done", "queued", "failed", "dead", "release"),
                *("forget", "conflict", "purge", "get", "find", "stats", "close"),
            ):
                setattr(self, name, getattr(inner, name))

    shop = Shop(Plain())
    assert shop.send("a.b") == "handled"
    assert "unknown_type" in [each.kind for each in shop.told]
    ran = CliRunner().invoke(catalog, ["drift"], obj=Source(shop.receiver.store, shop.receiver))
    assert (ran.exit_code, "OrderedStore" in ran.output) == (2, True)


def test_an_isolated_test_leaves_no_trace() -> None:
    shop = Shop()
    with isolated(shop.receiver) as kit:
        body = b'{"id": "evt_1", "type": "a.b", "data": {}}'
        shop.receiver.receive(body, sign(body, kit.secret, timestamp=int(kit.clock())))
        deliver(shop.receiver, "transfer.created", case="unknown_type")
    assert shop.found() == {}
    assert shop.receiver.drifts._pending == {}


# --- the command --------------------------------------------------------------------------------


def test_the_command_lists_and_clears_what_has_moved() -> None:
    shop = Shop()
    source = Source(shop.receiver.store, shop.receiver)

    def run(*words: str) -> Any:
        return CliRunner().invoke(catalog, ["drift", *words], obj=source)

    assert (run().exit_code, run("--json").stdout) == (0, "[]\n")
    shop.send("transfer.archived")
    shop.send("transfer.created", files=5)
    shown = run()
    assert shown.exit_code == 1
    assert "catalog pull" in shown.stderr
    rows = {line.split()[0]: line for line in shown.stdout.splitlines()[1:]}
    assert "unknown type" in rows["transfer.archived"]
    assert "does not fit" in rows["transfer.created"]
    assert "data.files: " in rows["transfer.created"]
    told = json.loads(run("--json").stdout)
    moment = "2023-11-14T22:13:20.000Z"
    assert {(each["first_seen"], each["last_seen"]) for each in told} == {(moment, moment)}
    assert {each["type"]: each["deliveries"] for each in told} == {
        "transfer.created": 1,
        "transfer.archived": 1,
    }
    assert run("--receiver", "other").exit_code == 0
    assert (run("--clear").exit_code, run().exit_code) == (0, 0)
    assert shop.found() == {}
