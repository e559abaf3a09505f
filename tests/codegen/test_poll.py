"""Polling: told of each change once, and not stopped by any error."""

import logging
import threading
from typing import Any

import pytest
from tests.codegen.server import KEY, document, serving

from coffrify_webhooks_codegen.catalog import load, poll
from coffrify_webhooks_codegen.errors import PullError, RateLimitedError, RefusedError

ONE, TWO = document("a.b"), document("a.b", "c.d")


class Rounds:
    """Stops after so many rounds, and remembers the waits instead of sleeping."""

    def __init__(self, rounds: int) -> None:
        self.rounds = rounds
        self.waits: list[float] = []

    def is_set(self) -> bool:
        return sum(wait >= 60 for wait in self.waits) >= self.rounds

    def wait(self, timeout: float, /) -> bool:
        self.waits.append(timeout)
        return False


@pytest.fixture
def api():
    with serving() as api:
        yield api


def polled(api, rounds, **options):
    """Poll so often; returns the changes as pairs of types, and the waits."""
    changes = []

    def changed(old, new):
        changes.append(tuple(" ".join(e.type for e in c.events) for c in (old, new)))

    stop = Rounds(rounds)
    options = {"api_key": KEY, "api_url": api.url, "cache": False, "stop": stop, **options}
    poll(60, options.pop("callback", changed), **options)
    return changes, stop.waits


def test_each_change_calls_back_with_both_catalogs(api):
    """Called with the old and the new catalog, once for each change."""
    api.say(200, ONE).say(200, ONE).say(200, TWO).say(200, TWO).say(200, ONE)
    assert polled(api, 6)[0] == [("a.b", "a.b c.d"), ("a.b c.d", "a.b")]
    assert len(api.asked) == 6


def test_order_is_no_change(api):
    """The same catalog in another order is no change."""
    api.say(200, TWO).say(200, document("c.d", "a.b"))
    assert polled(api, 3)[0] == []


def test_the_first_catalog_is_compared_with_a_known_one(api):
    """The first one is compared with a known one, if there is one."""
    assert polled(api.say(200, TWO), 2, known=load(ONE))[0] == [("a.b", "a.b c.d")]


def test_an_unchanged_catalog_costs_no_body(api, tmp_path):
    """A catalog that has not changed costs no body."""
    api.say(200, ONE, ETag='"1"').say(304)
    assert polled(api, 3, cache=tmp_path / "kept.json")[0] == []
    assert [sent.get("if-none-match") for _, sent in api.asked] == [None, '"1"', '"1"']


def test_waits_are_the_interval_and_never_all_alike(api):
    """The waits are the interval and a little more, never all alike."""
    _, waits = polled(api.say(200, ONE), 20)
    assert all(60 <= wait <= 66 for wait in waits)
    assert len(set(waits)) > 10


def test_errors_are_told_once_and_polling_goes_on(api):
    """Errors are told once for each kind until a pull succeeds, and polling goes on."""
    errors: list[Any] = []
    api.say(401).say(401).say(404).say(401).say(200, ONE).say(401).say(200, TWO)
    changes, _ = polled(api, 7, on_error=errors.append)
    assert [error.status for error in errors] == [401, 404, 401]
    assert changes == [("a.b", "a.b c.d")]
    assert isinstance(errors[0], RefusedError)
    assert isinstance(errors[1], PullError)


def test_errors_are_logged_without_traceback_and_key(api, caplog):
    """Without on_error they are logged, without a traceback and without the key."""
    polled(api.say(401, {"error": {"message": KEY}}), 3)
    (record,) = caplog.records
    assert (record.levelno, record.exc_info) == (logging.WARNING, None)
    assert record.name == "coffrify_webhooks.catalog"
    assert "answered 401" in caplog.text
    assert KEY not in caplog.text


@pytest.mark.parametrize(("said", "waited"), [(600, 600), (5, 60), (10**12, 86_400)])
def test_it_holds_back_as_long_as_the_api_wants(api, said, waited):
    """It holds back for as long as the API wants, up to a day."""
    errors: list[Any] = []
    _, waits = polled(api.say(429, X_RateLimit_Reset=said % 10**9), 1, on_error=errors.append)
    assert isinstance(errors[0], RateLimitedError)
    if said < 10**9:
        assert waited <= waits[0] <= waited * 1.1
    api.answers.clear()
    api.asked.clear()
    _, waits = polled(api.say(429, Retry_After=said), 1, on_error=errors.append)
    assert waited <= waits[0] <= waited * 1.1


def test_a_failed_callback_is_called_again(api, caplog):
    """A callback that raised is called again with the same change, and logged once."""
    seen = []

    def callback(old, new):
        seen.append((len(old.events), len(new.events)))
        if len(seen) < 3:
            raise RuntimeError("mine")

    polled(api.say(200, ONE).say(200, TWO), 6, callback=callback)
    assert seen == [(1, 2)] * 3
    assert [record.exc_info[1].args for record in caplog.records] == [("mine",)]


def test_on_error_raises(api, caplog):
    """An on_error that raises ends nothing."""

    def on_error(error):
        raise RuntimeError("mine")

    api.say(401).say(200, ONE).say(200, TWO)
    assert polled(api, 3, on_error=on_error)[0] == [("a.b", "a.b c.d")]
    assert "on_error raised" in caplog.text


@pytest.mark.parametrize("interval", [0, -1, 59.9, float("nan")])
def test_a_short_interval_is_refused(interval):
    """The API is not to be asked all the time."""
    with pytest.raises(ValueError, match="60 seconds or more"):
        poll(interval, print)


def test_a_set_event_ends_the_polling_at_once(api):
    """A set event ends it at once, in a thread of its own."""
    stop, asked = threading.Event(), threading.Event()

    def answer(handler):
        asked.set()
        handler.send_response(404)
        handler.end_headers()

    options = {"api_key": KEY, "api_url": api.do(answer).url, "cache": False, "stop": stop}
    thread = threading.Thread(target=poll, args=(3600, print), kwargs=options, daemon=True)
    thread.start()
    assert asked.wait(5)
    stop.set()
    thread.join(5)
    assert not thread.is_alive()
