"""`Receiver(capture=N)`: the last refused requests are kept for the doctor, and nothing else is."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from coffrify_webhooks import ConfigurationError, Event, Receiver, Router, WebhookError, sign
from coffrify_webhooks.cli.doctor import doctor
from coffrify_webhooks.cli.events import events
from coffrify_webhooks.cli.source import Source
from coffrify_webhooks.errors import StoreUnavailable
from coffrify_webhooks.monitoring.health import last_delivery
from coffrify_webhooks.stores import refused as refused_module
from coffrify_webhooks.stores.memory import MemoryStore
from coffrify_webhooks.stores.refused import LARGEST_BODY, REFUSED, refused_in
from coffrify_webhooks.stores.sqlite import SQLiteStore

SECRET, OTHER = "whsec_" + "5e" * 32, "whsec_" + "6f" * 32
BODY = b'{"id":"evt_1","type":"transfer.created","data":{"id":"tr_1"}}'


class Ticks:
    """A monotonic clock that a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def ticks(monkeypatch: pytest.MonkeyPatch) -> Ticks:
    ticks = Ticks()
    monkeypatch.setattr(refused_module, "monotonic", ticks)
    return ticks


def receiver_with(**options: Any) -> Receiver:
    router = Router()
    router.on("*")(lambda event: None)
    return Receiver(SECRET, **{"router": router, "store": "memory:", "capture": 3, **options})


def refuse(receiver: Receiver, body: bytes = BODY, **headers: str) -> None:
    assert receiver.receive(body, {**sign(body, OTHER), **headers}).status == 400


def requests(receiver: Receiver) -> list[dict[str, Any]]:
    return [json.loads(each.body or b"") for each in refused_in(receiver.store, receiver.name)]


def run(command: Any, receiver: Receiver, *arguments: str, status: int = 0) -> str:
    ran = CliRunner().invoke(command, arguments, obj=Source(receiver.store, receiver))
    assert ran.exit_code == status, (ran.output, ran.exception)
    return ran.output


def test_nothing_is_kept_unless_asked() -> None:
    receiver = receiver_with(capture=0)
    refuse(receiver)
    assert receiver.store.find() == []


def test_a_refused_request_is_kept_without_what_is_private() -> None:
    receiver = receiver_with()
    refuse(receiver, authorization="Bearer 123", cookie="a=b", x_note=f"is {SECRET} right?")
    (kept,) = requests(receiver)
    headers = dict(kept["headers"])
    assert (kept["code"], kept["method"]) == ("signature_mismatch", "POST")
    assert {headers[each] for each in ("authorization", "cookie", "x_note")} == {"(removed)"}
    assert headers["webhook-signature"].startswith("v1,")
    assert SECRET not in str(kept)


def test_a_flood_is_stored_once_a_second(ticks: Ticks) -> None:
    """And the last few of it alone stay."""
    receiver = receiver_with()
    for number in range(6):
        for _ in range(20):
            refuse(receiver, x_number=str(number))
        ticks.now += 1.5
    numbers = [dict(each["headers"])["x_number"] for each in requests(receiver)]
    assert sorted(numbers) == ["3", "4", "5"]
    assert len(receiver.store.find()) == 3


async def test_an_async_receiver_keeps_them_as_well(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "store.db")
    receiver = receiver_with(store=store)
    reply = await receiver.receive_async(BODY, sign(BODY, OTHER))
    assert (reply.status, len(requests(receiver))) == (400, 1)
    store.close()


def test_a_store_that_fails_is_left_alone_for_a_minute(ticks: Ticks) -> None:
    """The answer is the same, and no refusal waits for the store meanwhile."""

    class Failing(MemoryStore):
        asked = 0

        def find(self, *_: Any, **__: Any) -> Any:
            self.asked += 1
            raise StoreUnavailable("it is away")

    store = Failing()
    receiver = receiver_with(store=store)
    for _ in range(10):
        refuse(receiver)
        ticks.now += 2
    assert store.asked == 1
    ticks.now += 60
    refuse(receiver)
    assert store.asked == 2


def test_the_body_of_what_would_be_refused_early_is_read() -> None:
    """An adapter asks before it reads; the doctor needs the body."""
    assert receiver_with().refuse_early({}) is None
    assert receiver_with(capture=0).refuse_early({}) is not None
    assert receiver_with().refuse_early({}, method="GET") is not None
    assert receiver_with().refuse_early({}, content_length="99999999") is not None


def test_a_large_body_is_not_kept() -> None:
    receiver = receiver_with()
    refuse(receiver, b" " * (LARGEST_BODY + 1))
    assert requests(receiver)[0]["body_bytes"] == LARGEST_BODY + 1
    assert "was not kept" in run(doctor, receiver, "--last", status=1)


def test_what_is_a_day_old_is_dropped() -> None:
    now = [1_700_000_000.0]
    store = MemoryStore(clock=lambda: now[0])
    receiver = receiver_with(store=store, clock=lambda: now[0])
    refuse(receiver)
    now[0] += 86_401
    assert requests(receiver) == []
    assert len(store.find()) == 1
    headers = sign(BODY, SECRET, id="evt_1", timestamp=int(now[0]))
    assert receiver.receive(BODY, headers).status == 200
    assert [each.id for each in store.find()] == ["evt_1"]


def test_the_doctor_explains_the_last_one() -> None:
    receiver = receiver_with()
    assert "set Receiver(capture=20)" in run(doctor, receiver_with(capture=0), "--last", status=1)
    assert receiver.receive(BODY + b"\n", sign(BODY, SECRET)).status == 400
    assert "body_newline_added (proven)" in run(doctor, receiver, "--last", status=1)
    assert "body_newline_added" in run(doctor, receiver, "--last", "1", "--json", status=1)
    assert "1 refused request is kept" in run(doctor, receiver, "--last", "2", status=1)


def test_refused_requests_are_listed_apart_from_events() -> None:
    receiver = receiver_with()
    refuse(receiver)
    told = json.loads(run(events, receiver, "refused", "--json"))
    assert (told["receiver"], told["code"], told["body_bytes"]) == (
        "default",
        "signature_mismatch",
        len(BODY),
    )
    assert "body_base64" not in told
    assert "body_base64" in run(events, receiver, "refused", "--json", "--show-body")
    assert "signature_mismatch" in run(events, receiver, "refused")
    assert json.loads(run(events, receiver, "stats", "--json"))["conflict"] == 0
    assert run(events, receiver, "list", "--json") == ""
    assert "capture=20" in run(events, receiver_with(capture=0), "refused", status=1)


def test_a_refused_request_is_no_event_in_what_health_tells() -> None:
    """Nor does it end a silence, whoever asks."""
    receiver = receiver_with()
    refuse(receiver)
    assert receiver.store.stats() == {"conflict": 1}
    assert receiver.health().counts["conflict"] == 0
    assert receiver.health().last_delivery is None
    assert last_delivery(receiver.store, None) is None


def test_no_handler_is_given_a_refused_request() -> None:
    """Not even by a replay that names its key: it was never verified."""
    seen = list[Event]()
    router = Router()
    router.on("*")(seen.append)
    receiver = receiver_with(router=router)
    refuse(receiver)
    (record,) = receiver.store.find()
    assert record.type == REFUSED
    with pytest.raises(WebhookError):
        receiver.replay(record)
    run(events, receiver, "replay", record.key, status=1)
    assert seen == []


@pytest.mark.parametrize("capture", [-1, 1001, "3", 1.5])
def test_a_wrong_number_is_refused_at_once(capture: Any) -> None:
    with pytest.raises(ConfigurationError, match="capture="):
        receiver_with(capture=capture)
