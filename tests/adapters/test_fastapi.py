"""FastAPI: the router."""

from typing import Any

import pytest
from fastapi import FastAPI
from fastapi import Request as FastAPIRequest
from starlette.responses import Response as StarletteResponse
from tests.adapters.requests import Request, send_asgi
from tests.adapters.suite import SECRET, ASGISuite, make_body, make_receiver

from coffrify_webhooks import Receiver, Router, sign
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
