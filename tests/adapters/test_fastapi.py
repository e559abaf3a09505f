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


def test_routers_with_prefixes_of_their_own_come_before_the_path() -> None:
    """APIRouter(prefix=...) around the endpoint moves it too, nested and beside a prefix."""
    inner, outer, app = APIRouter(prefix="/inner"), APIRouter(prefix="/outer"), FastAPI()
    inner.include_router(_router())
    outer.include_router(inner)
    app.include_router(outer, prefix="/v1")
    with TestClient(app) as client:
        for path in ("/v1/outer/inner/webhooks/coffrify", "/v1/outer/inner/webhooks/coffrify/"):
            assert client.post(path).status_code == 400
        assert client.post("/v1/webhooks/coffrify").status_code == 404


def test_the_endpoint_is_not_in_the_schema() -> None:
    """The endpoint is the vendor's to call, so the application's OpenAPI leaves it out."""
    app = FastAPI()
    app.include_router(webhook_router(Receiver(SECRET, router=Router(), store="memory:")))
    assert app.openapi()["paths"] == {}


def _catch_all(app: Any, path: str = "/{path:path}") -> None:
    app.add_api_route(path, lambda path: path, methods=["GET", "POST"])


def _router() -> Any:
    return webhook_router(Receiver(SECRET, router=Router(), store="memory:"))


def _before(app: FastAPI) -> None:
    _catch_all(app)
    app.include_router(_router())


def _of_one_folder(app: FastAPI) -> None:
    _catch_all(app, "/webhooks/{path}")
    app.include_router(_router())


def _included_before(app: FastAPI) -> None:
    inner = APIRouter()
    _catch_all(inner)
    app.include_router(inner)
    app.include_router(_router())


def _included_twice_before(app: FastAPI) -> None:
    inner, outer = APIRouter(), APIRouter()
    _catch_all(inner)
    outer.include_router(inner)
    app.include_router(outer)
    app.include_router(_router())


def _within_one_router(app: FastAPI) -> None:
    outer = APIRouter()
    _catch_all(outer)
    outer.include_router(_router())
    app.include_router(outer)


def _deep_under_prefixes(app: FastAPI) -> None:
    inner, outer = APIRouter(prefix="/inner"), APIRouter(prefix="/outer")
    _catch_all(inner)
    inner.include_router(_router())
    outer.include_router(inner)
    app.include_router(outer, prefix="/v1")


def _under_a_prefix_with_parameters(app: FastAPI) -> None:
    _catch_all(app, "/tenants/{path:path}")
    app.include_router(_router(), prefix="/tenants/{tenant:uuid}/{shard:int}")


def _before_the_second_place(app: FastAPI) -> None:
    router = _router()
    app.include_router(router)
    _catch_all(app)
    app.include_router(router, prefix="/v1")


def _mounted_everything(app: FastAPI) -> None:
    app.mount("/", Starlette())
    app.include_router(_router())


def _mounted_application(app: FastAPI) -> None:
    inner = FastAPI()
    _catch_all(inner)
    app.mount("/webhooks", inner)
    app.include_router(_router())


@pytest.mark.parametrize(
    "taker",
    [
        _before,
        _of_one_folder,
        _included_before,
        _included_twice_before,
        _within_one_router,
        _deep_under_prefixes,
        _under_a_prefix_with_parameters,
        _before_the_second_place,
        _mounted_everything,
        _mounted_application,
    ],
)
def test_a_route_that_would_swallow_deliveries_stops_the_start(taker: Any) -> None:
    """However it comes before the endpoint, it is a ConfigurationError at start."""
    app = FastAPI()
    taker(app)
    with (
        pytest.raises(ConfigurationError, match="in front of the webhook endpoint"),
        TestClient(app),
    ):
        pass


def test_an_endpoint_that_is_all_of_a_prefix_stops_the_start() -> None:
    """FastAPI would redirect the prefix without its slash, and the sender does not follow."""
    app = FastAPI()
    app.include_router(webhook_router(Receiver(SECRET, store="memory:"), "/"), prefix="/hook")
    with pytest.raises(ConfigurationError, match="/hook is redirected to /hook/"), TestClient(app):
        pass


def test_an_endpoint_at_the_root_of_an_application_lets_it_start() -> None:
    """There is no path without that slash."""
    app = FastAPI()
    app.include_router(webhook_router(Receiver(SECRET, store="memory:"), "/"))
    with TestClient(app) as client:
        assert client.post("/").status_code == 400


@pytest.mark.parametrize("prefix", ["", "/tenants/{tenant}", "/tenants/{tenant:uuid}"])
def test_a_route_after_the_endpoint_in_one_router_lets_it_start(prefix: str) -> None:
    """It takes what is left, wherever their router is included."""
    outer = APIRouter()
    outer.include_router(_router(), prefix=prefix)
    _catch_all(outer)
    app = FastAPI()
    app.include_router(outer, prefix="/v1")
    path = prefix.partition("{")[0] + ("00000000-0000-0000-0000-000000000001" if prefix else "")
    with TestClient(app) as client:
        assert client.post(f"/v1{path}/webhooks/coffrify").status_code == 400
        assert client.post("/v1/other").json() == "other"


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
