"""Finds the endpoints in an application, a test client or a middleware: receivers and paths.

Frameworks are known by what their objects hold, so that none of them is imported for this.
"""

from __future__ import annotations

import sys
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from coffrify_webhooks.asgi import WebhookEndpoint
from coffrify_webhooks.http.url_path import UrlPath
from coffrify_webhooks.receiver import Receiver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

__all__ = ["Endpoint", "endpoints_in", "receivers_in"]

_INSIDE = (
    "receiver",  # of our endpoint, middlewares and extension
    "endpoint",  # of our ASGI middleware, and of a route
    "app",  # of any middleware, of a mount, and of a test client
    "wsgi_app",  # of Flask, if it was wrapped
    "asgi_app",  # of Quart, likewise
    "application",  # of what wraps Django's, and of Flask's test client
    "application_mapping",  # of Channels
    "router",  # of Starlette and FastAPI
    "original_router",  # of a router that FastAPI includes
    "routes",
    "mounts",  # of Werkzeug's dispatcher
    "middleware_stack",  # of Starlette, once it is built
    "handler",  # of Django's test client
    "_transport",  # of an httpx client
)
_PREFIXES = ("mounts", "application_mapping")
"""Mappings whose keys are what a path begins with, if they are paths."""
_EXTENSION = "coffrify_webhooks"
_OURS_OF_DJANGO = ("coffrify_webhooks_django.middleware", "coffrify_webhooks_django.views")
_MOST = 10_000


class Endpoint(NamedTuple):
    """A receiver, and where it is reached."""

    receiver: Receiver
    path: str | None
    """Below the application's root; None if the object does not tell."""


def receivers_in(thing: object) -> list[Receiver]:
    """Return the Receivers that an application, a middleware or an extension holds."""
    found = {id(each.receiver): each.receiver for each in endpoints_in(thing)}
    return list(found.values())


def endpoints_in(thing: object) -> list[Endpoint]:
    """Return the endpoints that an application, a test client or a middleware holds."""
    found: dict[tuple[int, str | None], Endpoint] = {}
    seen: dict[tuple[int, str, str | None], object] = {}
    ahead: list[_Part] = [_Part(thing)]
    while ahead and len(seen) < _MOST:
        part = ahead.pop()
        each, key = part.thing, (id(part.thing), part.prefix, part.path)
        if key in seen or isinstance(each, (type, ModuleType)):
            continue
        seen[key] = each
        if not issubclass(type(each), Receiver):  # isinstance() would ask a proxy for what it is
            ahead.extend(_django(each) if _is_django(each) else _parts_of(part))
            continue
        receiver = cast("Receiver", each)
        found.setdefault((id(receiver), part.path), Endpoint(receiver, part.path))
    placed = {id(each.receiver) for each in found.values() if each.path is not None}
    return [
        each
        for each in found.values()
        if (each.path and not _is_health(each, found)) or id(each.receiver) not in placed
    ]


def _is_health(endpoint: Endpoint, found: Mapping[tuple[int, str | None], Endpoint]) -> bool:
    """Tell whether it is another endpoint's page for monitors, which FastAPI has a route for."""
    path, _, last = (endpoint.path or "").rpartition("/")
    return last == "health" and (id(endpoint.receiver), path or "/") in found


class _Part(NamedTuple):
    """Something inside an application, and the path that leads there as far as it is known."""

    thing: object
    prefix: str = ""
    path: str | None = None


def _is_django(thing: object) -> bool:
    if type(thing).__module__ in _OURS_OF_DJANGO or _is_asgi_of_django(thing):
        return True
    module = sys.modules.get("django.core.handlers.base")
    return module is not None and issubclass(type(thing), module.BaseHandler)


def _is_asgi_of_django(thing: object) -> bool:
    """Tell whether `with_webhooks` has made it: a function, which shows nothing inside."""
    return type(thing) is FunctionType and thing.__module__ == "coffrify_webhooks_django.asgi"


def _django(thing: object) -> Iterator[_Part]:
    from coffrify_webhooks_django.conf import current_endpoint
    from coffrify_webhooks_django.placement import served_path

    receiver, path, _ = current_endpoint()
    yield _Part(receiver, path=path.text or "/" if _is_asgi_of_django(thing) else served_path())


def _parts_of(part: _Part) -> Iterator[_Part]:
    """Yield what may hold a Receiver in turn; only plain attributes are looked at, none called."""
    try:
        held: Mapping[str, Any] = vars(part.thing)
    except Exception:  # it has none, or is a proxy of what is not there now
        return
    prefix, path = _path_of(held, part)
    for name in _INSIDE:
        each = held.get(name)
        if isinstance(each, dict):
            for key, inside in cast("dict[object, object]", each).items():
                below = str(key) if name in _PREFIXES and str(key).startswith("/") else ""
                yield _Part(inside, prefix + below)
        elif isinstance(each, (list, tuple)):
            yield from (_Part(inside, prefix) for inside in cast("Iterable[object]", each))
        elif name in ("receiver", "endpoint") or (name == "app" and _is_route(held)):
            yield _Part(each, prefix, path)
        else:
            yield _Part(each, prefix)
    if isinstance(held.get("extensions"), dict):  # Flask's
        extensions = cast("dict[str, Any]", held["extensions"])
        yield _Part(extensions.get(_EXTENSION), prefix)
        for text, receiver in extensions.get(f"{_EXTENSION}_receivers", {}).items():
            yield _Part(receiver, prefix, prefix + text)
    if held.get("middleware_stack") is None:
        yield from (_Part(_middleware(each), prefix) for each in held.get("user_middleware") or ())


def _path_of(held: Mapping[str, Any], part: _Part) -> tuple[str, str | None]:
    """Return the prefix of what is inside, and the path if the endpoint itself is."""
    path = held.get("path")
    if isinstance(part.thing, WebhookEndpoint) and part.path is None:  # the whole of a mount
        return part.prefix, part.prefix + "/"
    if isinstance(path, UrlPath):  # of our middlewares
        return part.prefix, part.prefix + (path.text or "/")
    if isinstance(path, str) and "endpoint" in held:  # of a route
        return part.prefix, part.prefix + (path if path == "/" else path.rstrip("/"))
    if isinstance(path, str) and "path_format" in held:  # of a mount
        return part.prefix + path.rstrip("/"), None
    included = getattr(held.get("include_context"), "prefix", "")  # of a router in FastAPI
    return part.prefix + (included if isinstance(included, str) else ""), part.path


def _is_route(held: Mapping[str, Any]) -> bool:
    return isinstance(held.get("path"), str) and "endpoint" in held


def _middleware(entry: Any) -> object:
    """Make a middleware of ours that Starlette will make at its first request."""
    kind: Callable[..., object] | None = getattr(entry, "cls", None)
    ours = getattr(kind, "__name__", "") == "CoffrifyWebhooksMiddleware"
    return kind(None, *entry.args, **entry.kwargs) if kind is not None and ours else None
