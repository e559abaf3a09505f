"""The inbox under a prefix of every framework: its links lead back into it, its forms work."""

import inspect
import re
from collections.abc import Iterator
from typing import Any

import pytest
from tests.inbox.visitor import Shop, set_up_django

YES = {"confirmed": "yes"}
OWN = {"sec-fetch-site": "same-origin"}


def starlette_client(shop: Shop) -> Any:
    from starlette.applications import Starlette
    from starlette.routing import Mount
    from starlette.testclient import TestClient

    return TestClient(Starlette(routes=[Mount("/admin/inbox", shop.inbox())]))


def fastapi_client(shop: Shop) -> Any:
    from fastapi import FastAPI
    from starlette.testclient import TestClient

    app = FastAPI()
    app.mount("/admin/inbox", shop.inbox())
    return TestClient(app)


def flask_wsgi(shop: Shop) -> Any:
    from flask import Flask
    from werkzeug.middleware.dispatcher import DispatcherMiddleware

    return DispatcherMiddleware(Flask("shop").wsgi_app, {"/admin/inbox": shop.inbox().wsgi})


def wsgi_client(wsgi: Any) -> Any:
    import httpx2

    return httpx2.Client(transport=httpx2.WSGITransport(app=wsgi), base_url="http://testserver")


def flask_client(shop: Shop) -> Any:
    return wsgi_client(flask_wsgi(shop))


def flask_asgi_client(shop: Shop) -> Any:
    """Flask on an ASGI server, as with `hypercorn` or `uvicorn` and an adapter."""
    from asgiref.wsgi import WsgiToAsgi
    from starlette.testclient import TestClient

    return TestClient(WsgiToAsgi(flask_wsgi(shop)))


def rooted_client(shop: Shop) -> Any:
    """A server with a root path, as `uvicorn --root-path`, whose paths do not hold it."""
    from starlette.testclient import TestClient

    inbox = shop.inbox()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"].removeprefix("/admin/inbox")
        await inbox({**scope, "root_path": "/admin/inbox", "path": path}, receive, send)

    return TestClient(app)


def use_django(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Django's site be the inbox alone, with Django's own protection from other sites."""
    set_up_django()
    from django.conf import settings
    from django.urls import re_path

    from coffrify_webhooks.django.inbox import inbox_view

    patterns = (re_path(r"^inbox/(?P<path>.*)$", inbox_view(shop.inbox())),)
    monkeypatch.setattr(settings, "ROOT_URLCONF", patterns)
    names = ("common.CommonMiddleware", "csrf.CsrfViewMiddleware")
    monkeypatch.setattr(settings, "MIDDLEWARE", [f"django.middleware.{each}" for each in names])


def django_wsgi_client(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Any:
    from django.core.handlers.wsgi import WSGIHandler
    from werkzeug.middleware.dispatcher import DispatcherMiddleware

    use_django(shop, monkeypatch)
    return wsgi_client(DispatcherMiddleware(flask_wsgi(shop).app, {"/admin": WSGIHandler()}))


def django_asgi_client(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Any:
    from django.core.handlers.asgi import ASGIHandler
    from starlette.applications import Starlette
    from starlette.routing import Mount
    from starlette.testclient import TestClient

    use_django(shop, monkeypatch)
    site: Any = ASGIHandler()
    return TestClient(Starlette(routes=[Mount("/admin", site)]))


@pytest.fixture(
    params=[
        starlette_client,
        fastapi_client,
        flask_client,
        flask_asgi_client,
        rooted_client,
        django_wsgi_client,
        django_asgi_client,
    ]
)
def client(
    request: pytest.FixtureRequest, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    takes_all = "monkeypatch" in inspect.signature(request.param).parameters
    made = request.param(shop, monkeypatch) if takes_all else request.param(shop)
    yield made
    made.close()


@pytest.fixture
def shop() -> Shop:
    return Shop()


def test_the_inbox_works_under_a_prefix(shop: Shop, client: Any) -> None:
    """Every link of its pages leads to another of them."""
    key = shop.stored.put("evt_1", "failed")
    assert client.get("/admin/inbox/").status_code == 403
    client.cookies.set("session", "admin")
    page = client.get("/admin/inbox/")
    assert page.status_code == 200
    asked = client.get("/admin/inbox?status=failed&q=%C3%A9%0Ax", follow_redirects=False)
    if asked.status_code != 200:  # the frameworks redirect to the slash in their own ways
        assert asked.headers["location"].endswith("/admin/inbox/?status=failed&q=%C3%A9%0Ax")
    links = set(re.findall(r'(?:href|src|action|hx-get)="([^"#]+)"', page.text))
    assert all(link.startswith("/admin/inbox/") for link in links), links
    for link in links - {"/admin/inbox/replay", "/admin/inbox/forget"}:
        assert client.get(link).status_code == 200, link
    done = client.post("/admin/inbox/replay", data={"key": key, **YES}, headers=OWN)
    assert "<span>handled</span>" in done.text
    assert client.post("/admin/inbox/forget", data={"key": key, **YES}).status_code == 403


def test_links_lead_through_a_proxy_that_cuts_its_prefix_off(shop: Shop) -> None:
    """As `FastAPI(root_path="/api")` behind one: links have the prefix, and requests have not."""
    from starlette.applications import Starlette
    from starlette.routing import Mount
    from starlette.testclient import TestClient

    app = Starlette(routes=[Mount("/admin/inbox", shop.inbox())])
    client = TestClient(app, root_path="/api", cookies={"session": "admin"})
    page = client.get("/admin/inbox/health")
    assert page.status_code == 200
    for link in re.findall(r'(?:href|src)="([^"#]+)"', page.text):
        assert link.startswith("/api/admin/inbox/")
        assert client.get(link.removeprefix("/api")).status_code == 200


STRANGERS = [
    ("", OWN),
    ("guest", OWN),
    ("admin", {}),
    ("admin", {"sec-fetch-site": "cross-site"}),
    ("admin", {"origin": "https://evil.example"}),
    ("admin", {**OWN, "origin": "http://testserver", "host": "evil.example"}),
    ("admin", {**OWN, "origin": "null"}),
]


def test_no_mount_lets_a_stranger_or_another_site_act(shop: Shop, client: Any) -> None:
    key = shop.stored.put("evt_1", "failed")
    for session, headers in STRANGERS:
        client.cookies.set("session", session)
        for action in ("replay", "forget"):
            form = {"key": key, **YES}
            answer = client.post(f"/admin/inbox/{action}", data=form, headers=headers)
            assert answer.status_code == 403, (session, headers)
    assert shop.receiver.store.get(key) is not None
    assert shop.seen == []


TRICKS = [
    "/static/%2e%2e/app.py",
    "/static/..%2fapp.py",
    "/static/%2e%2e%2f%2e%2e%2fpyproject.toml",
    "//evil.example/",
    "/%5cevil.example",
    "/event/%00",
    "/event/%0d%0aSet-Cookie:%20x=1",
    "/event/" + "0" * 64 + "%0a",
    "er/",
]


def test_path_tricks_lead_nowhere_in_any_mount(client: Any) -> None:
    client.cookies.set("session", "admin")
    for path in TRICKS:
        answer = client.get(f"/admin/inbox{path}", follow_redirects=False)
        assert answer.status_code == 404, path
        assert "set-cookie" not in answer.headers
        assert 'href="//' not in answer.text


def test_django_gives_its_own_request_to_authorize() -> None:
    """Django's token is not asked for, no transaction is open, and a large form is not read."""
    from django.db import connections
    from django.http import HttpRequest
    from django.test import RequestFactory

    from coffrify_webhooks.django.inbox import inbox_view
    from coffrify_webhooks.inbox import inbox_app

    set_up_django()
    shop = Shop()
    view = inbox_view(
        inbox_app(shop.receiver, authorize=lambda request: isinstance(request.source, HttpRequest))
    )
    asked = RequestFactory(enforce_csrf_checks=True)
    page = view(asked.get("/admin/inbox/"), "")
    assert page.status_code == 200
    assert page["Cache-Control"] == "no-store"
    assert view.csrf_exempt  # type: ignore[attr-defined]
    out = view._non_atomic_requests  # type: ignore[attr-defined]
    assert out == set(connections), "a request's transaction would hold locks"
    large = asked.post("/admin/inbox/replay", b"x" * 70_000, content_type="text/plain")
    assert view(large, "replay").status_code == 413


def test_an_async_authorize_runs_on_the_caller_s_loop() -> None:
    """So that it can use the application's own async session store."""
    import asyncio

    from starlette.testclient import TestClient

    from coffrify_webhooks.inbox import InboxRequest, inbox_app

    loops: list[object] = []

    async def authorize(request: InboxRequest) -> bool:
        loops.append(asyncio.get_running_loop())
        return bool(request.source["type"] == "http")

    inbox = inbox_app(Shop().receiver, authorize=authorize)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        loops.append(asyncio.get_running_loop())
        await inbox(scope, receive, send)

    assert TestClient(app).get("/").status_code == 200
    assert len(set(map(id, loops))) == 1
