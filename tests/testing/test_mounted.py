"""The endpoint inside another application: its whole path is found, by the kit and the commands."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from a2wsgi import WSGIMiddleware as WSGIInASGI
from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.routing import Host, Mount, Router
from tests.adapters.suite import SECRET
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from coffrify_webhooks import ConfigurationError, Receiver
from coffrify_webhooks import Router as Handlers
from coffrify_webhooks.applications.endpoints import endpoints_in
from coffrify_webhooks.asgi import CoffrifyWebhooksMiddleware, WebhookEndpoint
from coffrify_webhooks.fastapi import webhook_router
from coffrify_webhooks.flask import CoffrifyWebhooks
from coffrify_webhooks.flask import CoffrifyWebhooksMiddleware as FlaskMiddleware
from coffrify_webhooks.starlette import webhook_route
from coffrify_webhooks.testing import deliver, deliver_async


def receiver() -> Receiver:
    handlers = Handlers()
    handlers.on("*")(lambda event: None)
    return Receiver(SECRET, router=handlers, store="memory:")


def flask(path: str = "/hook") -> Flask:
    app = Flask("inner")
    CoffrifyWebhooks(app, receiver(), path)
    return app


def flask_middleware(path: str = "/hook") -> Flask:
    app = Flask("inner")
    app.wsgi_app = FlaskMiddleware(app.wsgi_app, receiver(), path)  # type: ignore[method-assign]
    return app


def starlette(path: str = "/hook") -> Starlette:
    return Starlette(routes=[webhook_route(receiver(), path)])


def starlette_middleware(path: str = "/hook") -> Starlette:
    app = Starlette()
    app.add_middleware(CoffrifyWebhooksMiddleware, receiver=receiver(), path=path)
    return app


def fastapi(path: str = "/hook") -> FastAPI:
    app = FastAPI()
    app.include_router(webhook_router(receiver(), path))
    return app


def in_asgi(app: Any) -> Any:
    return WSGIInASGI(app)


def mount(prefix: str, app: Any) -> Starlette:
    return Starlette(routes=[Mount(prefix, app=app)])


def sub_application(prefix: str, app: Any) -> FastAPI:
    outer = FastAPI()
    outer.mount(prefix, app)
    return outer


def host(name: str, app: Any) -> Starlette:
    return Starlette(routes=[Host(name, app=app)])


def dispatcher(prefix: str, app: Any) -> Any:
    return DispatcherMiddleware(Flask("front"), {prefix: app})


WSGI: dict[str, tuple[Callable[[], Any], str]] = {
    "dispatcher": (lambda: dispatcher("/shop", flask()), "/shop/hook"),
    "dispatcher, middleware": (lambda: dispatcher("/shop", flask_middleware()), "/shop/hook"),
    "dispatcher, all of it": (lambda: dispatcher("/shop", flask("/")), "/shop"),
    "dispatcher, all, middleware": (lambda: dispatcher("/shop", flask_middleware("/")), "/shop"),
    "dispatchers": (lambda: dispatcher("/a", dispatcher("/b", flask())), "/a/b/hook"),
    "in front": (lambda: DispatcherMiddleware(flask(), {"/shop": Flask("inner")}), "/hook"),
}
ASGI: dict[str, tuple[Callable[[], Any], str]] = {
    "mount": (lambda: mount("/in", starlette()), "/in/hook"),
    "mount, middleware": (lambda: mount("/in", starlette_middleware()), "/in/hook"),
    "mount at the root": (lambda: mount("/", starlette_middleware()), "/hook"),
    "mounts": (lambda: mount("/a", mount("/b", starlette())), "/a/b/hook"),
    "host": (lambda: host("testserver", starlette()), "/hook"),
    "host, middleware": (lambda: host("{name}", starlette_middleware()), "/hook"),
    "host, router": (
        lambda: host("testserver", Router([webhook_route(receiver(), "/hook")])),
        "/hook",
    ),
    "mount, host": (lambda: mount("/in", host("testserver", starlette())), "/in/hook"),
    "sub-application": (lambda: sub_application("/sub", fastapi()), "/sub/hook"),
    "sub-applications": (
        lambda: sub_application("/a", sub_application("/b", fastapi())),
        "/a/b/hook",
    ),
    "starlette in fastapi": (lambda: sub_application("/sub", starlette_middleware()), "/sub/hook"),
    "flask in fastapi": (lambda: sub_application("/sub", in_asgi(flask())), "/sub/hook"),
    "flask in starlette": (lambda: mount("/in", in_asgi(flask_middleware())), "/in/hook"),
}


def paths(app: Any) -> list[str | None]:
    return [each.path for each in endpoints_in(app)]


@pytest.mark.parametrize("name", WSGI)
def test_the_whole_path_in_a_mounted_wsgi_application_is_found(name: str) -> None:
    """What is sent there without naming it is handled."""
    make, path = WSGI[name]
    app = make()
    assert [str(each).rstrip("/") for each in paths(app)] == [path]
    assert deliver(app, "ping", secret=SECRET).outcome == "handled"


@pytest.mark.parametrize("name", ASGI)
def test_the_whole_path_in_a_mounted_asgi_application_is_found(name: str) -> None:
    """What is sent there without naming it is handled."""
    make, path = ASGI[name]
    app = make()
    assert paths(app) == [path]
    assert asyncio.run(deliver_async(app, "ping", secret=SECRET)).outcome == "handled"


WHOLE: dict[str, Callable[[], Any]] = {
    "endpoint": lambda: mount("/hook", WebhookEndpoint(receiver())),
    "route": lambda: mount("/hook", starlette("/")),
    "middleware": lambda: mount("/hook", starlette_middleware("/")),
    "router": lambda: sub_application("/hook", fastapi("/")),
}


@pytest.mark.parametrize("name", WHOLE)
def test_an_endpoint_that_is_all_of_a_mount_is_found_with_its_slash(name: str) -> None:
    """Starlette redirects a mount's path without one, which no application inside can prevent."""
    app = WHOLE[name]()
    assert paths(app) == ["/hook/"]
    assert asyncio.run(deliver_async(app, "ping", secret=SECRET)).outcome == "handled"


def test_several_mounted_endpoints_are_told_apart_by_their_whole_paths() -> None:
    """Without a path the error names each one to choose from."""
    app = Starlette(routes=[Mount("/a", app=starlette()), Mount("/b", app=fastapi())])
    with pytest.raises(ConfigurationError, match="path='/a/hook' or path='/b/hook'"):
        deliver(app, "ping", secret=SECRET)
    assert deliver(app, "ping", path="/b/hook", secret=SECRET).outcome == "handled"
