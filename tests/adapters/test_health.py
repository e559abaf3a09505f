"""The page for monitors: in each framework only when it is asked for, and without any id."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import django
import pytest
from django.conf import settings as django_settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.test import override_settings
from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette
from tests.adapters.requests import Request, Response, send_asgi, send_wsgi
from tests.adapters.suite import PATH, SECRET, make_body

from coffrify_webhooks import Event, Receiver, Router, asgi, sign, wsgi
from coffrify_webhooks.applications.endpoints import endpoints_in
from coffrify_webhooks.fastapi import webhook_router
from coffrify_webhooks.flask import CoffrifyWebhooks
from coffrify_webhooks.starlette import webhook_route
from coffrify_webhooks.stores.memory import MemoryStore
from coffrify_webhooks.testing import deliver

if not django_settings.configured:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.django_settings"
    django.setup()

from coffrify_webhooks.django import CoffrifyWebhooksMiddleware
from coffrify_webhooks.django.asgi import with_webhooks

OURS = f"{CoffrifyWebhooksMiddleware.__module__}.{CoffrifyWebhooksMiddleware.__qualname__}"


class Fails(MemoryStore):
    """A store that does not answer."""

    def stats(self, most: int | None = 0) -> Any:
        raise ConnectionError


def flask(receiver: Receiver, *, health: bool) -> Any:
    app = Flask("example")
    CoffrifyWebhooks(app, receiver, health=health)
    return app


def flask_settings(receiver: Receiver, *, health: bool) -> Any:
    app = Flask("example")
    app.config["COFFRIFY_WEBHOOKS"] = settings(receiver, health=health)
    CoffrifyWebhooks(app)
    return app


def fastapi(receiver: Receiver, *, health: bool) -> Any:
    app = FastAPI()
    app.include_router(webhook_router(receiver, health=health))
    return app


def settings(receiver: Receiver, *, health: bool) -> dict[str, Any]:
    return {
        "SECRETS": SECRET,
        "ROUTER": receiver.router,
        "STORE": receiver.store,
        **({"HEALTH": True} if health else {}),
    }


APPS: dict[str, tuple[Callable[..., Any], Any]] = {
    "flask": (flask, send_wsgi),
    "flask settings": (flask_settings, send_wsgi),
    "wsgi": (
        lambda receiver, *, health: wsgi.CoffrifyWebhooksMiddleware(
            Flask("example").wsgi_app, receiver, health=health
        ),
        send_wsgi,
    ),
    "asgi": (
        lambda receiver, *, health: asgi.CoffrifyWebhooksMiddleware(
            Starlette(), receiver, health=health
        ),
        send_asgi,
    ),
    "starlette": (
        lambda receiver, *, health: Starlette(routes=[webhook_route(receiver, health=health)]),
        send_asgi,
    ),
    "fastapi": (fastapi, send_asgi),
    "django wsgi": (lambda _receiver, **_health: WSGIHandler(), send_wsgi),
    "django asgi": (lambda _receiver, **_health: ASGIHandler(), send_asgi),
    "django urls wsgi": (lambda _receiver, **_health: WSGIHandler(), send_wsgi),
    "django urls asgi": (lambda _receiver, **_health: ASGIHandler(), send_asgi),
    "django with_webhooks": (lambda _receiver, **_health: with_webhooks(ASGIHandler()), send_asgi),
}


@contextmanager
def served(name: str, receiver: Receiver, *, health: bool) -> Iterator[Callable[..., Response]]:
    """Yield what sends a request to the application of a framework."""
    make, send = APPS[name]

    def ask(method: str = "GET", path: str = f"{PATH}/health", body: bytes = b"") -> Response:
        found: Response = send(app, Request(method, path, body, sign(body, SECRET), len(body)))
        return found

    if name.startswith("django"):
        options = settings(receiver, health=health)
        middleware = [] if "urls" in name else [OURS]
        with override_settings(COFFRIFY_WEBHOOKS=options, MIDDLEWARE=middleware):
            app = make(receiver, health=health)
            yield ask
        return
    app = make(receiver, health=health)
    yield ask


def receiver_on(store: MemoryStore) -> Receiver:
    router = Router()

    @router.on("*")
    def handle(event: Event) -> None: ...

    return Receiver(SECRET, router=router, store=store)


@pytest.mark.parametrize("name", APPS)
def test_a_monitor_is_answered_where_it_is_asked_for(name: str) -> None:
    """200 with counts and times, 405 for anything but GET; deliveries go on as before."""
    with served(name, receiver_on(MemoryStore()), health=True) as ask:
        body = make_body()
        sent = ask("POST", PATH, body)
        assert sent.status == 200
        for path in (f"{PATH}/health", f"{PATH}/health/"):
            answer = ask(path=path)
            assert answer.status == 200
            found = json.loads(answer.body)
            assert set(found) == {
                *("ok", "store_ok", "handlers", "last_delivery", "oldest_queued", "counts")
            }
            assert (found["ok"], found["handlers"]) == (True, 1)
            assert found["counts"]["done"] == 1
            assert b"evt_1" not in answer.body
        assert ask("POST", body=body).status == 405


def test_the_page_for_monitors_is_no_endpoint_to_deliver_to() -> None:
    """An application that has it still has one endpoint, which the testing kit finds."""
    for make in (flask, fastapi):
        app = make(receiver_on(MemoryStore()), health=True)
        assert deliver(app, "transfer.created").outcome == "handled"
        assert [each.path for each in endpoints_in(app)] == [PATH]


@pytest.mark.parametrize("name", APPS)
def test_a_store_that_fails_is_a_503(name: str) -> None:
    """And says no more about it."""
    with served(name, receiver_on(Fails()), health=True) as ask:
        answer = ask()
        assert answer.status == 503
        assert json.loads(answer.body)["store_ok"] is False


@pytest.mark.parametrize("name", APPS)
def test_nobody_is_answered_unless_asked_for(name: str) -> None:
    """The page is not there."""
    with served(name, receiver_on(MemoryStore()), health=False) as ask:
        assert ask().status == 404


@pytest.mark.parametrize("form", ["middleware", "route", "router"])
def test_an_endpoint_named_health_takes_deliveries_all_the_same(form: str) -> None:
    """Only what is below its own path is the monitors'."""
    receiver, path = receiver_on(MemoryStore()), "/hooks/health"
    app: Any = Starlette()
    if form == "middleware":
        app = asgi.CoffrifyWebhooksMiddleware(app, receiver, path, health=True)
    elif form == "route":
        app = Starlette(routes=[webhook_route(receiver, path, health=True)])
    else:
        app = FastAPI()
        app.include_router(webhook_router(receiver, path, health=True))
    body = make_body()
    request = Request("POST", path, body, sign(body, SECRET), len(body))
    assert send_asgi(app, request).status == 200
    assert send_asgi(app, Request("GET", f"{path}/health", b"", {}, 0)).status == 200


@pytest.mark.parametrize("name", APPS)
def test_a_head_request_of_a_monitor_is_answered_without_content(name: str) -> None:
    """Where the application has to leave it out; ASGI servers and Django's do so themselves."""
    with served(name, receiver_on(MemoryStore()), health=True) as ask:
        answer = ask("HEAD")
        assert answer.status == 200
        if APPS[name][1] is send_wsgi and "django" not in name:
            assert answer.body == b""
