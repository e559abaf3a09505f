"""make_event and make_delivery: valid events, of the type, class, time and data asked for."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from coffrify_webhooks import ConfigurationError, Event, Router, UnknownEvent, verify
from coffrify_webhooks.events import EVENTS, TransferCreated, TransferDeleted
from coffrify_webhooks.testing import isolated, make_delivery, make_event

SECRET = "whsec_" + "5e" * 32


@pytest.mark.parametrize("event_type", EVENTS)
def test_every_type_of_the_catalog_has_a_valid_event(event_type: str) -> None:
    """By name and by class: typed, without issues, with an id and the raw body."""
    event = make_event(event_type)
    assert (event.type, event.issues) == (event_type, ())
    assert json.loads(event.raw)["id"] == event.id
    assert type(make_event(type(event))) is type(event)


def test_each_event_has_a_fresh_id() -> None:
    """Unless one is given."""
    assert len({make_event("ping").id for _ in range(100)}) == 100
    assert make_event("ping", id="evt_7").id == "evt_7"


def test_data_is_laid_over_the_example() -> None:
    """Deep in objects and in the objects of a list; what is not named stays."""
    event = make_event(
        TransferCreated,
        data={"transfer_title": "Contracts", "title": 1, "files": [{"size": 7}, {"name": "b"}]},
    )
    assert event.data.transfer_title == "Contracts"
    assert event.data.share_url
    assert event.data.model_extra == {"title": 1}
    assert event.data.files is not None
    first, second = event.data.files
    assert (first.size, first.name, second.name) == (7, "quarterly-report.pdf", "b")
    assert make_event(TransferCreated, data={"files": []}).data.files == []


def test_data_may_hold_what_a_sender_would_write_as_text() -> None:
    """A datetime, a UUID and an object of a class, such as a factory makes."""
    file = make_event(TransferCreated).data.files
    moment = datetime(2030, 1, 1, tzinfo=UTC)
    event = make_event(
        TransferCreated,
        data={"created_at": moment, "user_id": UUID(int=7), "files": [file[0] if file else {}]},
    )
    assert (event.data.created_at, event.data.user_id) == (moment, str(UUID(int=7)))
    assert event.data.files == file


def test_times_are_around_the_moment() -> None:
    """The earliest is the moment itself; the distances stay."""
    moment = datetime(2031, 5, 1, tzinfo=UTC)
    for at in (moment, moment.timestamp()):
        data = make_event(TransferCreated, at=at).data
        assert data.created_at == moment
        assert data.expires_at is not None
        assert (data.expires_at - moment).days == 7
    with isolated() as kit:
        kit.clock.advance(10 * 86_400)
        data = kit.make_event(TransferCreated).data
        assert data.created_at is not None
        assert abs(data.created_at.timestamp() - kit.clock()) < 1


@pytest.mark.parametrize(
    ("event", "data", "told"),
    [
        ("transfer.craeted", {}, "did you mean 'transfer.created'"),
        (
            "transfer.created",
            {"files": [{"size": "big"}]},
            r"data\.files\.0\.size \(needs a whole number\)",
        ),
        ("transfer.created", {"id": None}, r"data\.id \(needs a text\)"),
        ("transfer.created", {"notes": object()}, r"data\.notes cannot .* object is not JSON"),
        ("transfer.created", {"files": [{"size": 1j}]}, r"data\.files\.0\.size cannot be written"),
        ("transfer.created", {"notes": float("nan")}, r"data\.notes cannot be written as JSON"),
        ("transfer.created", {"transfer_tilte": "x"}, "did you mean 'transfer_title'"),
        ("transfer.created", {"transferTitle": "x"}, "did you mean 'transfer_title'"),
        ("transfer.created", {"files": [{"naem": "a"}]}, r"data\.files\.0.*did you mean 'name'"),
        ("transfer.created", {"data": {"id": "tr_1"}}, "without the body around it"),
        ("transfer.created", [("id", "tr_1")], "data= takes the fields to set"),
        ({"type": "transfer.created"}, None, "name the type"),
        (Event, {}, "Event is not an event type"),
        (UnknownEvent, {}, "UnknownEvent is not an event type"),
        (dict, {}, "dict is not an event type"),
    ],
)
def test_a_mistake_is_named(event: Any, data: Any, told: str) -> None:
    """The nearest names, or the field that the type refuses."""
    with pytest.raises(ConfigurationError, match=told):
        make_event(event, data=data)


def test_a_type_that_only_a_handler_names_is_unknown_and_allowed() -> None:
    """As a handler with allow_unknown=True is tested; elsewhere it is a misspelling."""
    from coffrify_webhooks import Receiver
    from coffrify_webhooks.testing import deliver

    router, seen = Router(), list[Any]()
    router.on("shop.opened", allow_unknown=True)(seen.append)
    receiver = Receiver(SECRET, router=router, store="memory:")
    with pytest.raises(ConfigurationError, match=r"no event is called 'shop.opened'"):
        make_event("shop.opened")
    assert deliver(receiver, "shop.opened", data={"floor": 2}).outcome == "handled"
    assert (type(seen[0]), seen[0].data) == (UnknownEvent, {"floor": 2})


def test_an_event_of_ones_own_catalog_is_made_from_its_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every field has a value that fits; its name works as its class does, once it is in use."""
    from coffrify_webhooks_codegen.catalog import load
    from coffrify_webhooks_codegen.package import write

    line = {"type": "object", "required": ["sku"], "properties": {"sku": {"type": "string"}}}
    schema = {
        "type": "object",
        "required": ["total", "lines", "kind"],
        "properties": {
            "total": {"type": "number"},
            "kind": {"type": "string", "enum": ["cash", "card"]},
            "lines": {"type": "array", "items": line},
            "paid_at": {"type": ["string", "null"], "format": "date-time"},
            "who": {"type": "string", "format": "uuid"},
            "extra": {},
        },
    }
    catalog = {"data": [{"type": "order.paid", "schema": schema}]}
    write(load(catalog), tmp_path / "own_orders")
    monkeypatch.syspath_prepend(str(tmp_path))
    import own_orders  # type: ignore[import-not-found]

    event: Any = make_event(own_orders.OrderPaid, data={"total": 5})
    assert (event.type, event.data.total, event.data.kind) == ("order.paid", 5, "card")
    assert event.data.lines[0].sku == "sku"
    assert event.issues == ()
    own_orders.on("order.paid")(lambda event: None)
    assert type(make_event("order.paid")) is own_orders.OrderPaid


def test_an_event_can_be_sent_again_and_bent() -> None:
    """An event that was made is taken as it is, and `data` is laid over it."""
    event = make_event(TransferDeleted, data={"transfer_title": "A"})
    request = make_delivery(event, secret=SECRET)
    assert request.body == event.raw
    copy = event.model_copy(update={"id": "evt_copy"})
    assert json.loads(make_delivery(copy, secret=SECRET).body)["id"] == "evt_copy"
    changed = json.loads(make_delivery(event, data={"notes": "B"}, secret=SECRET).body)
    assert (changed["id"], changed["data"]["transfer_title"]) == (event.id, "A")


def test_a_delivery_is_signed_by_the_secret_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one given, the kit's, that of the environment; without any, a mistake that is named."""
    monkeypatch.setenv("COFFRIFY_WEBHOOK_SECRET", f"{SECRET},another-secret-for-tests")
    request = make_delivery("ping")
    assert (request.method, request.headers["Content-Type"]) == ("POST", "application/json")
    assert verify(request.body, request.headers, SECRET).id == json.loads(request.body)["id"]
    monkeypatch.delenv("COFFRIFY_WEBHOOK_SECRET")
    with isolated() as kit:
        request = make_delivery("ping")
        assert verify(request.body, request.headers, kit.secret).scheme == "standard"
    with pytest.raises(ConfigurationError, match="secret"):
        make_delivery("ping")
    at = datetime(2030, 1, 1, tzinfo=UTC)
    stamped = make_delivery("ping", secret=SECRET, at=at).headers["webhook-timestamp"]
    assert int(stamped) == at.timestamp()
    with pytest.raises(ConfigurationError, match="time zone"):
        make_delivery("ping", secret=SECRET, at=datetime(2030, 1, 1))  # noqa: DTZ001
