"""Django: what stands in front of the endpoint, and the ASGI wrapper that stands before all."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import django
import pytest
from django.conf import settings as django_settings
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import clear_script_prefix, include, path, re_path, set_script_prefix
from tests.adapters.listening import exchange, head, uvicorn
from tests.adapters.suite import PATH, SECRET, make_body

from coffrify_webhooks import Router, sign

if not django_settings.configured:
    import os

    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.django_settings"
    django.setup()

from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from tests.adapters.test_django import _ASGI, OURS

from coffrify_webhooks.django.asgi import with_webhooks
from coffrify_webhooks.testing import deliver
from coffrify_webhooks_django.conf import current_endpoint
from coffrify_webhooks_django.placement import check_placement, served_path

SECURITY = "django.middleware.security.SecurityMiddleware"
COMMON = "django.middleware.common.CommonMiddleware"
HERE = __name__


class ReadsForm:
    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> Any:
        self.form = request.POST
        return self.get_response(request)


def reads_body(get_response: Any) -> Any:
    def middleware(request: HttpRequest) -> Any:
        request.read()
        return get_response(request)

    return middleware


class ReadsLater:
    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> Any:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_: Any) -> None:
        self.form = request.POST


def everything(request: HttpRequest) -> HttpResponse:
    return HttpResponse("swallowed")


class _Urls:
    def __init__(self, *patterns: Any) -> None:
        self.urlpatterns = list(patterns)


OUR_URLS = path("webhooks/", include("coffrify_webhooks.django.urls"))
SWALLOWED = _Urls(re_path(r"^.*$", everything), OUR_URLS)
ELSEWHERE = _Urls(path("other/", include("coffrify_webhooks.django.urls")))
NO_URLS = _Urls()


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    current_endpoint.cache_clear()
    options = {"SECRETS": SECRET, "STORE": "memory:", "ROUTER": Router()}
    with override_settings(COFFRIFY_WEBHOOKS=options, ROOT_URLCONF=_Urls(OUR_URLS)):
        yield
    current_endpoint.cache_clear()


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"MIDDLEWARE": [OURS, SECURITY], "SECURE_SSL_REDIRECT": True}, []),
        ({"MIDDLEWARE": [SECURITY, OURS], "SECURE_SSL_REDIRECT": True}, ["W003"]),
        ({"MIDDLEWARE": [SECURITY, OURS]}, []),
        ({"MIDDLEWARE": [COMMON, OURS], "PREPEND_WWW": True}, ["W003"]),
        ({"MIDDLEWARE": [f"{HERE}.ReadsForm", OURS]}, ["W004"]),
        ({"MIDDLEWARE": [f"{HERE}.reads_body", OURS]}, ["W004"]),
        ({"MIDDLEWARE": [f"{HERE}.ReadsLater", OURS]}, []),
        ({"MIDDLEWARE": [OURS, f"{HERE}.reads_body"]}, []),
        ({"MIDDLEWARE": [OURS, OURS]}, ["W005"]),
        ({"MIDDLEWARE": [OURS], "ROOT_URLCONF": _Urls(OUR_URLS)}, ["W005"]),
        ({"MIDDLEWARE": [OURS], "ROOT_URLCONF": ELSEWHERE}, []),
        ({"MIDDLEWARE": [], "ROOT_URLCONF": _Urls(OUR_URLS)}, []),
        ({"MIDDLEWARE": [], "ROOT_URLCONF": SWALLOWED}, ["W006"]),
        (
            {
                "MIDDLEWARE": [SECURITY],
                "ROOT_URLCONF": _Urls(OUR_URLS),
                "SECURE_SSL_REDIRECT": True,
            },
            ["W003"],
        ),
        (
            {
                "MIDDLEWARE": [SECURITY],
                "ROOT_URLCONF": _Urls(OUR_URLS),
                "SECURE_SSL_REDIRECT": True,
                "SECURE_REDIRECT_EXEMPT": [r"^webhooks/coffrify/?$"],
            },
            [],
        ),
    ],
)
def test_what_stands_in_front_is_a_system_check(
    changed: dict[str, Any], expected: list[str]
) -> None:
    """A redirect, a reader of bodies, a double, a URL that takes all: each has an id and a hint."""
    with override_settings(**{"ROOT_URLCONF": NO_URLS, **changed}):
        found = check_placement()
    assert [each.id for each in found] == [f"coffrify_webhooks.{number}" for number in expected]
    assert all(each.hint for each in found)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"MIDDLEWARE": []}, None),
        ({"MIDDLEWARE": [OURS]}, "W005"),
        ({"MIDDLEWARE": [], "ROOT_URLCONF": SWALLOWED}, "W006"),
        ({"MIDDLEWARE": [SECURITY], "SECURE_SSL_REDIRECT": True}, "W003"),
        (
            {
                "MIDDLEWARE": [SECURITY],
                "SECURE_SSL_REDIRECT": True,
                "SECURE_REDIRECT_EXEMPT": [r"^shop/webhooks/coffrify/?$"],
            },
            None,
        ),
    ],
)
def test_a_script_name_changes_no_system_check(
    changed: dict[str, Any], expected: str | None
) -> None:
    """Under FORCE_SCRIPT_NAME, which URLs made by `reverse` begin with, all is found as without."""
    set_script_prefix("/shop/")  # as django.setup() does
    try:
        with override_settings(FORCE_SCRIPT_NAME="/shop", **changed):
            found = check_placement()
            assert served_path() == PATH
    finally:
        clear_script_prefix()
    assert [str(each.id)[-4:] for each in found] == ([expected] if expected else [])
    if expected == "W003":
        assert r"^shop/webhooks/coffrify/?$" in str(found[0].hint)


def test_a_delivery_reaches_the_url_under_a_prefix_and_a_script_name() -> None:
    """`deliver` finds the path that counts below the root, whatever the prefix and the server."""
    current_endpoint().receiver.router.on("*")(lambda event: None)
    app = get_wsgi_application()
    set_script_prefix("/shop/")
    try:
        with override_settings(FORCE_SCRIPT_NAME="/shop", MIDDLEWARE=[], ROOT_URLCONF=ELSEWHERE):
            assert deliver(app, "transfer.created", secret=SECRET).outcome == "handled"
    finally:
        clear_script_prefix()


class TestInFrontOfDjango(_ASGI):
    """`with_webhooks(get_asgi_application())`, whatever the middleware and the URLs are."""

    middleware = ("django.middleware.csrf.CsrfViewMiddleware",)

    def build(self, receiver_options: dict[str, Any]) -> Any:
        self.override(receiver_options)
        self.overrides.append(override_settings(ROOT_URLCONF="tests.django_urls"))
        self.overrides[-1].enable()
        return with_webhooks(get_asgi_application())

    def test_a_truncated_body_is_refused(self, app: Any, ran: list[str]) -> None:
        """A body that ends before its Content-Length is answered 400."""
        assert self.send(app, announce=len(make_body()) + 10).status == 400
        assert ran == []

    def test_no_thread_for_what_django_does_is_503(
        self, app: Any, ran: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Django's signals need a thread; without one the reply is ours, and the next is handled.

        (`get_asgi_application()` alone raises before any middleware, and the server answers 500.)
        """
        start = threading.Thread.start

        def failing(thread: threading.Thread) -> None:
            if thread.name.startswith("ThreadPoolExecutor") or "join" in repr(thread):
                raise RuntimeError("can't start new thread")
            start(thread)

        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", failing)
            reply = self.send(app)
        assert (reply.status, json.loads(reply.body)["error"]["code"]) == (503, "overloaded")
        assert reply.headers["retry-after"]
        assert (self.send(app).status, ran) == (200, ["transfer.created evt_1"])


def test_in_front_of_django_junk_is_refused_before_its_body_arrives() -> None:
    """Under a real server, Django itself would wait for the body, and store it."""
    with uvicorn(with_webhooks(get_asgi_application())) as port:
        stale = sign(b"{}", SECRET, timestamp=1_000_000_000)
        assert exchange(port, head({**stale, "Content-Length": "100"}, PATH)).status == 400
