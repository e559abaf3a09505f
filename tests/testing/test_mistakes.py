"""What a user gives by mistake is answered by what to give instead."""

import os
import subprocess
import sys
import traceback
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from flask import Flask

from coffrify_webhooks import ConfigurationError, Delivery, Event, Receiver, Router
from coffrify_webhooks.events import Ping
from coffrify_webhooks.flask import CoffrifyWebhooks
from coffrify_webhooks.testing import Clock, deliver, deliver_async, isolated, make_event

SECRET = "whsec_" + "5e" * 32
router = Router()


@router.on("transfer.created")
def announce(event: Event, delivery: Delivery) -> None:
    """Has two parameters, as an application of WSGI has."""
    raise LookupError(event.id, delivery.scheme)


@router.on("transfer.deleted")
async def announce_async(event: Event) -> None:
    raise LookupError(event.id)


@pytest.fixture
def receiver() -> Receiver:
    return Receiver(SECRET, router=router, store="memory:")


def test_the_clock_is_moved_by_a_timedelta_too() -> None:
    clock = Clock()
    before = clock()
    clock.advance(timedelta(minutes=2))
    clock.advance(5)
    assert clock() - before == pytest.approx(125)


@pytest.mark.parametrize("length", ["5", None, True, -1, float("inf"), timedelta(seconds=-1)])
def test_the_clock_refuses_what_is_no_length_of_time(length: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"advance\("):
        Clock().advance(length)


@pytest.mark.parametrize(
    ("target", "told"),
    [
        (announce, r"function announce;.*call it: announce\(make_event"),
        (lambda event: None, "it takes the application"),
        ("app:app", "from app import app"),
        ("shop.web:create", "from shop.web import create"),
        (Flask, "the class Flask; give an instance of it"),
        (httpx2.ASGITransport(app=lambda *_: None), r"httpx.AsyncClient\(transport="),  # type: ignore[arg-type]
        (object(), "it takes a Receiver"),
    ],
)
def test_what_is_no_target_is_answered_by_what_is_one(
    receiver: Receiver, target: Any, told: str
) -> None:
    """Handlers are those of a receiver."""
    assert receiver.router is router
    with pytest.raises(ConfigurationError, match=told):
        deliver(target, "transfer.created")


@pytest.mark.parametrize(
    "arguments",
    [
        lambda receiver: ("transfer.created", receiver),
        lambda receiver: (make_event("ping"), receiver),
        lambda receiver: (Ping, receiver),
    ],
    ids=["a type", "an event", "a class"],
)
async def test_swapped_arguments_are_recognised(
    receiver: Receiver, arguments: Callable[[Receiver], Any]
) -> None:
    with pytest.raises(ConfigurationError, match="the target comes first"):
        await deliver_async(*arguments(receiver))


def test_a_field_that_the_schema_lacks_and_no_name_is_like_is_kept(receiver: Receiver) -> None:
    """The sender may have added it since; `title` is no misspelling of `transfer_title`."""
    event = make_event("transfer.created", data={"title": "Contracts", "cost_centre": 7})
    assert event.data.model_extra == {"title": "Contracts", "cost_centre": 7}


async def test_isolated_works_in_async_with_and_as_a_decorator(receiver: Receiver) -> None:
    own = receiver.store

    @isolated()
    async def store_inside() -> object:
        return receiver.store

    async with isolated() as kit:
        assert receiver.store is not own
        assert (await kit.deliver_async(receiver, "ping")).status == 200
    assert receiver.store is own
    assert await store_inside() is not own
    assert isolated()(lambda: receiver.store)() is not own


def test_isolated_refuses_an_application_at_once() -> None:
    """Before it is entered, where the mistake is."""
    with pytest.raises(ConfigurationError, match=r"not a Flask; .*: isolated\(\)"):
        isolated(Flask("shop"))  # type: ignore[arg-type]


def test_a_result_is_neither_true_nor_false(receiver: Receiver) -> None:
    """`assert result` would pass for a failure."""
    with isolated() as kit:
        result = kit.deliver(receiver, "transfer.created")
    with pytest.raises(ConfigurationError, match=r"500 failed.*result\.outcome == \"handled\""):
        assert result


@pytest.mark.parametrize("event", ["transfer.created", "transfer.deleted"])
async def test_the_traceback_of_an_error_begins_at_the_handler(
    receiver: Receiver, event: str
) -> None:
    """Sync and async, in a thread and on the loop: nothing of ours is before it."""
    async with isolated() as kit:
        result = await kit.deliver_async(receiver, event)
    assert result.error is not None
    names = [frame.name for frame in traceback.extract_tb(result.error.__traceback__)]
    assert names == ["announce" if event == "transfer.created" else "announce_async"]


def test_an_application_imported_without_a_secret_names_conftest() -> None:
    """Only under pytest: elsewhere nobody has a conftest.py."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("COFFRIFY_WEBHOOK_SECRET", raising=False)
        with pytest.raises(ConfigurationError, match=r"os\.environ\.setdefault.*conftest\.py"):
            CoffrifyWebhooks(Flask("shop"))
    environment = {k: v for k, v in os.environ.items() if k != "COFFRIFY_WEBHOOK_SECRET"}
    ran = subprocess.run(
        [sys.executable, "-c", "from coffrify_webhooks import Receiver; Receiver()"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "there is no secret" in ran.stderr
    assert "conftest" not in ran.stderr


def test_retries_are_named_with_their_module() -> None:
    with pytest.raises(ConfigurationError, match=r"give coffrify_webhooks\.Retries\("):
        Receiver(SECRET, store="memory:", retries=3)  # type: ignore[arg-type]
