"""The management API when it fails, is slow, pages oddly or answers in another form."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from tests.crash_reports import assert_hidden

from coffrify_webhooks import ConfigurationError
from coffrify_webhooks.management import api as api_module
from coffrify_webhooks.management.api import ApiError, ManagementApi
from coffrify_webhooks.management.endpoints import Endpoints
from coffrify_webhooks.reconcile import CoffrifyHistory, HistoryError
from coffrify_webhooks_codegen.catalog.client import pull
from coffrify_webhooks_codegen.errors import CatalogError

KEY = "cfy_test_0123456789abcdef"
SECRET = "whsec_" + "a1" * 32


class Odd(BaseHTTPRequestHandler):
    """Answers each request by the next of `answers`, and by the last one again and again."""

    answers: list[Any]
    asked: list[str]
    bodies: list[bytes]

    def respond(self) -> None:
        self.asked.append(f"{self.command} {self.path}")
        self.bodies.append(self.rfile.read(int(self.headers.get("Content-Length", "0"))))
        chosen = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if callable(chosen):
            chosen(self)
            return
        status, headers, document = chosen
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PATCH = do_DELETE = respond  # noqa: N815 - as `http.server` calls them

    def log_message(self, *_: Any) -> None: ...


class Server:
    """A real server, and what is to be said of each call: nothing sleeps for real."""

    def __init__(self, url: str, kind: type[Odd]) -> None:
        self.kind = kind
        self.url = url
        self.slept: list[float] = []
        self.api = ManagementApi(KEY, url, sleep=self.slept.append)
        self.endpoints = Endpoints(self.api)

    def say(self, *answers: Any) -> None:
        self.kind.answers = list(answers)


@pytest.fixture
def server() -> Iterator[Server]:
    kind = type("Api", (Odd,), {"answers": [], "asked": [], "bodies": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as listening:
        listening.daemon_threads = True
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield Server(f"http://127.0.0.1:{listening.server_port}/v1", kind)
        listening.shutdown()
        thread.join()


def page(*entries: object, cursor: object = None) -> tuple[int, dict[str, str], object]:
    return 200, {}, {"data": list(entries), "has_more": cursor is not None, "next_cursor": cursor}


def broken(handler: BaseHTTPRequestHandler) -> None:
    """Close the connection without an answer."""
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


LIMITED = (429, {"Retry-After": "7"}, {"error": {"code": "rate_limited", "message": "slow down"}})
AWAY: tuple[int, dict[str, str], object] = (503, {}, {"error": {"message": "we are away"}})
ONE = {"id": "w1", "url": "https://shop.example/hook", "events": ["ping"], "is_active": True}
CALLS: dict[str, Callable[[Endpoints], object]] = {
    "create": lambda each: each.create("https://shop.example/", "shop", ["ping"]),
    "rotate": lambda each: each.rotate("w1", 24),
    "delete": lambda each: each.delete("w1"),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("answer", [broken, AWAY], ids=["cut off", "503"])
def test_what_must_not_be_done_twice_is_sent_once(server: Server, name: str, answer: Any) -> None:
    """It is not known whether it was done, and the error says so."""
    server.say(answer)
    with pytest.raises(ApiError, match="not known whether it was done"):
        CALLS[name](server.endpoints)
    assert len(server.kind.asked) == 1


UNREADABLE: dict[str, Any] = {
    "no JSON": (200, {}, b"<html>all is well</html>"),
    "a list": (201, {}, []),
    "empty": (204, {}, b""),
    "too large": (200, {}, b" " * 1001),
    "a redirect": (307, {"Location": "/v1/other"}, {}),
}


@pytest.mark.parametrize("answer", UNREADABLE)
@pytest.mark.parametrize("name", CALLS)
def test_an_answer_that_cannot_be_read_may_be_that_of_a_change_that_was_made(
    server: Server, monkeypatch: pytest.MonkeyPatch, name: str, answer: str
) -> None:
    """A 4xx is a plain refusal."""
    monkeypatch.setattr(api_module, "_MOST_BYTES", 1000)
    server.say(UNREADABLE[answer])
    with pytest.raises(ApiError, match="not known whether it was done"):
        CALLS[name](server.endpoints)
    assert len(server.kind.asked) == 1
    server.say((409, {}, {"error": {"message": "not now"}}))
    with pytest.raises(ApiError, match=r"not now$"):
        CALLS[name](server.endpoints)


@pytest.mark.parametrize("name", CALLS)
def test_a_limit_of_requests_is_waited_for_as_nothing_was_done(server: Server, name: str) -> None:
    made = {"webhook": ONE, "secret": SECRET}
    server.say(LIMITED, LIMITED, (200, {}, made))
    CALLS[name](server.endpoints)
    assert server.slept == [7, 7]


def test_a_limit_that_never_ends_is_given_up_and_told(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After ten minutes of waiting at most, by the clock that the waits move."""
    moment = [0.0]
    monkeypatch.setattr(api_module, "monotonic", lambda: moment[0])
    server.api._sleep = lambda seconds: moment.__setitem__(0, moment[0] + seconds)
    server.say((429, {"Retry-After": "100000"}, {}))
    with pytest.raises(ApiError, match="answered 429"):
        server.endpoints.list()
    assert moment[0] <= 600


def test_a_read_that_fails_is_tried_again_and_then_told(server: Server) -> None:
    server.say(AWAY, broken, page(ONE))
    assert [each.id for each in server.endpoints.list()] == ["w1"]
    server.say(AWAY)
    with pytest.raises(ApiError, match="answered 503: we are away"):
        server.endpoints.list()
    assert len(server.slept) == 2 + 5


def test_a_slow_answer_ends_with_the_time_that_a_call_has(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that drips for ever, byte by byte, as well."""
    ended = threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        try:
            while not ended.wait(0.01):
                handler.wfile.write(b" ")
        except OSError:
            handler.close_connection = True

    monkeypatch.setattr(api_module, "_PATIENCE", 0.3)
    server.say(drip)
    with pytest.raises(ApiError, match="took too long"):
        server.endpoints.list()
    ended.set()


def test_a_huge_answer_is_refused(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_module, "_MOST_BYTES", 1000)
    server.say((200, {}, b" " * 1001))
    with pytest.raises(ApiError, match="too large"):
        server.endpoints.list()


def test_pages_of_endpoints_are_followed_until_nothing_is_new(server: Server) -> None:
    """Entries that repeat are one, odd ones are left out, and a circle of cursors ends."""
    two, three = {"id": "w2", "events": "all", "success_count": "many"}, {"id": "w3", "url": 5}
    server.say(
        page(ONE, None, {"id": 5}, two, cursor="a"),
        page(two, three, cursor="b"),
        page(ONE, cursor="a"),
    )
    found = server.endpoints.list()
    assert [each.id for each in found] == ["w1", "w2", "w3"]
    assert (found[1].events, found[1].successes, found[2].url) == ((), None, "")
    assert server.kind.asked == [
        f"GET /v1/webhooks{more}" for more in ("", "?cursor=a", "?cursor=b")
    ]


def test_pages_without_end_are_given_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_module, "_MOST_PAGES", 3)
    pages = [page({"id": f"w{n}", "url": "u"}, cursor=f"c{n}") for n in range(5)]
    server.say(*pages)
    with pytest.raises(ApiError, match="more than 3 pages"):
        server.endpoints.list()


FORMS: dict[str, tuple[object, str]] = {
    "not JSON": (b"<html>", "not a JSON object"),
    "deep": (b"[" * 100_000, "not a JSON object"),
    "a list": ([], "not a JSON object"),
    "no data": ({"webhooks": []}, "no list `data`"),
    "no ids": ({"data": [{"uuid": 1}]}, "has an unknown format"),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_list_in_another_form_is_an_error_and_not_an_empty_list(
    server: Server, name: str
) -> None:
    document, says = FORMS[name]
    server.say((200, {}, document))
    with pytest.raises(ApiError, match=says):
        server.endpoints.list()


def test_deliveries_in_another_form_are_an_error_and_not_none(server: Server) -> None:
    """Else a reconciliation would report that nothing is missing."""
    server.say(page({"id": "w1"}), page({"uuid": "d1", "event": {"id": "e1"}}))
    with pytest.raises(HistoryError, match="has an unknown format"):
        list(CoffrifyHistory(KEY, server.url, endpoint="w1").deliveries(0))


def test_a_secret_that_did_not_come_is_told_with_what_was_done(server: Server) -> None:
    server.say((201, {}, {"webhook": ONE}))
    with pytest.raises(ApiError, match="w1 was created, but the answer has no secret"):
        server.endpoints.create("https://shop.example/", "shop", ["ping"])
    server.say((200, {}, {"secret": "two\nlines"}))
    with pytest.raises(ApiError, match="was rotated, but the answer has no secret") as raised:
        server.endpoints.rotate("w1", 24)
    assert "two" not in str(raised.value)


def test_a_test_delivery_that_is_not_told_of_is_unknown(server: Server) -> None:
    for document in ({}, {"delivery": 5}, {"delivery": {"id": 7, "response_status": True}}):
        server.say((200, {}, document))
        found = server.endpoints.test("w1")
        assert (found.id, found.was_tried) == (None, False)


def test_the_key_is_in_no_error_and_no_repr(server: Server) -> None:
    """Whatever the API repeats of it."""
    for status, error in ((400, ApiError), (401, ConfigurationError), (500, ApiError)):
        server.say((status, {}, {"error": {"code": KEY, "message": f"no {KEY.upper()} here"}}))
        with pytest.raises(error) as raised:
            server.endpoints.list()
        assert KEY not in str(raised.value).lower()
    assert KEY not in repr(server.api) + repr(vars(CoffrifyHistory(KEY, server.url))["_api"])


def broken_off(handler: Odd) -> None:
    handler.connection.close()


@pytest.mark.parametrize(
    "answer",
    [*((status, {}, {"error": {"message": KEY}}) for status in (400, 401, 500)), broken_off],
)
def test_the_key_is_in_no_frame_of_an_error(server: Server, answer: Any) -> None:
    """A crash reporter keeps the locals of ours and of what we call: the key is masked in all."""
    server.say(answer)
    calls: list[Callable[[], object]] = [
        lambda: ManagementApi(KEY, server.url).call("GET", "/x", within=5),
        lambda: list(CoffrifyHistory(KEY, server.url, endpoint="w1").deliveries(0)),
        lambda: ManagementApi(KEY, "http://shop.example"),
        lambda: CoffrifyHistory(f"{KEY} x", server.url),
        lambda: pull(KEY, server.url, cache=False, attempts=1),
        lambda: pull(f"{KEY} x", server.url, cache=False),
    ]
    for call in calls[:2] if callable(answer) else calls:
        with pytest.raises((ConfigurationError, ApiError, HistoryError, CatalogError)) as raised:
            call()
        assert_hidden(raised.value, KEY)


LEAK = (
    f"bad secret {SECRET}, key cfy_live_0123456789, Authorization: Bearer abcdefgh12345678, "
    "https://me:pass-word@shop.example/\x1b]0;owned\x07\x1b[2J\nforged line\u202e"
)
_HIDDEN = (SECRET, "cfy_live", "abcdefgh", "pass-word", "\x1b", "\x07", "\n", "\u202e")


@pytest.mark.parametrize("status", [400, 401, 404, 429, 503])
def test_what_the_api_says_is_shown_without_secrets_and_escapes(
    server: Server, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of any kind, why a pause is made, and how a test delivery failed."""
    monkeypatch.setattr(api_module, "_PATIENCE", 5.0)
    told: list[str] = []
    server.api._on_wait = lambda why, _: told.append(why)
    error = {"error": {"code": LEAK, "message": LEAK, "param": LEAK}}
    server.say((status, {"X-Request-Id": "r1", "Retry-After": "600"}, error))
    with pytest.raises((ApiError, ConfigurationError)) as raised:
        server.endpoints.list()
    server.say((200, {}, {"delivery": {"id": "d1", "error": LEAK}}))
    found = server.endpoints.test("w1")
    for text in (str(raised.value), found.error, *told):
        assert text is not None
        assert "bad secret (a secret)" in text
        assert not any(each in text for each in _HIDDEN), text


def test_what_the_api_calls_its_endpoints_is_shown_on_one_line(server: Server) -> None:
    server.say(page({"id": f"w{LEAK}", "url": LEAK}, {"id": "w2"}))
    for text in (None, "other"):
        with pytest.raises(ConfigurationError) as raised:
            server.endpoints.choose(text)
        assert not any(each in str(raised.value) for each in _HIDDEN)
        assert "w2" in str(raised.value)


def test_a_redirect_of_a_change_is_not_followed(server: Server) -> None:
    """It could lead elsewhere, and the key with it."""
    server.say((307, {"Location": "/v1/other"}, {}))
    with pytest.raises(ApiError, match="answered 307"):
        server.endpoints.rotate("w1", 24)
    assert len(server.kind.asked) == 1


def test_an_endpoints_id_is_quoted_in_a_path(server: Server) -> None:
    server.say(page())
    assert server.endpoints.delivery("a/b?c", "d") is None
    assert server.kind.asked == ["GET /v1/webhooks/a%2Fb%3Fc/deliveries?limit=50"]
