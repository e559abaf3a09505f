"""The inbox under a prefix of every framework: its links lead back into it, its forms work."""

import re
from collections.abc import Callable
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


def flask_client(shop: Shop) -> Any:
    import httpx2
    from flask import Flask
    from werkzeug.middleware.dispatcher import DispatcherMiddleware

    app = Flask("shop")
    wsgi = DispatcherMiddleware(app.wsgi_app, {"/admin/inbox": shop.inbox().wsgi})
    return httpx2.Client(transport=httpx2.WSGITransport(app=wsgi), base_url="http://testserver")


def rooted_client(shop: Shop) -> Any:
    """A server with a root path, as `uvicorn --root-path`, whose paths do not hold it."""
    from starlette.testclient import TestClient

    inbox = shop.inbox()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"].removeprefix("/admin/inbox")
        await inbox({**scope, "root_path": "/admin/inbox", "path": path}, receive, send)

    return TestClient(app)


@pytest.mark.parametrize("made", [starlette_client, fastapi_client, flask_client, rooted_client])
def test_the_inbox_works_under_a_prefix(made: Callable[[Shop], Any]) -> None:
    """Every link of its pages leads to another of them."""
    shop = Shop()
    key = shop.stored.put("evt_1", "failed")
    client = made(shop)
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


def test_django_serves_the_inbox_as_a_view(monkeypatch: pytest.MonkeyPatch) -> None:
    """`authorize` is given Django's own request; Django's token is not asked for."""
    from django.db import connections
    from django.http import HttpRequest
    from django.test import RequestFactory

    from coffrify_webhooks.django.inbox import inbox_view
    from coffrify_webhooks.inbox import inbox_app

    set_up_django()
    shop = Shop()
    key = shop.stored.put("evt_1", "failed")
    view = inbox_view(
        inbox_app(shop.receiver, authorize=lambda request: isinstance(request.source, HttpRequest))
    )
    asked = RequestFactory(enforce_csrf_checks=True)
    page = view(asked.get("/admin/inbox/"), "")
    assert page.status_code == 200
    assert f'href="/admin/inbox/event/{key}"' in page.content.decode()
    assert page["Cache-Control"] == "no-store"
    form = asked.post(
        "/admin/inbox/replay",
        f"key={key}&confirmed=yes",
        content_type="application/x-www-form-urlencoded",
        headers=OWN,
    )
    assert "<span>handled</span>" in view(form, "replay").content.decode()
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
