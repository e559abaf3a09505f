"""What a request to the endpoint costs in each framework, x the bare route; `--json` prints JSON.

In one process, without a server: the bare route reads the body and answers as the endpoint does.
"""

import asyncio
import io
import os
import sys
import tempfile
import types
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

# Or `requests`, which others import, would be the benchmark of that name beside this one.
sys.path[0] = str(Path(__file__).resolve().parents[1])

import flask
from benchmarks.measuring import SECRET, Delivery, Table, side_by_side
from fastapi import FastAPI, Request
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from coffrify_webhooks import Receiver, Router, on
from coffrify_webhooks.fastapi import webhook_router
from coffrify_webhooks.flask import CoffrifyWebhooks, CoffrifyWebhooksMiddleware
from coffrify_webhooks.starlette import webhook_route

ANSWER = b'{"outcome": "handled"}'
JSON = "application/json"
ON_LOOP, PLAIN = Router(), Router()


@ON_LOOP.on("transfer.created")
async def handle_on_loop(event: object) -> None:
    pass


@PLAIN.on("transfer.created")
@on("transfer.created")  # Django's
def handle(event: object) -> None:
    pass


# --- ASGI -------------------------------------------------------------------------------------


async def bare(request: Request) -> Response:
    await request.body()
    return Response(ANSWER, media_type=JSON)


def starlette(router: Router, store: str) -> Any:
    hook = webhook_route(Receiver(SECRET, router=router, store=store), path="/hook")
    return Starlette(routes=[Route("/bare", bare, methods=["POST"]), hook])


def fastapi(router: Router, store: str) -> Any:
    app = FastAPI()

    @app.post("/bare")
    async def bare_route(request: Request) -> Response:
        return await bare(request)

    app.include_router(webhook_router(Receiver(SECRET, router=router, store=store), path="/hook"))
    return app


def asgi(app: Any, path: str) -> Callable[[Delivery], Awaitable[object]]:
    async def call(delivery: Delivery) -> None:
        body, headers = delivery
        pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": pairs,
            "client": ("127.0.0.1", 1),
            "server": ("t", 80),
            "state": {},
        }
        sent = list[Any]()
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Any:
            return messages.pop() if messages else await asyncio.Event().wait()

        async def send(message: Any) -> None:
            sent.append(message)

        await app(scope, receive, send)
        if sent[0]["status"] != HTTPStatus.OK:
            raise SystemExit(str(sent))

    return call


# --- WSGI -------------------------------------------------------------------------------------


def flask_app() -> flask.Flask:
    app = flask.Flask("benchmark")

    @app.post("/bare")
    def bare_route() -> flask.Response:
        flask.request.get_data()
        return flask.Response(ANSWER, 200, {"Content-Type": JSON})

    return app


def extension(store: str) -> Any:
    app = flask_app()
    CoffrifyWebhooks(app, receiver=Receiver(SECRET, router=PLAIN, store=store), path="/hook")
    return app


def middleware(store: str) -> Any:
    app: Any = flask_app()
    receiver = Receiver(SECRET, router=PLAIN, store=store)
    app.wsgi_app = CoffrifyWebhooksMiddleware(app.wsgi_app, receiver, "/hook")
    return app


def django() -> Any:
    # Imported here: what it finds at import depends on its settings.
    from django import setup
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.http import HttpRequest, HttpResponse
    from django.urls import include
    from django.urls import path as url
    from django.views.decorators.csrf import csrf_exempt

    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": "django.sqlite3"}
    settings.configure(
        SECRET_KEY="benchmark",  # noqa: S106 - nothing is signed with it
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF="benchmark_urls",
        INSTALLED_APPS=["coffrify_webhooks.django"],
        DATABASES={"default": database},
        MIDDLEWARE=[],
        COFFRIFY_WEBHOOKS={"SECRETS": SECRET, "STORE": "memory:", "PATH": "/hook/coffrify"},
    )
    setup()

    @csrf_exempt
    def bare_view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(ANSWER if request.body else b"", content_type=JSON)

    urls: Any = types.ModuleType("benchmark_urls")
    sys.modules["benchmark_urls"] = urls
    hook = url("hook/", include("coffrify_webhooks.django.urls"))
    urls.urlpatterns = [url("bare", bare_view), hook]
    return get_wsgi_application()


def wsgi(app: Any, path: str) -> Callable[[Delivery], Awaitable[object]]:
    async def call(delivery: Delivery) -> None:
        body, headers = delivery
        environ: dict[str, Any] = {
            "REQUEST_METHOD": "POST",
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": "",
            "SERVER_NAME": "t",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "CONTENT_LENGTH": str(len(body)),
            "CONTENT_TYPE": JSON,
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }
        for name, value in headers.items():
            if not name.startswith("Content-"):
                environ[f"HTTP_{name.upper().replace('-', '_')}"] = value
        status = list[str]()
        b"".join(app(environ, lambda told, _headers, _error=None: status.append(told)))
        if not status[0].startswith("200"):
            raise SystemExit(status[0])

    return call


def main() -> None:
    os.chdir(tempfile.mkdtemp())
    table = Table("A request, x the bare route")

    def measure(name: str, kind: Any, app: Any, target: float, hook: str = "/hook") -> None:
        # Outside of a loop a WSGI application would not find one; its coroutine never waits.
        work = side_by_side(kind(app, "/bare"), kind(app, hook))
        ratio, spent = asyncio.run(work) if kind is asgi else finish(work)
        table.row(name, ratio, "x bare", target)
        table.row(name, spent, "us")

    for store, on_loop, plain in (("memory:", 7, 21), ("sqlite:///{}.db", 15, 30)):
        name = store.partition(":")[0]
        app = starlette(ON_LOOP, store.format("loop"))
        measure(f"Starlette route, async handler, {name}", asgi, app, on_loop)
        app = starlette(PLAIN, store.format("plain"))
        measure(f"Starlette route, sync handler, {name}", asgi, app, plain)
    measure("FastAPI router, async handler, memory", asgi, fastapi(ON_LOOP, "memory:"), 3)
    measure("Flask extension, memory", wsgi, extension("memory:"), 2.9)
    measure("WSGI middleware, memory", wsgi, middleware("memory:"), 1.15)
    measure("Django view, memory", wsgi, django(), 3.4, "/hook/coffrify")
    table.end()


def finish(work: Any) -> Any:
    """Run a coroutine that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as stop:
        return stop.value
    raise RuntimeError(work)


if __name__ == "__main__":
    main()
