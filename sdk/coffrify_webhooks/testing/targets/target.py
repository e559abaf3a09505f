"""Recognises what a delivery is sent to, by the names of its classes; no framework is imported."""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from coffrify_webhooks.applications.endpoints import endpoints_in
from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.handlers.annotation import signature_of
from coffrify_webhooks.http.url_path import DEFAULT_PATH, UrlPath
from coffrify_webhooks.receiver import Receiver
from coffrify_webhooks.testing.result import Answer

from . import client
from .mistaken import is_handler, no_target, no_url
from .server import call_asgi, call_wsgi
from .url import post_url

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from coffrify_webhooks.http.reply import Reply
    from coffrify_webhooks.testing.signed_request import SignedRequest

__all__ = ["Target", "target_of"]

__tracebackhide__: bool = True
"""pytest shows the line of the test, not ours."""

_OF_WSGI = 2
"""The parameters of a WSGI application."""
_OF_ASGI = 3


class Target(NamedTuple):
    """Where a delivery goes."""

    receiver: Receiver | None
    """That of the endpoint, if it is in this process."""
    path: str
    post: Callable[[SignedRequest, str], Answer] | None = None
    """Sends from sync code."""
    post_async: Callable[[SignedRequest, str], Awaitable[Answer]] | None = None
    """Sends on an event loop."""
    apart: Callable[[SignedRequest, str], Answer] | None = None
    """Sends while another request is under way, where `post` cannot."""
    is_django: bool = False


def target_of(target: object, path: str | None) -> Target:
    """Return how to send to a target, and to which path.

    path: else that of the endpoint in the application. Raises ConfigurationError for what is no
    target, and for an application without an endpoint, or with several.
    """
    if isinstance(target, Receiver):
        receiver = target
        return Target(receiver, "", partial(_receive, receiver), partial(_receive_async, receiver))
    if isinstance(target, str):
        return _at_url(target, path)
    names = {f"{each.__module__}.{each.__qualname__}" for each in type(target).__mro__}
    target = client.client_of_django(target, names)
    names |= {f"{each.__module__}.{each.__qualname__}" for each in type(target).__mro__}
    posting = None if is_handler(target) else _find_client(target, names)
    if posting is None:
        raise ConfigurationError(no_target(target))
    found = _endpoint(target, path, is_remote=_is_remote(target))
    is_django = any(name.startswith(("django.", "coffrify_webhooks_django.")) for name in names)
    return posting._replace(receiver=found.receiver, path=found.path or "", is_django=is_django)


def _find_client(target: Any, names: set[str]) -> Target | None:
    """Return how to send: by the client that is given, else as a server would."""
    for name, post in _SYNC.items():
        if name in names:
            return Target(None, "", post(target), apart=_second_client(target, names))
    for name, post_async in _ASYNC.items():
        if name in names:
            return Target(None, "", post_async=post_async(target))
    if not callable(target) or isinstance(target, type):
        return None
    parameters = _count_parameters(target)
    if parameters == _OF_ASGI:
        return Target(None, "", post_async=partial(call_asgi, target))
    if parameters == _OF_WSGI:
        return Target(None, "", partial(call_wsgi, target))
    return None


_SYNC: dict[str, Callable[[Any], Callable[[SignedRequest, str], Answer]]] = {
    "django.test.client.Client": client.of_django,
    "coffrify_webhooks_django.views._Webhook": client.of_django_view,
    "coffrify_webhooks_django.middleware.CoffrifyWebhooksMiddleware": client.of_django_view,
    "werkzeug.test.Client": client.of_werkzeug,
    "flask.app.Flask": client.of_flask,
    "httpx.Client": client.of_httpx,
    "httpx2.Client": client.of_httpx,
}
_ASYNC: dict[str, Callable[[Any], Callable[[SignedRequest, str], Awaitable[Answer]]]] = {
    "django.test.client.AsyncClient": client.of_django_async,
    "httpx.AsyncClient": client.of_httpx_async,
    "httpx2.AsyncClient": client.of_httpx_async,
}


def _second_client(target: Any, names: set[str]) -> Callable[[SignedRequest, str], Answer] | None:
    return client.of_another(target) if "werkzeug.test.Client" in names else None


def _count_parameters(target: Any) -> int:
    """Count the parameters that a call of it has to give."""
    try:
        parameters = signature_of(target).parameters.values()
    except (TypeError, ValueError):
        return 0
    given = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(each.kind in given and each.default is each.empty for each in parameters)


class _Found(NamedTuple):
    receiver: Receiver | None
    path: str | None


def _endpoint(target: object, path: str | None, *, is_remote: bool) -> _Found:
    """Return the endpoint in an application, the one at `path` if that is given."""
    found = [_Found(*each) for each in endpoints_in(target)]
    if path is not None:
        text = UrlPath(path).text
        at_path = [each for each in found if (each.path or "").rstrip("/") == text]
        receiver = next((each.receiver for each in at_path or found), None)
        return _Found(receiver, path)
    paths = [*dict.fromkeys(each.path for each in found if each.path)]
    if len(paths) == 1:
        return next(each for each in found if each.path == paths[0])
    if paths:
        choices = " or ".join(f"path={each!r}" for each in sorted(paths))
        raise ConfigurationError(f"the application has several endpoints; name one: {choices}")
    if is_remote:
        return _Found(None, DEFAULT_PATH)
    raise ConfigurationError(
        f"this {type(target).__name__} has no webhook endpoint that can be seen from outside: add "
        "the middleware, the route or the extension, as the page of your framework shows; or name "
        f"its path: path={DEFAULT_PATH!r}"
    )


def _is_remote(target: object) -> bool:
    """Tell whether an httpx client talks to a server instead of an application."""
    transport = getattr(target, "_transport", None)
    return transport is not None and not hasattr(transport, "app")


def _at_url(url: str, path: str | None) -> Target:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(no_url(url))
    found = path or ("" if parts.path.strip("/") else DEFAULT_PATH)

    def post(request: SignedRequest, to: str) -> Answer:
        return post_url(url.rstrip("/") + to, request)

    return Target(None, found, post)


def _receive(receiver: Receiver, request: SignedRequest, _path: str) -> Answer:
    return _answer_of(receiver.receive(request.body, request.headers, method=request.method))


async def _receive_async(receiver: Receiver, request: SignedRequest, _path: str) -> Answer:
    return _answer_of(
        await receiver.receive_async(request.body, request.headers, method=request.method)
    )


def _answer_of(reply: Reply) -> Answer:
    return Answer(reply.status, reply.headers, reply.body)
