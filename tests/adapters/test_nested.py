"""The endpoint in an application that is mounted in another: handled there, not redirected."""

from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from flask import Blueprint, Flask
from starlette.applications import Starlette
from starlette.routing import Host, Mount
from starlette.routing import Router as StarletteRouter
from starlette.testclient import TestClient
from tests.adapters.served import receiver
from tests.adapters.suite import SECRET, make_body
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from coffrify_webhooks import sign
from coffrify_webhooks.asgi import CoffrifyWebhooksMiddleware
from coffrify_webhooks.fastapi import webhook_router
from coffrify_webhooks.flask import CoffrifyWebhooks
from coffrify_webhooks.starlette import webhook_route
from coffrify_webhooks.wsgi import CoffrifyWebhooksMiddleware as WSGIMiddleware

HOOK = "/webhooks/coffrify"
every_slash = pytest.mark.parametrize("slash", ["", "/"])


def starlette() -> Starlette:
    return Starlette(routes=[webhook_route(receiver("route"))])


def with_middleware() -> Starlette:
    app = Starlette()
    app.add_middleware(CoffrifyWebhooksMiddleware, receiver=receiver("middleware"))
    return app


def fastapi() -> FastAPI:
    app = FastAPI()
    app.include_router(webhook_router(receiver("router")), prefix="/v1")
    return app


def below(app: Any) -> FastAPI:
    outer = FastAPI()
    outer.mount("/in", app)
    return outer


ASGI: dict[str, tuple[Callable[[], Any], str]] = {
    "mount": (lambda: Starlette(routes=[Mount("/in", app=starlette())]), f"/in{HOOK}"),
    "mounted middleware": (
        lambda: Starlette(routes=[Mount("/in", app=with_middleware())]),
        f"/in{HOOK}",
    ),
    "mount in mount": (
        lambda: Starlette(routes=[Mount("/a", routes=[Mount("/b", app=starlette())])]),
        f"/a/b{HOOK}",
    ),
    "mount with a parameter": (
        lambda: Starlette(routes=[Mount("/{shop}", app=starlette())]),
        f"/north{HOOK}",
    ),
    "host": (
        lambda: Starlette(routes=[Host("hooks.example", app=starlette())]),
        f"http://hooks.example{HOOK}",
    ),
    "host with a parameter": (
        lambda: Starlette(
            routes=[Host("{shop}.example", app=StarletteRouter([webhook_route(receiver("host"))]))]
        ),
        f"http://north.example{HOOK}",
    ),
    "mount below a host": (
        lambda: Starlette(
            routes=[Host("a.example", app=Starlette(routes=[Mount("/in", app=with_middleware())]))]
        ),
        f"http://a.example/in{HOOK}",
    ),
    "sub-application": (lambda: below(fastapi()), f"/in/v1{HOOK}"),
    "sub-application of another kind": (lambda: below(with_middleware()), f"/in{HOOK}"),
}


@every_slash
@pytest.mark.parametrize("name", ASGI)
def test_a_mounted_asgi_application_takes_deliveries(name: str, slash: str) -> None:
    """By `Mount`, `Host` or as a sub-application, with a trailing slash and without."""
    make, url = ASGI[name]
    body = make_body()
    with TestClient(make()) as client:
        found = client.post(
            url + slash, content=body, headers=sign(body, SECRET), follow_redirects=False
        )
    assert (found.status_code, found.json()) == (200, {"outcome": "handled"})


@every_slash
def test_a_servers_root_path_comes_before_those_of_mounts(slash: str) -> None:
    """As `uvicorn --root-path /api` passes it on."""
    body = make_body()
    with TestClient(below(fastapi()), root_path="/api") as client:
        found = client.post(
            f"/api/in/v1{HOOK}{slash}",
            content=body,
            headers=sign(body, SECRET),
            follow_redirects=False,
        )
    assert (found.status_code, found.json()) == (200, {"outcome": "handled"})


def flask() -> Flask:
    app = Flask("inner")
    CoffrifyWebhooks(app, receiver("flask"))
    return app


def beside_a_blueprint() -> Flask:
    app = Flask("shop")
    app.register_blueprint(Blueprint("hooks", "hooks", url_prefix="/hooks"))
    CoffrifyWebhooks(app, receiver("flask"), "/hooks/coffrify")
    return app


def dispatch(path: str, app: Any) -> Any:
    return DispatcherMiddleware(Flask("outer"), {path: app})


WSGI: dict[str, tuple[Callable[[], Any], str]] = {
    "dispatcher": (lambda: dispatch("/in", flask()), f"/in{HOOK}"),
    "dispatcher in dispatcher": (
        lambda: dispatch("/a", dispatch("/b", flask())),
        f"/a/b{HOOK}",
    ),
    "middleware within": (
        lambda: dispatch("/in", WSGIMiddleware(Flask("inner"), receiver("wsgi"))),
        f"/in{HOOK}",
    ),
    "middleware around": (
        lambda: WSGIMiddleware(dispatch("/in", Flask("inner")), receiver("wsgi"), "/in/hook"),
        "/in/hook",
    ),
    "beside a blueprint": (beside_a_blueprint, "/hooks/coffrify"),
}


@every_slash
@pytest.mark.parametrize("name", WSGI)
def test_a_mounted_wsgi_application_takes_deliveries(name: str, slash: str) -> None:
    """By Werkzeug's dispatcher, around it, and at the prefix of a blueprint."""
    make, url = WSGI[name]
    body = make_body()
    with httpx2.Client(transport=httpx2.WSGITransport(app=make())) as client:
        found = client.post(
            f"http://localhost{url}{slash}", content=body, headers=sign(body, SECRET)
        )
    assert (found.status_code, found.json()) == (200, {"outcome": "handled"})
