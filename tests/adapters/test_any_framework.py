"""Frameworks without an adapter of their own, each wrapped as docs/frameworks.md shows."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from tests.adapters.requests import Request, Response, send_asgi, send_wsgi
from tests.adapters.suite import SECRET, make_body

from coffrify_webhooks import Receiver, Router, asgi, sign, wsgi

PATH = "/webhooks/coffrify"

Send = Callable[[Request], Response]


class Shop:
    """A receiver whose handler notes the ids of its events."""

    def __init__(self) -> None:
        self.seen: list[str | None] = []
        router = Router()
        router.on("transfer.*", name="note")(lambda event: self.seen.append(event.id))
        self.receiver = Receiver(SECRET, router=router, store="memory:", max_body=10_000)


def litestar(receiver: Receiver) -> Send:
    from litestar import Litestar, get

    @get("/")
    async def index() -> str:
        return "the shop"

    app = asgi.CoffrifyWebhooksMiddleware(Litestar([index], logging_config=None), receiver)
    return lambda request: send_asgi(app, request)


def quart(receiver: Receiver) -> Send:
    from quart import Quart

    app = Quart("shop")
    app.add_url_rule("/", view_func=lambda: "the shop")
    wrapped = asgi.CoffrifyWebhooksMiddleware(app.asgi_app, receiver)
    return lambda request: send_asgi(wrapped, request)


class Index:
    def on_get(self, req: Any, resp: Any) -> None:
        resp.text = "the shop"


class AsyncIndex:
    async def on_get(self, req: Any, resp: Any) -> None:
        resp.text = "the shop"


def falcon_asgi(receiver: Receiver) -> Send:
    import falcon.asgi

    app = falcon.asgi.App()
    app.add_route("/", AsyncIndex())
    wrapped = asgi.CoffrifyWebhooksMiddleware(app, receiver)
    return lambda request: send_asgi(wrapped, request)


def falcon_wsgi(receiver: Receiver) -> Send:
    import falcon

    app = falcon.App()
    app.add_route("/", Index())
    wrapped = wsgi.CoffrifyWebhooksMiddleware(app, receiver)
    return lambda request: send_wsgi(wrapped, request)


def bottle(receiver: Receiver) -> Send:
    import bottle  # type: ignore[import-untyped]

    app = bottle.Bottle()
    app.route("/", callback=lambda: "the shop")
    wrapped = wsgi.CoffrifyWebhooksMiddleware(app, receiver)
    return lambda request: send_wsgi(wrapped, request)


WRAPPED = [litestar, quart, falcon_asgi, falcon_wsgi, bottle]


@pytest.mark.parametrize("build", WRAPPED)
def test_deliveries_are_ours_and_the_rest_is_the_frameworks(build: Callable[..., Send]) -> None:
    """Also chunked, with a slash at the end, forged, too large; its own pages are as they were."""
    shop = Shop()
    send = build(shop.receiver)

    def post(body: bytes, path: str = PATH, *, chunked: bool = False, secret: str = SECRET) -> Any:
        announce = None if chunked else len(body)
        return outcome(send(Request("POST", path, body, sign(body, secret), announce)))

    first, second = make_body(event_id="evt_1"), make_body(event_id="evt_2")
    assert post(first) == (200, "handled")
    assert post(first) == (200, "duplicate")
    assert post(second, f"{PATH}/", chunked=True) == (200, "handled")
    assert post(first, secret="another") == (400, "signature_mismatch")
    assert post(b"x" * 10_001) == (413, "body_too_large")
    assert send(Request("GET", PATH, b"", {}, 0)).status == 405
    page = send(Request("GET", "/", b"", {}, 0))
    assert (page.status, page.body) == (200, b"the shop")
    assert send(Request("POST", "/elsewhere", b"", {}, 0)).status in {404, 405}
    assert shop.seen == ["evt_1", "evt_2"]


def outcome(response: Response) -> tuple[int, str]:
    """Return the status, and the outcome or the error's code."""
    document = json.loads(response.body)
    return response.status, document.get("outcome") or document["error"]["code"]


def test_litestars_own_list_of_middlewares_comes_too_late() -> None:
    """Which is why the page says to wrap the application; should this fail, say so no more."""
    from litestar import Litestar
    from litestar.middleware import DefineMiddleware

    shop = Shop()
    middleware: Any = asgi.CoffrifyWebhooksMiddleware
    listed = DefineMiddleware(middleware, receiver=shop.receiver)
    body = make_body()
    request = Request("POST", PATH, body, sign(body, SECRET), len(body))
    assert send_asgi(Litestar([], middleware=[listed], logging_config=None), request).status == 404
    assert shop.seen == []


def test_a_view_of_aiohttp_takes_deliveries_by_the_receiver() -> None:
    """On its real server, by its real client."""
    from aiohttp import ClientSession, web

    shop = Shop()
    receiver = shop.receiver

    async def coffrify(request: web.Request) -> web.Response:
        headers = [*request.headers.items()]
        length = request.headers.get("Content-Length")
        reply = receiver.refuse_early(headers, method=request.method, content_length=length)
        if reply is None:
            body = await request.read()
            reply = await receiver.receive_async(body, headers, method=request.method)
        return web.Response(status=reply.status, headers=reply.headers, body=reply.body)

    async def statuses() -> list[int]:
        app = web.Application(client_max_size=receiver.max_body + 1)
        app.router.add_route("*", "/webhooks/coffrify{slash:/?}", coffrify)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        largest = make_body().ljust(receiver.max_body)
        async with ClientSession(f"http://{host}:{port}") as client:

            async def post(body: Any, headers: dict[str, str], path: str = PATH) -> int:
                async with client.post(path, data=body, headers=headers) as answer:
                    return answer.status

            async def chunks(body: bytes) -> Any:
                yield body

            body = make_body(event_id="evt_2")
            found = [
                await post(largest, sign(largest, SECRET)),
                await post(chunks(body), sign(body, SECRET), f"{PATH}/"),
                await post(body, {}),
                await post(largest + b" ", sign(largest + b" ", SECRET)),
                await post(chunks(largest + b" "), sign(largest + b" ", SECRET)),
            ]
            async with client.get(PATH) as answer:
                found.append(answer.status)
        await runner.cleanup()
        return found

    assert asyncio.run(statuses()) == [200, 200, 400, 413, 413, 405]
    assert shop.seen == ["evt_1", "evt_2"]


def test_the_middlewares_work_where_no_framework_is_installed() -> None:
    """A process in which none can be imported; nor an engine, a driver or an extra."""
    absent = ["starlette", "flask", "django", "fastapi", "werkzeug", "asgiref", "anyio", "click"]
    script = f"""
import sys
for name in {absent}:
    sys.modules[name] = None
import io, json
from coffrify_webhooks import Receiver, Router, sign
from coffrify_webhooks.asgi import CoffrifyWebhooksMiddleware as Async, WebhookEndpoint
from coffrify_webhooks.wsgi import CoffrifyWebhooksMiddleware as Sync
router = Router()
router.on("*")(lambda event: None)
secret = "{SECRET}"
receiver = Receiver(secret, router=router, store="memory:")
body = json.dumps(dict(id="evt_1", type="ping")).encode()
signed = sign(body, secret)

statuses = []
environ = dict(REQUEST_METHOD="POST", PATH_INFO="{PATH}", CONTENT_LENGTH=str(len(body)))
environ["wsgi.input"] = io.BytesIO(body)
environ.update(("HTTP_" + k.upper().replace("-", "_"), v) for k, v in signed.items())
Sync(None, receiver)(environ, lambda status, headers: statuses.append(status))

async def receive():
    return dict(type="http.request", body=body, more_body=False)
async def send(message):
    statuses.append(message.get("status"))
scope = dict(type="http", method="POST", path="{PATH}", root_path="")
scope["headers"] = [(k.encode(), v.encode()) for k, v in signed.items()]
import asyncio
asyncio.run(Async(None, receiver)(scope, receive, send))
assert statuses == ["200 OK", 200, None], statuses
loaded = [name for name in {absent} if sys.modules[name] is not None]
assert loaded == [], loaded
"""
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
