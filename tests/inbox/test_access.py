"""Nobody enters the inbox unless the user's code says so, and no other site acts in it."""

import logging
from typing import Any

import pytest
from tests.inbox.visitor import Answer, Shop, Visitor

from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.inbox import InboxRequest, inbox_app

PATHS = (
    "/",
    "/rows",
    "/health",
    "/handlers",
    "/refused",
    "/drift",
    "/static/pages.css",
    "/nothing",
    "",
)


@pytest.mark.parametrize("given", [None, "admin", True])
def test_an_inbox_without_a_function_to_authorize_is_refused(given: Any) -> None:
    """The error names the option, and what it takes."""
    with pytest.raises(ConfigurationError, match=r"inbox_app\(authorize=\.\.\.\) takes a function"):
        inbox_app(Shop().receiver, authorize=given)
    with pytest.raises(ConfigurationError, match="takes your Receiver"):
        inbox_app(Shop, authorize=lambda _request: True)  # type: ignore[arg-type]


@pytest.mark.parametrize("session", ["", "wrong"])
def test_no_page_is_shown_without_the_right_session(session: str) -> None:
    """Neither pages nor actions nor files answer, and the refusal says nothing of them."""
    shop = Shop()
    key = shop.stored.put("evt_1", "failed")
    visitor = Visitor(shop.inbox(bodies=True), session=session)
    answers = [visitor.get(path) for path in (*PATHS, f"/event/{key}")]
    answers.append(visitor.post("/forget", [("key", key), ("confirmed", "yes")]))
    assert {answer.status for answer in answers} == {403}
    assert {answer.text for answer in answers} == {"You may not see this inbox.\n"}
    assert shop.receiver.store.get(key) is not None


def _raises(_request: InboxRequest) -> bool:
    raise RuntimeError("session=very-secret")


async def _raises_later(_request: InboxRequest) -> bool:
    raise RuntimeError("session=very-secret")


def _forgets_to_await(request: InboxRequest) -> Any:
    return _raises_later(request)


@pytest.mark.parametrize(
    ("authorize", "told"),
    [
        (_raises, "RuntimeError"),
        (_raises_later, "RuntimeError"),
        (lambda _request: None, "NoneType"),
        (lambda _request: "no", "str"),
        (lambda _request: 1, "int"),
        (_forgets_to_await, "coroutine"),
    ],
)
def test_whatever_is_not_true_refuses_and_is_logged_without_its_text(
    authorize: Any, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    """An authorize that raises, or forgets to return or to await, lets nobody in."""
    caplog.set_level(logging.ERROR, "coffrify_webhooks")
    visitor = Visitor(inbox_app(Shop().receiver, authorize=authorize))
    assert visitor.get("/").status == 403
    assert told in caplog.text
    assert "very-secret" not in caplog.text


@pytest.mark.parametrize(
    ("authorize", "told"),
    [
        (_raises, "RuntimeError"),
        (_raises_later, "RuntimeError"),
        (lambda _request: None, "NoneType"),
        (lambda _request: 1, "int"),
        (_forgets_to_await, "coroutine"),
        (lambda request: request.source["session"], "KeyError"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_whatever_is_not_true_refuses_on_an_event_loop_too(
    authorize: Any, told: str, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    from starlette.testclient import TestClient

    caplog.set_level(logging.ERROR, "coffrify_webhooks")
    inbox = inbox_app(Shop().receiver, authorize=authorize, bodies=lambda _request: True)
    assert TestClient(inbox).request(method, "/forget").status_code == 403
    assert told in caplog.text
    assert "very-secret" not in caplog.text


@pytest.mark.parametrize("asked", ["sync", "async"])
def test_a_second_permission_that_fails_shows_no_body_and_still_the_page(asked: str) -> None:
    shop = Shop()
    key = shop.stored.put("evt_1", "failed")
    raises = _raises if asked == "sync" else _raises_later
    inbox = inbox_app(shop.receiver, authorize=lambda _request: True, bodies=raises)
    page = Visitor(inbox).get(f"/event/{key}")
    assert page.status == 200
    assert "tr_1" not in page.text
    assert "Bodies are hidden" in page.text


def test_an_async_authorize_is_awaited_under_wsgi_too() -> None:
    """One inbox serves both kinds of servers with the same functions."""

    async def authorize(request: InboxRequest) -> bool:
        return request.method == "GET"

    visitor = Visitor(inbox_app(Shop().receiver, authorize=authorize))
    assert visitor.get("/").status == 200
    assert visitor.post("/forget").status == 403


CROSS_SITE = [
    {"SEC_FETCH_SITE": "cross-site", "ORIGIN": "https://evil.example"},
    {"SEC_FETCH_SITE": "same-site", "ORIGIN": "https://blog.shop.example"},
    {"SEC_FETCH_SITE": "none", "ORIGIN": ""},
    {"SEC_FETCH_SITE": "", "ORIGIN": "https://evil.example"},
    {"SEC_FETCH_SITE": "", "ORIGIN": "https://shop.example.evil.example"},
    {"SEC_FETCH_SITE": "", "ORIGIN": "https://shop.example@evil.example"},
    {"SEC_FETCH_SITE": "", "ORIGIN": "https://shop.example:8443"},
    {"SEC_FETCH_SITE": "", "ORIGIN": "null"},
    {"SEC_FETCH_SITE": "", "ORIGIN": "https://[shop.example"},
    {"SEC_FETCH_SITE": "", "ORIGIN": "shop.example"},
    {"SEC_FETCH_SITE": "", "ORIGIN": ""},
    {"SEC_FETCH_SITE": "same-origin", "ORIGIN": "https://evil.example"},
    {"SEC_FETCH_SITE": "same-origin", "HOST": "evil.example"},
    {"SEC_FETCH_SITE": "", "HOST": "evil.example"},
    {"SEC_FETCH_SITE": "", "HOST": ""},
    {"SEC_FETCH_SITE": "", "ORIGIN": "http://shop.example"},
    {"SEC_FETCH_SITE": "", "ORIGIN": "http://shop.example:443"},
    {"SEC_FETCH_SITE": "", "ORIGIN": "ftp://shop.example"},
]


@pytest.mark.parametrize("headers", CROSS_SITE)
@pytest.mark.parametrize("action", ["/forget", "/replay"])
def test_a_form_of_another_site_changes_nothing(action: str, headers: dict[str, str]) -> None:
    """The browser sends the session along, so where the form comes from has to be looked at."""
    shop = Shop()
    key = shop.stored.put("evt_1", "failed")
    visitor = Visitor(shop.inbox())
    answer = visitor.post(action, [("key", key), ("confirmed", "yes")], **headers)
    assert answer.status == 403
    assert shop.receiver.store.get(key) is not None
    assert shop.seen == []


OWN_FORMS = {
    "origin": {"SEC_FETCH_SITE": ""},
    "site": {"ORIGIN": ""},
    "both": {},
    "case": {"SEC_FETCH_SITE": "", "HOST": "SHOP.example"},
    "port": {"SEC_FETCH_SITE": "", "HOST": "shop.example:443"},
}


@pytest.mark.parametrize("headers", OWN_FORMS.values(), ids=OWN_FORMS)
def test_the_inbox_s_own_form_is_accepted(headers: dict[str, str]) -> None:
    """Older browsers send Origin alone, and some forms Sec-Fetch-Site alone."""
    shop = Shop()
    key = shop.stored.put("evt_1")
    answer = Visitor(shop.inbox()).post("/forget", [("key", key), ("confirmed", "yes")], **headers)
    assert answer.status == 200
    assert shop.receiver.store.get(key) is None


@pytest.mark.parametrize(
    ("origin", "forwarded", "status"),
    [
        ("http", "", 200),
        ("https", "", 200),  # TLS ends at a proxy that does not say so
        ("https", "https", 200),
        ("http", "https", 403),
        ("http", "HTTPS, http", 403),
    ],
)
def test_a_page_without_tls_acts_in_no_inbox_behind_tls(
    origin: str, forwarded: str, status: int
) -> None:
    """Whoever is on the way may serve a page of http://shop.example."""
    shop = Shop()
    key = shop.stored.put("evt_1")
    visitor = Visitor(shop.inbox(), scheme="http")
    answer = visitor.post(
        "/forget",
        [("key", key), ("confirmed", "yes")],
        SEC_FETCH_SITE="",
        ORIGIN=f"{origin}://shop.example",
        X_FORWARDED_PROTO=forwarded,
    )
    assert answer.status == status


def test_fields_that_are_too_many_are_refused_and_not_left_out() -> None:
    """Of a query and of a form; a selection of more events than a page has is refused as well."""
    shop = Shop()
    keys = [shop.stored.put(f"evt_{n}") for n in range(51)]
    visitor = Visitor(shop.inbox())
    refused = visitor.get("/", "status=failed" + "&q=x" * 200)
    assert (refused.status, "more than 200 fields" in refused.text) == (400, True)
    assert visitor.get("/", "status=failed" + "&q=x" * 199).status == 200
    yes = [("confirmed", "yes")]
    refused = visitor.post("/forget", [("key", keys[0])] * 200 + yes)
    assert (refused.status, "more than 200 fields" in refused.text) == (400, True)
    refused = visitor.post("/forget", [("key", key) for key in keys] + yes)
    assert (refused.status, "at most 50 events" in refused.text) == (400, True)
    assert all(shop.receiver.store.get(key) for key in keys)


def test_an_action_is_never_performed_by_a_link() -> None:
    """GET changes nothing, and other methods are not known."""
    shop = Shop()
    key = shop.stored.put("evt_1", "failed")
    visitor = Visitor(shop.inbox())
    for method, status in (("GET", 404), ("HEAD", 404), ("PUT", 405), ("DELETE", 405)):
        answer = visitor.ask(method, "/forget", f"key={key}&confirmed=yes", b"", {})
        assert answer.status == status
    assert shop.receiver.store.get(key) is not None


def _guarded(answer: Answer) -> None:
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_every_answer_carries_the_headers_that_guard_it() -> None:
    """Pages, files, redirects, errors and refusals alike."""
    shop = Shop()
    key = shop.stored.put("evt_1", "failed")
    visitor, stranger = Visitor(shop.inbox()), Visitor(shop.inbox(), session="")
    for path in (*PATHS, f"/event/{key}"):
        _guarded(visitor.get(path))
        _guarded(stranger.get(path))
    _guarded(visitor.post("/replay", [("key", key)]))
    _guarded(visitor.post("/replay", ORIGIN="https://evil.example"))


def test_a_form_that_is_too_large_is_refused_unread() -> None:
    """Its announced length is enough."""
    answer = Visitor(Shop().inbox()).ask(
        "POST", "/forget", "", b"key=" + b"x" * 70_000, {"SEC_FETCH_SITE": "same-origin"}
    )
    assert answer.status == 413
