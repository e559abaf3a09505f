"""Sends one request through a test client of a framework, or an httpx client."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.testing.result import Answer

from .server import HOST

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from coffrify_webhooks.testing.signed_request import SignedRequest

__all__ = [
    "client_of_django",
    "close_connections_of_django",
    "of_another",
    "of_django",
    "of_django_async",
    "of_django_view",
    "of_flask",
    "of_httpx",
    "of_httpx_async",
    "of_werkzeug",
]

__tracebackhide__: bool = True
"""pytest shows the line of the test, not ours."""


def of_werkzeug(client: Any) -> Callable[[SignedRequest, str], Answer]:
    """Send through Flask's or Werkzeug's test client."""

    def post(request: SignedRequest, path: str) -> Answer:
        response = client.post(path, data=request.body, headers=request.headers)
        return Answer(response.status_code, dict(response.headers), response.get_data())

    return post


def of_flask(app: Any) -> Callable[[SignedRequest, str], Answer]:
    """Send through a test client of a Flask application, a new one each time."""
    return of_werkzeug(app.test_client())


def of_another(client: Any) -> Callable[[SignedRequest, str], Answer]:
    """Send through another client of the same application: one serves one request at a time."""
    return of_werkzeug(type(client)(client.application, client.response_wrapper))


def client_of_django(target: Any, names: set[str]) -> Any:
    """Return the client that sends by a request factory, or to a handler or view of Django."""
    if "django.test.client.Client" in names or "django.test.client.AsyncClient" in names:
        return target
    test: Any = sys.modules.get("django.test.client")
    if "django.test.client.AsyncRequestFactory" in names:
        return test.AsyncClient(enforce_csrf_checks=True, **target.defaults)
    if "django.test.client.RequestFactory" in names:
        return test.Client(enforce_csrf_checks=True, **target.defaults)
    kinds = {"django.test.client.ClientHandler": "Client"}
    kinds |= {"django.test.client.AsyncClientHandler": "AsyncClient"}
    for name in names & kinds.keys():
        client = getattr(test, kinds[name])()
        client.handler = target
        return client
    return target


def of_django(client: Any) -> Callable[[SignedRequest, str], Answer]:
    """Send through Django's Client, or one derived from it."""
    return lambda request, path: _of_django(_generic(client, request, path))


def of_django_view(view: Any) -> Callable[[SignedRequest, str], Answer]:
    """Call a view or a middleware of ours with a request of Django's RequestFactory."""

    def post(request: SignedRequest, path: str) -> Answer:
        factory = sys.modules["django.test.client"].RequestFactory()
        return _of_django(view(_generic(factory, request, path)))

    return post


def of_django_async(client: Any) -> Callable[[SignedRequest, str], Awaitable[Answer]]:
    """Send through Django's AsyncClient."""

    async def post(request: SignedRequest, path: str) -> Answer:
        return _of_django(await _generic(client, request, path))

    return post


def _generic(client: Any, request: SignedRequest, path: str) -> Any:
    headers = {name: each for name, each in request.headers.items() if name != "Content-Type"}
    return client.generic("POST", path, request.body, "application/json", headers=headers)


def _of_django(response: Any) -> Answer:
    body = b"".join(response.streaming_content) if response.streaming else response.content
    return Answer(response.status_code, dict(response.items()), body)


def of_httpx(client: Any) -> Callable[[SignedRequest, str], Answer]:
    """Send through an httpx client, and so through Starlette's TestClient."""

    def post(request: SignedRequest, path: str) -> Answer:
        url = _url(client, path)
        return _of_httpx(client.post(url, content=request.body, headers=request.headers, **_STAY))

    return post


def of_httpx_async(client: Any) -> Callable[[SignedRequest, str], Awaitable[Answer]]:
    """Send through an async httpx client."""

    async def post(request: SignedRequest, path: str) -> Answer:
        url = _url(client, path)
        sending = client.post(url, content=request.body, headers=request.headers, **_STAY)
        return _of_httpx(await sending)

    return post


_STAY = {"follow_redirects": False}
"""As the sender, which follows none; TestClient does."""


def _url(client: Any, path: str) -> str:
    return path if str(client.base_url) else f"http://{HOST}{path}"


def _of_httpx(response: Any) -> Answer:
    return Answer(response.status_code, dict(response.headers), response.content)


def refuse_transaction_of_django() -> None:
    """Refuse to send from two threads inside a transaction, which is that of one of them alone."""
    from django.db import connections

    if any(each.in_atomic_block for each in connections.all(initialized_only=True)):
        raise ConfigurationError(
            'case="concurrent" sends from two threads, which do not share the transaction of this '
            "test: what handlers write there would stay after it. Use TransactionTestCase instead "
            "of TestCase, or with pytest-django @pytest.mark.django_db(transaction=True)"
        )


def close_connections_of_django() -> None:
    """Close what a thread of ours has opened, or a test database could not be removed."""
    module = sys.modules.get("django.db")
    if module is not None:
        module.connections.close_all()
