"""Django: the middleware and the URLs, sync and async, the checks and the settings."""

import asyncio
import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import django
import pytest
from asgiref.sync import sync_to_async
from django.conf import settings as django_settings
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse
from django.test import AsyncRequestFactory, Client, RequestFactory, override_settings
from tests.adapters.requests import NothingSentError
from tests.adapters.suite import PATH, SECRET, ASGISuite, WSGISuite, make_body

from coffrify_webhooks import ConfigurationError, Event, Notice, Router, sign
from coffrify_webhooks_django.conf import current_endpoint

if not django_settings.configured:
    import os

    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.django_settings"
    django.setup()

from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application

OURS = "coffrify_webhooks.django.CoffrifyWebhooksMiddleware"


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    current_endpoint.cache_clear()
    yield
    current_endpoint.cache_clear()
    connections.close_all()


class _Configured:
    """Builds the application under settings that last for the test."""

    middleware: tuple[str, ...] = ()

    @pytest.fixture(autouse=True)
    def _overrides(self) -> Iterator[None]:
        self.overrides: list[Any] = []
        yield
        for override in reversed(self.overrides):
            override.disable()

    def override(self, receiver_options: dict[str, Any]) -> None:
        options = {name.upper(): value for name, value in receiver_options.items()}
        override = override_settings(COFFRIFY_WEBHOOKS=options, MIDDLEWARE=list(self.middleware))
        override.enable()
        self.overrides.append(override)


class _WSGI(_Configured, WSGISuite):
    takes_chunked_echo = False

    def build(self, receiver_options: dict[str, Any]) -> Any:
        self.override(receiver_options)
        return get_wsgi_application()


class _ASGI(_Configured, ASGISuite):
    def build(self, receiver_options: dict[str, Any]) -> Any:
        self.override(receiver_options)
        return get_asgi_application()

    def test_a_truncated_body_is_refused(self, app: Any, ran: list[str]) -> None:
        """Django itself gives up a request whose sender left before the end, and sends nothing."""
        with pytest.raises(NothingSentError):
            self.send(app, announce=len(make_body()) + 10)
        assert ran == []


class TestMiddlewareUnderWSGI(_WSGI):
    """The middleware, in front of another that would refuse the delivery for its CSRF token."""

    middleware = (OURS, "django.middleware.csrf.CsrfViewMiddleware")


class TestUrlsUnderWSGI(_WSGI):
    """The view behind the CSRF middleware."""

    middleware = ("django.middleware.csrf.CsrfViewMiddleware",)


class TestMiddlewareUnderASGI(_ASGI):
    """The middleware, async."""

    middleware = (OURS, "django.middleware.csrf.CsrfViewMiddleware")


class TestUrlsUnderASGI(_ASGI):
    """The view in Django's ASGI application."""

    middleware = ("django.middleware.csrf.CsrfViewMiddleware",)


@pytest.fixture
def router() -> Router:
    return Router()


@pytest.fixture
def configured(router: Router) -> Iterator[dict[str, Any]]:
    options: dict[str, Any] = {"SECRETS": SECRET, "STORE": "memory:", "ROUTER": router}
    with override_settings(COFFRIFY_WEBHOOKS=options, MIDDLEWARE=[OURS]):
        yield options


def post(client: Client, body: bytes, path: str = PATH, **extra: Any) -> Any:
    extra.setdefault("content_type", "application/json")
    return client.post(path, data=body, headers=sign(body, SECRET), **extra)


def test_csrf_is_enforced_elsewhere_and_not_here(
    router: Router, configured: dict[str, Any]
) -> None:
    """A client that enforces CSRF tokens delivers to the view all the same."""
    router.on("*")(lambda event: None)
    with override_settings(MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware"]):
        assert post(Client(enforce_csrf_checks=True), make_body()).status_code == 200


def test_a_body_that_was_parsed_as_a_form_is_named(configured: dict[str, Any]) -> None:
    """A middleware that streams the request away before us leaves a 500 that names the remedy."""
    from coffrify_webhooks_django.http import receive

    body = make_body()
    headers = sign(body, SECRET)
    request = RequestFactory().post(
        PATH, data=body, content_type="application/json", headers=headers
    )
    request.read(3)  # RawPostDataException for whoever wants .body now
    response = receive(current_endpoint().receiver, request)
    assert response.status_code == 500
    assert "first in MIDDLEWARE" in json.loads(response.content)["error"]["message"]


def test_a_multipart_form_that_was_parsed_is_named(configured: dict[str, Any]) -> None:
    """Reading request.POST of a multipart body leaves a 500 that names the remedy."""
    from coffrify_webhooks_django.http import receive

    request = RequestFactory().post(PATH, data={"a": "b"}, headers=sign(b"", SECRET))
    assert request.POST["a"] == "b"
    assert receive(current_endpoint().receiver, request).status_code == 500


def test_a_body_that_was_read_before_is_still_there(
    router: Router, configured: dict[str, Any]
) -> None:
    """A middleware that read request.body before us does no harm."""
    from coffrify_webhooks_django.http import receive

    router.on("*")(lambda event: None)
    body = make_body()
    request = RequestFactory().post(
        PATH, data=body, content_type="application/json", headers=sign(body, SECRET)
    )
    assert request.body
    request.read()
    assert receive(current_endpoint().receiver, request).status_code == 200


def test_djangos_own_limit_is_a_413_of_ours(configured: dict[str, Any]) -> None:
    """DATA_UPLOAD_MAX_MEMORY_SIZE gives our 413 that names the setting, not Django's 400."""
    with override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=10):
        response = post(Client(), make_body())
    assert response.status_code == 413
    assert "DATA_UPLOAD_MAX_MEMORY_SIZE" in response.json()["error"]["message"]


def test_a_failure_does_not_roll_back_under_atomic_requests(
    router: Router, configured: dict[str, Any]
) -> None:
    """The view runs outside ATOMIC_REQUESTS: no transaction is open around the handlers."""
    seen: list[bool] = []

    @router.on("*")
    def handler(event: Event) -> None:
        seen.append(transaction.get_connection().in_atomic_block)

    connections["default"].settings_dict["ATOMIC_REQUESTS"] = True
    try:
        with override_settings(MIDDLEWARE=[]):
            assert post(Client(), make_body()).status_code == 200
    finally:
        connections["default"].settings_dict["ATOMIC_REQUESTS"] = False
    assert seen == [False]


def test_webhooks_modules_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The `webhooks` module of an installed app is imported, and its handlers run."""
    app = tmp_path / "an_app_with_webhooks"
    app.mkdir()
    (app / "__init__.py").write_text("")
    (app / "webhooks.py").write_text(
        "from an_app_with_webhooks.routing import router\n"
        "seen = []\n"
        "@router.on('transfer.created')\n"
        "def handler(event): seen.append(event.id)\n"
    )
    routing = ModuleType("an_app_with_webhooks.routing")
    routing.router = Router()  # type: ignore[attr-defined]
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(sys.modules, "an_app_with_webhooks.routing", routing)
    options = {"SECRETS": SECRET, "STORE": "memory:", "ROUTER": routing.router}
    with override_settings(
        INSTALLED_APPS=["coffrify_webhooks.django", "an_app_with_webhooks"],
        COFFRIFY_WEBHOOKS=options,
        MIDDLEWARE=[OURS],
    ):
        assert post(Client(), make_body()).status_code == 200
        assert sys.modules["an_app_with_webhooks.webhooks"].seen == ["evt_1"]


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({}, "COFFRIFY_WEBHOOK_SECRET"),
        ({"SECRETS": ""}, "empty"),
        ({"SECRETS": SECRET, "SECRET": "x"}, "did you mean SECRETS"),
        ({"SECRETS": SECRET, "TOLERANCE": 0}, "TOLERANCE"),
        ({"SECRETS": SECRET, "STORE": "oracle://"}, "memory:"),
        ("whsec_x", "must be a dict"),
    ],
)
def test_a_mistake_is_a_system_check(
    options: Any, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings that cannot be used fail `manage.py check` as E001, and name the fix."""
    monkeypatch.delenv("COFFRIFY_WEBHOOK_SECRET", raising=False)
    with override_settings(COFFRIFY_WEBHOOKS=options):
        with pytest.raises(SystemCheckError, match=r"coffrify_webhooks\.E001") as caught:
            call_command("check", databases=["default"])
        assert hint in str(caught.value)


def test_a_mistake_stops_the_server_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """The middleware refuses to be made with settings that cannot be used."""
    with (
        override_settings(COFFRIFY_WEBHOOKS={"SECRETS": ""}, MIDDLEWARE=[OURS]),
        pytest.raises(ConfigurationError),
    ):
        get_wsgi_application()


def test_no_handler_at_all_is_a_warning(
    configured: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """`manage.py check` says W001 when nothing is registered."""
    call_command("check", databases=["default"])
    assert "coffrify_webhooks.W001" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_view_cancelled_by_a_disconnect_still_finishes(
    router: Router, configured: dict[str, Any], kind: str
) -> None:
    """Django cancels a view whose client left; the handler goes on and the event is done."""
    started, go_on, finished = threading.Event(), threading.Event(), threading.Event()

    if kind == "sync":

        @router.on("transfer.created")
        def slow(event: Event) -> None:
            started.set()
            assert go_on.wait(10)
            finished.set()

    else:

        @router.on("transfer.created")
        async def slow_async(event: Event) -> None:
            started.set()
            await sync_to_async(go_on.wait, thread_sensitive=False)(10)
            finished.set()

    async def scenario() -> None:
        from coffrify_webhooks.django import CoffrifyWebhooksMiddleware

        async def get_response(request: HttpRequest) -> HttpResponse:
            return HttpResponse(status=404)

        middleware: Any = CoffrifyWebhooksMiddleware(get_response)
        body = make_body()
        request = AsyncRequestFactory().post(
            PATH, data=body, content_type="application/json", headers=sign(body, SECRET)
        )
        view = asyncio.ensure_future(middleware(request))
        await asyncio.to_thread(started.wait, 10)
        view.cancel()
        with pytest.raises(asyncio.CancelledError):
            await view
        assert not finished.is_set()
        go_on.set()
        (left,) = asyncio.all_tasks() - {asyncio.current_task()}
        await left
        assert finished.is_set()
        again = AsyncRequestFactory().post(
            PATH, data=body, content_type="application/json", headers=sign(body, SECRET)
        )
        assert json.loads((await middleware(again)).content) == {"outcome": "duplicate"}

    asyncio.run(scenario())


def test_worker_threads_give_their_connections_back(
    router: Router, configured: dict[str, Any]
) -> None:
    """A sync handler under ASGI leaves no database connection open in its thread."""
    from coffrify_webhooks_django.conf import DjangoReceiver

    receiver = current_endpoint().receiver
    assert isinstance(receiver, DjangoReceiver)
    left_open: list[bool] = []

    def use_the_database() -> None:
        connections["default"].ensure_connection()

    def work() -> None:
        receiver.in_worker(use_the_database)
        left_open.append(connections["default"].connection is not None)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert left_open == [False]


def test_under_a_script_name_the_urls_reverse() -> None:
    """The URL has a name to reverse."""
    from django.urls import reverse

    assert reverse("coffrify_webhooks:webhook") == "/webhooks/coffrify"


@pytest.mark.parametrize("path", [PATH, f"{PATH}/"])
@pytest.mark.parametrize("middleware", [[], [OURS]], ids=["view", "middleware"])
def test_a_forced_script_name_moves_no_endpoint(
    configured: dict[str, Any], router: Router, middleware: list[str], path: str
) -> None:
    """Behind a proxy that cuts its prefix off FORCE_SCRIPT_NAME is for links alone."""

    @router.on("*")
    def everything(event: Event) -> None: ...

    with override_settings(FORCE_SCRIPT_NAME="/shop", MIDDLEWARE=middleware):
        found = post(Client(), make_body(), path)
    assert (found.status_code, found.json()) == (200, {"outcome": "handled"})


def test_a_get_of_a_consumed_request_is_405(configured: dict[str, Any]) -> None:
    """A method that is not POST is refused whatever became of the body."""
    from coffrify_webhooks_django.http import receive

    request = RequestFactory().get(PATH)
    request.read()
    assert receive(current_endpoint().receiver, request).status_code == 405


def test_overriding_another_setting_keeps_the_receiver(configured: dict[str, Any]) -> None:
    """Only a change of COFFRIFY_WEBHOOKS makes a new receiver."""
    before = current_endpoint().receiver
    with override_settings(DEBUG=True):
        assert current_endpoint().receiver is before


def test_the_warning_of_a_slow_handler_names_the_setting(
    configured: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """It says in Django's words how to get an engine."""
    told = threading.Event()

    def observe(notice: Notice) -> None:
        if notice.kind == "slow_handler":
            told.set()

    configured["ROUTER"].on("*", name="slow")(lambda event: told.wait(60))
    configured |= {
        "SENDER_TIMEOUT": 0.05,
        "OBSERVERS": [observe],
    }
    body = make_body()
    with override_settings(COFFRIFY_WEBHOOKS=configured):
        answer = Client().post(
            PATH, body, content_type="application/json", headers=sign(body, SECRET)
        )
    assert answer.status_code == 200
    (text,) = (each.getMessage() for each in caplog.records if "still running" in each.getMessage())
    assert 'to an engine, settings.COFFRIFY_WEBHOOKS = {"DISPATCHER": ...}, or' in text


def test_the_missing_secret_names_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a secret the remedy is in Django's words."""
    monkeypatch.delenv("COFFRIFY_WEBHOOK_SECRET", raising=False)
    with (
        override_settings(COFFRIFY_WEBHOOKS={}),
        pytest.raises(ConfigurationError, match=r"settings\.COFFRIFY_WEBHOOKS = "),
    ):
        current_endpoint()
