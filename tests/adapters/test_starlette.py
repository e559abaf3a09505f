"""Starlette: the pure ASGI middleware and the route."""

import json
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request as StarletteRequest
from starlette.responses import Response as StarletteResponse
from starlette.routing import Mount, Route
from tests.adapters.requests import Request, Response, send_asgi
from tests.adapters.suite import PATH, SECRET, ASGISuite, make_body, make_receiver

from coffrify_webhooks import Event, Receiver, Router, sign
from coffrify_webhooks.http import body as body_module
from coffrify_webhooks.starlette import CoffrifyWebhooksMiddleware, WebhookEndpoint, webhook_route


async def echo(request: StarletteRequest) -> StarletteResponse:
    return StarletteResponse(await request.body())


ECHO = Route("/echo", echo, methods=["POST"])


class TestMiddleware(ASGISuite):
    """`app.add_middleware(CoffrifyWebhooksMiddleware)`."""

    def build(self, receiver_options: dict[str, Any]) -> Any:
        receiver = make_receiver(receiver_options)
        app = Starlette(routes=[ECHO])
        app.add_middleware(CoffrifyWebhooksMiddleware, receiver=receiver)
        return app


class TestMiddlewareOnTrio(TestMiddleware):
    """The same under trio."""

    def perform(self, app: Any, request: Request) -> Response:
        return send_asgi(app, request, backend="trio")


class TestRoute(ASGISuite):
    """`Starlette(routes=[webhook_route()])`."""

    def build(self, receiver_options: dict[str, Any]) -> Any:
        return Starlette(routes=[ECHO, webhook_route(make_receiver(receiver_options))])


@pytest.fixture
def router() -> Router:
    router = Router()

    @router.on("*")
    def everything(event: Event) -> None: ...

    return router


@pytest.fixture
def receiver(router: Router) -> Receiver:
    return Receiver(SECRET, router=router, store="memory:")


def post(app: Any, path: str = PATH) -> Response:
    body = make_body()
    return send_asgi(app, Request("POST", path, body, sign(body, SECRET), len(body)))


def test_other_scopes_pass_through(receiver: Receiver) -> None:
    """Lifespan and websocket scopes reach the application untouched."""
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    wrapped = CoffrifyWebhooksMiddleware(app, receiver)
    for kind in ("lifespan", "websocket"):
        anyio.run(wrapped, {"type": kind, "path": PATH}, None, None)  # type: ignore[arg-type]
    assert seen == ["lifespan", "websocket"]


def test_a_mounted_route_is_found(receiver: Receiver) -> None:
    """The route works inside Mount, with and without a slash."""
    app = Starlette(routes=[Mount("/hooks", routes=[webhook_route(receiver, "/coffrify")])])
    assert [post(app, path).status for path in ("/hooks/coffrify", "/hooks/coffrify/")] == [
        200,
        200,
    ]


def test_a_base_http_middleware_that_read_the_body_does_no_harm(receiver: Receiver) -> None:
    """Starlette replays a body that BaseHTTPMiddleware read with request.body()."""

    async def look(request: StarletteRequest, call_next: Any) -> Any:
        await request.body()
        return await call_next(request)

    middleware = [
        Middleware(BaseHTTPMiddleware, dispatch=look),
        Middleware(CoffrifyWebhooksMiddleware, receiver=receiver),
    ]
    assert post(Starlette(middleware=middleware)).status == 200


def test_a_base_http_middleware_that_streamed_the_body_is_named(receiver: Receiver) -> None:
    """A body that BaseHTTPMiddleware streamed away is our 500 with the remedy."""

    async def look(request: StarletteRequest, call_next: Any) -> Any:
        async for _ in request.stream():
            pass
        return await call_next(request)

    middleware = [
        Middleware(BaseHTTPMiddleware, dispatch=look),
        Middleware(CoffrifyWebhooksMiddleware, receiver=receiver),
    ]
    response = post(Starlette(middleware=middleware))
    assert (response.status, json.loads(response.body)["error"]["code"]) == (
        500,
        "body_unavailable",
    )


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_body_that_never_comes_is_given_up(
    receiver: Receiver, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading ends after a while, and that the sender did not send is not our mistake: 400."""
    monkeypatch.setattr(body_module, "_PATIENCE", 0.01)
    sent: list[Any] = []

    async def never() -> Any:
        await anyio.sleep_forever()

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(name.encode(), value.encode()) for name, value in sign(b"", SECRET).items()]
    headers.append((b"content-length", b"10"))
    scope = {"type": "http", "method": "POST", "headers": headers}

    async def run() -> None:
        await WebhookEndpoint(receiver)(scope, never, send)

    anyio.run(run, backend=backend)
    assert sent[0]["status"] == 400
    assert b"incomplete_body" in sent[1]["body"]


def test_a_middleware_that_changes_the_body_is_named(receiver: Receiver) -> None:
    """A body longer than announced was changed on its way: our 500, not a bad signature."""
    body = make_body()
    request = Request("POST", PATH, body, sign(body, SECRET), len(body) - 5)
    response = send_asgi(WebhookEndpoint(receiver), request)
    assert (response.status, json.loads(response.body)["error"]["code"]) == (
        500,
        "body_unavailable",
    )
