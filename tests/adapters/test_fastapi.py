"""FastAPI: the router."""

from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from fastapi import Request as FastAPIRequest
from fastapi.testclient import TestClient
from starlette.applications import Starlette
from starlette.responses import Response as StarletteResponse
from tests.adapters.requests import Request, send_asgi
from tests.adapters.suite import SECRET, ASGISuite, make_body, make_receiver

from coffrify_webhooks import ConfigurationError, Receiver, Router, sign
from coffrify_webhooks.fastapi import webhook_router


class TestRouter(ASGISuite):
    """`app.include_router(webhook_router())`."""

    def build(self, receiver_options: dict[str, Any]) -> Any:
        app = FastAPI()

        @app.post("/echo")
        async def echo(request: FastAPIRequest) -> StarletteResponse:
            return StarletteResponse(await request.body())

        app.include_router(webhook_router(make_receiver(receiver_options)))
        return app


@pytest.mark.parametrize("path", ["/v1/hook", "/v1/hook/"])
def test_a_prefix_comes_before_the_path(path: str) -> None:
    """include_router(prefix=...) moves the endpoint, and both slashes work."""
    router = Router()
    router.on("*")(lambda event: None)
    app = FastAPI()
    app.include_router(
        webhook_router(Receiver(SECRET, router=router, store="memory:"), "/hook"), prefix="/v1"
    )
    body = make_body()
    assert send_asgi(app, Request("POST", path, body, sign(body, SECRET), len(body))).status == 200


def test_the_endpoint_is_not_in_the_schema() -> None:
    """The endpoint is the vendor's to call, so the application's OpenAPI leaves it out."""
    app = FastAPI()
    app.include_router(webhook_router(Receiver(SECRET, router=Router(), store="memory:")))
    assert app.openapi()["paths"] == {}


def _catch_all(app: Any) -> None:
    app.add_api_route("/{path:path}", lambda path: path, methods=["GET", "POST"])


def _router() -> Any:
    return webhook_router(Receiver(SECRET, router=Router(), store="memory:"))


def _included_catch_all(app: FastAPI) -> None:
    inner = APIRouter()
    _catch_all(inner)
    app.include_router(inner)


def _mounted_everything(app: FastAPI) -> None:
    app.mount("/", Starlette())


@pytest.mark.parametrize("taker", [_catch_all, _included_catch_all, _mounted_everything])
def test_a_route_that_would_swallow_deliveries_stops_the_start(taker: Any) -> None:
    """What takes every path, registered before the endpoint, is a ConfigurationError at start."""
    app = FastAPI()
    taker(app)
    app.include_router(_router())
    with (
        pytest.raises(ConfigurationError, match="in front of the webhook endpoint"),
        TestClient(app),
    ):
        pass


def test_a_route_that_takes_every_path_may_come_after() -> None:
    """Registered after the endpoint, or for GET alone, it does no harm."""
    app = FastAPI()
    app.add_api_route("/{path:path}", lambda path: path, methods=["GET"])
    app.include_router(_router(), prefix="/v1")
    app.include_router(_router())
    _catch_all(app)
    with TestClient(app) as client:
        assert client.post("/v1/webhooks/coffrify").status_code == 400
        assert client.post("/webhooks/coffrify/").status_code == 400
