"""The password of a store or an engine: in no error, no frame of one, no log and no settings."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.crash_reports import assert_hidden, shown_by

from coffrify_webhooks import ConfigurationError, Receiver, Router, StoreUnavailable, sign
from coffrify_webhooks.dispatch.dbos import DBOSDispatcher
from coffrify_webhooks.endpoint import endpoint
from coffrify_webhooks.stores import open_store
from coffrify_webhooks.stores.url import hide_passwords, mask
from coffrify_webhooks.testing import deliver

SECRET = "whsec_" + "5ec3e7" * 11
BODY = b'{"id": "evt_1", "type": "ping", "data": {}}'
PASSWORD = "hunter2hunter2"
URL = f"postgresql://shop:{PASSWORD}@127.0.0.1:1/shop"


@pytest.mark.parametrize(
    "url",
    [f"mongodb://a:{PASSWORD}@h/x", f"postgresql://a:{PASSWORD}@h:x/x", f"redis://:{PASSWORD}@h:x"],
)
def test_the_password_of_a_store_stands_in_no_frame(url: str) -> None:
    """An unusable URL is refused without its password, in the error and in every frame."""
    for call in (lambda: open_store(url), lambda: Receiver(SECRET, store=url)):
        with pytest.raises(Exception) as raised:  # noqa: PT011 - any
            call()
        assert_hidden(raised.value, PASSWORD)


@pytest.mark.parametrize(
    "url",
    [
        *(
            f"postgresql://shop:{PASSWORD}@127.0.0.1:1/shop",
            f"mysql://shop:{PASSWORD}@127.0.0.1:1/x",
        ),
        *(
            f"postgresql+asyncpg://shop:{PASSWORD}@127.0.0.1:1/shop",
            f"redis://:{PASSWORD}@127.0.0.1:1",
        ),
        f"postgresql+psycopg_async://shop:{PASSWORD}@127.0.0.1:1/shop",
        f"postgresql://127.0.0.1:1/shop?user=shop&password={PASSWORD}",
        f"redis://127.0.0.1:1/0?password={PASSWORD}",
    ],
)
def test_a_store_that_does_not_answer_shows_no_password(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The driver's frames, which hold what it connects with, are in no error and no log record."""
    router = Router()
    router.on("*")(print)
    receiver = Receiver(SECRET, store=url, router=router)
    replies = [
        receiver.receive(BODY, sign(BODY, SECRET)),
        asyncio.run(receiver.receive_async(BODY, sign(BODY, SECRET))),
    ]
    assert [reply.outcome for reply in replies] == ["unavailable", "unavailable"]
    with pytest.raises(StoreUnavailable) as raised:
        open_store(url).get("k" * 64)
    shown: list[str] = []
    for error in (raised.value, *(reply.error for reply in replies)):
        assert isinstance(error, StoreUnavailable)
        assert error.__cause__ is not None  # what is wrong is still told
        shown += shown_by(error)
    for record in caplog.records:
        shown += [record.getMessage(), repr(vars(record))]
        if record.exc_info and record.exc_info[1]:
            shown += shown_by(record.exc_info[1])
    assert [each[:200] for each in shown if PASSWORD in each] == []


@pytest.mark.parametrize(
    "url",
    [
        *(f"redis://h/0?password={PASSWORD}@{PASSWORD}", f"postgresql://u:{PASSWORD}?x@h/db"),
        *(f"redis://h/0#password={PASSWORD}", f"postgresql://h/db;password={PASSWORD}"),
        *(f"postgresql://u:{PASSWORD}/{PASSWORD}@h/db", f"postgresql://u:a@{PASSWORD}@h/db"),
        *(f"host=h user=u password={PASSWORD}", f"user:{PASSWORD}@h/db", f"//u:{PASSWORD}@h/db"),
        *(f"postgresql:u:{PASSWORD}@h", f"sqlite:///x.db?key={PASSWORD}"),
        *(
            f"unix:///s.sock?password={PASSWORD}",
            f"mysql://h/db?password={PASSWORD}&charset=utf8mb4",
        ),
    ],
)
def test_a_password_is_hidden_wherever_it_stands(url: str, tmp_path: Path) -> None:
    """In the query, behind other separators, in what is no URL: masked, and in no frame."""
    assert PASSWORD not in repr(mask(url))
    assert PASSWORD not in repr(mask(url)[: len(url) - 1]) + repr(mask(url)[-40:])
    assert mask(url) == url
    calls: list[Callable[[], object]] = [
        lambda: open_store(url).get("k" * 64),
        lambda: Receiver(SECRET, store=url).store.get("k" * 64),
        lambda: endpoint({"SECRETS": SECRET, "STORE": url}, folder=tmp_path, kind=Receiver),
    ]
    if not url.startswith("sqlite"):  # which has no passwords, and is told so by a warning
        calls.append(lambda: Receiver(SECRET, store="memory:", dispatcher=f"dbos+{url}"))
    for call in calls:
        try:
            call()
        except Exception as error:
            assert_hidden(error, PASSWORD)


@pytest.mark.parametrize("query", ["charset=d@e", "no_such_option=1", "charset=utf8&port=x"])
def test_an_option_that_the_driver_does_not_know_is_told_at_once(query: str) -> None:
    """Whatever the driver raises is a mistake in the URL, and its frames are dropped."""
    with pytest.raises(ConfigurationError, match="the options of the store's URL") as raised:
        open_store(f"mysql://shop:{PASSWORD}@127.0.0.1:1/shop?{query}")
    assert_hidden(raised.value, PASSWORD)


def test_the_password_of_an_engine_stands_in_no_frame() -> None:
    """An unusable URL of DBOS, given to the dispatcher or to a receiver."""
    url = f"postgresql://a:{PASSWORD}@[h"
    for call in (
        lambda: DBOSDispatcher(url),
        lambda: Receiver(SECRET, store="memory:", dispatcher=f"dbos+{url}"),
    ):
        with pytest.raises(ConfigurationError) as raised:
            call()
        assert_hidden(raised.value, PASSWORD)


def test_the_password_in_a_url_that_does_not_answer_is_not_repeated() -> None:
    """The testing kit names host and path of a server that is not there."""
    with pytest.raises(ConfigurationError) as raised:
        deliver(f"http://shop:{PASSWORD}@127.0.0.1:1/hook", "ping", secret=SECRET)
    assert "http://127.0.0.1:1/hook" in str(raised.value)
    assert PASSWORD not in str(raised.value)


def test_settings_show_no_password() -> None:
    """URLs in a framework's settings are the same texts, and their repr hides the password."""
    settings = {"STORE": URL, "DISPATCHER": f"dbos+{URL}?password={PASSWORD}", "PATH": "/x"}
    assert hide_passwords(settings) is settings
    assert settings["STORE"] == URL
    assert PASSWORD not in repr(settings)
    assert "postgresql://***@127.0.0.1:1/shop" in repr(settings)
    for kept in ({"STORE": "memory:"}, {"STORE": None}, {"STORE": "sqlite:///a.db"}, {}, None):
        assert repr(hide_passwords(kept)) == repr(kept)
