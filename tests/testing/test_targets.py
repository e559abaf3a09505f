"""What `deliver` can be given: each kind goes through the application's own way."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import anyio
import django
import httpx2
import pytest
from django.conf import settings as django_settings
from fastapi import FastAPI
from fastapi import Request as FastAPIRequest
from fastapi.testclient import TestClient as FastAPIClient
from flask import Flask, request
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from coffrify_webhooks import ConfigurationError, Event, Receiver, Router
from coffrify_webhooks.asgi import CoffrifyWebhooksMiddleware
from coffrify_webhooks.fastapi import webhook_router
from coffrify_webhooks.flask import CoffrifyWebhooks
from coffrify_webhooks.flask import CoffrifyWebhooksMiddleware as WSGIMiddleware
from coffrify_webhooks.starlette import webhook_route
from coffrify_webhooks.testing import Kit, deliver, deliver_async, isolated

if not django_settings.configured:
    import os

    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.django_settings"
    django.setup()

from django.core.asgi import get_asgi_application
from django.core.handlers.base import BaseHandler
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, AsyncRequestFactory, Client, RequestFactory, override_settings

from coffrify_webhooks_django.asgi import with_webhooks
from coffrify_webhooks_django.middleware import (
    CoffrifyWebhooksMiddleware as CoffrifyWebhooksOfDjango,
)
from coffrify_webhooks_django.views import webhook

SECRET = "whsec_" + "5e" * 32
OURS = "coffrify_webhooks.django.CoffrifyWebhooksMiddleware"
Make = Callable[[Receiver], Any]


def flask_app(receiver: Receiver, path: str = "/flask/hook") -> Flask:
    app = Flask("shop")
    CoffrifyWebhooks(app, receiver, path=path)
    return app


def flask_middleware(receiver: Receiver) -> Flask:
    app = Flask("shop")
    app.wsgi_app = WSGIMiddleware(app.wsgi_app, receiver, "/flask/hook")  # type: ignore[method-assign]
    return app


def starlette_route(receiver: Receiver) -> Starlette:
    return Starlette(routes=[Mount("/api", routes=[webhook_route(receiver, "/hook")])])


def starlette_middleware(receiver: Receiver) -> Starlette:
    return Starlette(middleware=[Middleware(CoffrifyWebhooksMiddleware, receiver, path="/hook")])


def fastapi_app(receiver: Receiver) -> FastAPI:
    app = FastAPI()
    app.include_router(webhook_router(receiver, "/hook"), prefix="/v1")
    return app


def mounted(receiver: Receiver) -> Any:
    return DispatcherMiddleware(Flask("front"), {"/shop": flask_app(receiver)})


def client_of(app: Any, kind: Any = httpx2.Client, transport: Any = httpx2.WSGITransport) -> Any:
    return kind(transport=transport(app=app))


SYNC: dict[str, Make] = {
    "receiver": lambda receiver: receiver,
    "flask": flask_app,
    "flask client": lambda receiver: flask_app(receiver).test_client(),
    "flask middleware": flask_middleware,
    "wsgi middleware": lambda receiver: WSGIMiddleware(Flask("x"), receiver, "/hook"),
    "wsgi mount": mounted,
    "httpx wsgi": lambda receiver: client_of(flask_app(receiver)),
    "starlette client": lambda receiver: TestClient(starlette_route(receiver)),
    "fastapi client": lambda receiver: FastAPIClient(fastapi_app(receiver)),
}
ASYNC: dict[str, Make] = {
    "starlette route": starlette_route,
    "starlette middleware": starlette_middleware,
    "fastapi": fastapi_app,
    "asgi middleware": lambda receiver: CoffrifyWebhooksMiddleware(FastAPI(), receiver, "/hook"),
    "httpx asgi": lambda receiver: client_of(
        fastapi_app(receiver), httpx2.AsyncClient, httpx2.ASGITransport
    ),
}
EVERY = {**SYNC, **ASYNC}


class Shop:
    """A receiver with a sync and an async handler, and what they did."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        router = Router()

        @router.on("transfer.created")
        def created(event: Event) -> None:
            self.ran.append(event.type)

        @router.on("transfer.deleted")
        async def deleted(event: Event) -> None:
            self.ran.append(event.type)

        self.receiver = Receiver(SECRET, router=router, store="memory:")


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def kit() -> Iterator[Kit]:
    with isolated() as kit:
        yield kit


@pytest.mark.parametrize("name", EVERY)
def test_each_target_is_recognised_and_its_path_found(shop: Shop, kit: Kit, name: str) -> None:
    """A delivery reaches sync and async handlers, and is refused if it was tampered with."""
    target = EVERY[name](shop.receiver)
    for event in ("transfer.created", "transfer.deleted"):
        result = kit.deliver(target, event)
        assert (result.status, result.outcome, result.code) == (200, "handled", ""), result
        assert result.headers["content-type"] == "application/json"
    refused = kit.deliver(target, "transfer.created", case="tampered")
    assert (refused.status, refused.outcome, refused.code) == (
        400,
        "rejected",
        "signature_mismatch",
    )
    assert shop.ran == ["transfer.created", "transfer.deleted"]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("name", EVERY)
def test_each_target_is_delivered_to_from_async_code(
    shop: Shop, kit: Kit, name: str, backend: str
) -> None:
    """Under asyncio and trio, alone and twice at the same moment."""
    target = EVERY[name](shop.receiver)

    async def run() -> None:
        for event in ("transfer.created", "transfer.deleted"):
            assert (await kit.deliver_async(target, event)).outcome == "handled"
        one, two = await kit.deliver_async(target, "transfer.created", case="concurrent")
        assert one.outcome == "handled", one
        assert two.outcome in ("busy", "duplicate"), two

    anyio.run(run, backend=backend)
    assert shop.ran == ["transfer.created", "transfer.deleted", "transfer.created"]


@pytest.mark.parametrize("name", EVERY)
def test_each_target_takes_two_at_the_same_moment(shop: Shop, kit: Kit, name: str) -> None:
    """One is handled, and the handler ran once."""
    one, two = kit.deliver(EVERY[name](shop.receiver), "transfer.deleted", case="concurrent")
    assert one.outcome == "handled", one
    assert two.outcome in ("busy", "duplicate"), two
    assert shop.ran == ["transfer.deleted"]


@pytest.mark.parametrize("name", EVERY)
def test_each_target_is_isolated_for_each_thread(shop: Shop, name: str) -> None:
    """Threads that test one application at the same time see their own events only."""
    target, everybody = EVERY[name](shop.receiver), threading.Barrier(3)

    def test(number: int) -> list[Any]:
        with isolated() as kit:
            everybody.wait()
            kit.clock.advance(1000 * number)
            for event in ("transfer.created", "transfer.deleted"):
                kit.deliver(target, event, id=event.replace(".", "_"), case="duplicate")
            everybody.wait()
            return [*(each.outcome for each in kit.results), len(kit.events)]

    with ThreadPoolExecutor(3) as pool:
        found = [*pool.map(test, range(3))]
    assert found == [["handled", "duplicate"] * 2 + [2]] * 3


def test_two_at_the_same_moment_overlap(kit: Kit) -> None:
    """While the handler of the first waits for the second's answer, that one is told to wait."""
    router, answered = Router(), asyncio.Event()

    @router.on("*")
    async def wait(event: Event) -> None:
        await answered.wait()

    def tell(notice: Any) -> None:
        if notice.kind == "replied":
            answered.set()

    receiver = Receiver(SECRET, router=router, store="memory:", observers=[tell])
    one, two = asyncio.run(_concurrent(receiver))
    assert (one.outcome, two.outcome, two.status) == ("handled", "busy", 503)


async def _concurrent(receiver: Receiver) -> Any:
    return await deliver_async(starlette_route(receiver), "ping", case="concurrent")


# --- Django ---------------------------------------------------------------------------------------


@pytest.fixture(params=["middleware", "urls"])
def site(request: pytest.FixtureRequest, shop: Shop) -> Iterator[str]:
    """Django with our middleware, or with our URLs; its receiver is made by the first delivery."""
    options = {"SECRETS": SECRET, "ROUTER": shop.receiver.router, "PATH": "/own/path"}
    middleware = [OURS] * (request.param == "middleware")
    with override_settings(
        COFFRIFY_WEBHOOKS=options,
        MIDDLEWARE=[*middleware, "django.middleware.csrf.CsrfViewMiddleware"],
    ):
        yield "/own/path" if middleware else "/webhooks/coffrify"


DJANGO: dict[str, Callable[[], Any]] = {
    "client": Client,
    "client with csrf": partial(Client, enforce_csrf_checks=True),
    "factory": RequestFactory,
    "handler of a client": lambda: Client().handler,
    "view": lambda: webhook,
    "wsgi": get_wsgi_application,
    "async client": AsyncClient,
    "async factory": AsyncRequestFactory,
    "handler of an async client": lambda: AsyncClient().handler,
    "asgi": get_asgi_application,
    "httpx": lambda: client_of(get_wsgi_application()),
    "async httpx": lambda: client_of(
        get_asgi_application(), httpx2.AsyncClient, httpx2.ASGITransport
    ),
}


@pytest.mark.parametrize("name", DJANGO)
def test_each_way_into_django_is_a_target(site: str, shop: Shop, kit: Kit, name: str) -> None:
    """Sync and async, by the middleware and by the URLs."""
    target = DJANGO[name]()
    for event in ("transfer.created", "transfer.deleted"):
        result = kit.deliver(target, event)
        assert result.outcome == "handled", result
    assert kit.deliver(target, "transfer.created", case="duplicate").outcome == "duplicate"
    assert f"to {site}" in str(result)
    assert len(shop.ran) == 3


def test_a_middleware_of_django_is_a_target(shop: Shop, kit: Kit) -> None:
    """As an object that was made by hand; and `with_webhooks`, in front of Django."""
    options = {"SECRETS": SECRET, "ROUTER": shop.receiver.router}
    with override_settings(COFFRIFY_WEBHOOKS=options, MIDDLEWARE=[OURS]):
        middleware = CoffrifyWebhooksOfDjango(lambda request: HttpResponse(status=404))
        assert kit.deliver(middleware, "transfer.created").outcome == "handled"
    with override_settings(COFFRIFY_WEBHOOKS={**options, "PATH": "/own"}, MIDDLEWARE=[]):
        wrapped = with_webhooks(get_asgi_application())
        result = kit.deliver(wrapped, "transfer.created")
        assert (result.outcome, "to /own" in str(result)) == ("handled", True)


@pytest.mark.parametrize("name", DJANGO)
def test_each_way_into_django_works_from_async_code(
    site: str, shop: Shop, kit: Kit, name: str
) -> None:
    """In an event loop a sync client runs where Django runs sync code."""
    target = DJANGO[name]()
    result = asyncio.run(_delivered(target))
    assert result.outcome == "handled", result


async def _delivered(target: Any) -> Any:
    return await deliver_async(target, "transfer.created")


class ReadsTheStream:
    """A middleware of the user's that takes the body away."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.read(3)
        return self.get_response(request)  # type: ignore[no-any-return]


def test_the_wrong_order_of_middleware_fails_in_django(shop: Shop, kit: Kit) -> None:
    """One that reads the stream before ours is told of, with the remedy."""
    options = {"SECRETS": SECRET, "ROUTER": shop.receiver.router}
    reader = f"{__name__}.ReadsTheStream"
    for order, outcome in (([reader, OURS], "misconfigured"), ([OURS, reader], "handled")):
        with override_settings(COFFRIFY_WEBHOOKS=options, MIDDLEWARE=order):
            result = kit.deliver(Client(), "transfer.created")
        assert result.outcome == outcome
        assert ("first in MIDDLEWARE" in str(result)) == (outcome == "misconfigured")


# --- what stands in front -------------------------------------------------------------------------


def test_a_body_read_before_the_extension_fails_in_flask(shop: Shop, kit: Kit) -> None:
    """A before_request that parses a form of the stream leaves nothing."""
    app = flask_app(shop.receiver)

    @app.before_request
    def read() -> None:
        request.stream.read()

    result = kit.deliver(app, "transfer.created")
    assert (result.outcome, result.status) == ("misconfigured", 500)
    assert "get_data" in str(result)


def test_a_body_read_before_the_middleware_fails_in_starlette(shop: Shop, kit: Kit) -> None:
    """A middleware outside of ours that consumes the stream is told of."""

    class Reader:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await receive()

            async def nothing() -> Any:
                return {"type": "http.request", "body": b"", "more_body": False}

            await self.app(scope, nothing, send)

    app = starlette_middleware(shop.receiver)
    app.add_middleware(Reader)
    assert kit.deliver(app, "transfer.created").outcome == "misconfigured"


def test_a_route_in_front_of_the_endpoint_fails(shop: Shop, kit: Kit) -> None:
    """Its answer is no receiver's, and the text says what that means."""

    def take(request: Request) -> PlainTextResponse:
        return PlainTextResponse("mine", 200)

    routes = [Route("/{rest:path}", take, methods=["POST"]), webhook_route(shop.receiver)]
    result = kit.deliver(Starlette(routes=routes), "transfer.created")
    assert (result.status, result.outcome, result.code) == (200, None, "")
    assert "put the webhook endpoint before it" in str(result)


def test_a_redirect_is_not_followed(shop: Shop, kit: Kit) -> None:
    """As by the sender; Starlette's client would."""
    from starlette.middleware.httpsredirect import HTTPSRedirectMiddleware

    app = starlette_route(shop.receiver)
    app.add_middleware(HTTPSRedirectMiddleware)
    assert kit.deliver(TestClient(app), "transfer.created").status == 307


def test_an_application_in_front_is_passed_through(shop: Shop, kit: Kit) -> None:
    """A middleware that answers for everybody without a header of its own is seen."""
    app = fastapi_app(shop.receiver)

    @app.middleware("http")
    async def guard(request: FastAPIRequest, call_next: Any) -> Any:
        if "x-internal" not in request.headers:
            return PlainTextResponse("who are you?", 401)
        return await call_next(request)

    result = kit.deliver(app, "transfer.created")
    assert (result.status, result.outcome) == (401, None)


# --- a URL ----------------------------------------------------------------------------------------


class _Silent(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def url(shop: Shop) -> Iterator[str]:
    app = flask_app(shop.receiver, "/webhooks/coffrify")
    with make_server("127.0.0.1", 0, app, handler_class=_Silent) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_url_is_a_target(shop: Shop, kit: Kit, url: str) -> None:
    """A server in a thread of this process is isolated too; the path is the default one."""
    for target in (url, f"{url}/webhooks/coffrify"):
        assert kit.deliver(target, "transfer.created").outcome == "handled"
    with httpx2.Client(base_url=url) as client:
        assert kit.deliver(client, "transfer.created").outcome == "handled"
    assert len(kit.events) == 3


def test_a_server_that_is_not_isolated_gets_its_own_secret(shop: Shop, url: str) -> None:
    """Outside of an isolation the secret has to be given, unless it is in the environment."""
    assert deliver(url, "transfer.created", secret=SECRET).outcome == "handled"


def test_a_server_of_another_process_is_told_of(kit: Kit) -> None:
    """It has its own secret, which the kit does not know."""
    refusal = b'{"error": {"code": "signature_mismatch", "message": "not made with a secret"}}'

    def elsewhere(environ: Any, start_response: Any) -> list[bytes]:
        start_response("400 Bad Request", [("Content-Type", "application/json")])
        return [refusal]

    with httpx2.Client(transport=httpx2.WSGITransport(app=elsewhere)) as client:
        result = kit.deliver(client, "transfer.created", path="/webhooks/coffrify")
    assert (result.outcome, result.code) == ("rejected", "signature_mismatch")
    assert "give its secret: secret=..." in str(result)


def test_a_server_that_is_not_there_is_named(kit: Kit, url: str) -> None:
    """Nothing answered, at which address, and what to do."""
    with pytest.raises(ConfigurationError, match=r"nothing answered at http://127\.0\.0\.1:1/"):
        kit.deliver("http://127.0.0.1:1", "transfer.created")


# --- mistakes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "app", [Flask("x"), Starlette(), FastAPI(), TestClient(Starlette()), Flask("y").test_client()]
)
def test_an_application_without_our_route_says_so(kit: Kit, app: Any) -> None:
    """With the remedy, and the name of what was given."""
    with pytest.raises(ConfigurationError, match=rf"this {type(app).__name__} has no webhook endp"):
        kit.deliver(app, "transfer.created")


def test_a_path_without_an_endpoint_is_told_in_the_result(kit: Kit) -> None:
    """A path that is given is used, and the answer of 404 says what is missing."""
    result = kit.deliver(Flask("x"), "transfer.created", path="/nowhere")
    assert (result.status, result.outcome) == (404, None)
    assert "no webhook endpoint there" in str(result)


def test_several_endpoints_are_told_apart_by_their_path(kit: Kit) -> None:
    """Without one, the choice is named."""
    shops, app = [Shop(), Shop()], Flask("x")
    for shop, path in zip(shops, ("/a", "/b"), strict=True):
        CoffrifyWebhooks(app, shop.receiver, path=path)
    with pytest.raises(ConfigurationError, match=r"path='/b' or path='/a'|path='/a' or path='/b'"):
        kit.deliver(app, "transfer.created")
    assert kit.deliver(app, "transfer.created", path="/b").outcome == "handled"
    assert [shop.ran for shop in shops] == [[], ["transfer.created"]]


@pytest.mark.parametrize("target", [None, 7, object(), "localhost:8000"])
def test_what_is_no_target_is_refused(kit: Kit, target: Any) -> None:
    """With a list of what is."""
    with pytest.raises(ConfigurationError, match="a URL"):
        kit.deliver(target, "transfer.created")


def test_a_running_event_loop_is_refused_by_the_sync_function(shop: Shop, kit: Kit) -> None:
    """It names deliver_async."""

    async def run() -> None:
        with pytest.raises(ConfigurationError, match="deliver_async"):
            kit.deliver(shop.receiver, "transfer.created")

    for backend in ("asyncio", "trio"):
        anyio.run(run, backend=backend)


def test_nothing_is_left_of_an_event_loop(shop: Shop, kit: Kit) -> None:
    """A delivery to an ASGI application leaves the thread's own loop alone."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        kit.deliver(starlette_route(shop.receiver), "transfer.created")
        assert asyncio.get_event_loop() is loop
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def test_django_is_known_by_its_base(kit: Kit) -> None:
    """A handler of another kind that is neither WSGI nor ASGI is refused."""
    with override_settings(MIDDLEWARE=[]), pytest.raises(ConfigurationError, match="cannot send"):
        kit.deliver(BaseHandler(), "transfer.created")
