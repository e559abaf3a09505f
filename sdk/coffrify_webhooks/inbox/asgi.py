"""The inbox as an ASGI application: reads a request, and sends a response."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .request import LARGEST_FORM, InboxRequest

if TYPE_CHECKING:
    from coffrify_webhooks.asgi import Receive, Scope, Send

    from .response import Response

__all__ = ["read_form", "request_of", "send_response"]


def request_of(scope: Scope) -> InboxRequest:
    """Return the request, without the form that it may send."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    root: str = scope.get("root_path", "").rstrip("/")
    mount = root.removeprefix(scope.get("app_root_path", "").rstrip("/"))
    query = scope.get("query_string", b"").decode("latin-1")
    scheme = scope.get("scheme", "http")
    path = _below(scope["path"], root, mount)
    return InboxRequest(scope["method"], path, root, query, headers, scope, scheme=scheme)


def _below(path: str, *prefixes: str) -> str:
    """Return a path without the first of the prefixes that it has.

    Servers pass the whole path, those behind a proxy that cuts its own prefix off what is left of
    it, and some what is below the inbox.
    """
    for prefix in prefixes:
        if prefix and (path == prefix or path.startswith(prefix + "/")):
            return path[len(prefix) :]
    return path


async def read_form(receive: Receive) -> bytes | None:
    """Return what was sent; None if it is too large, or its client has gone."""
    body = b""
    while True:
        message = await receive()
        part: bytes = message.get("body", b"")
        body += part
        if message["type"] != "http.request" or len(body) > LARGEST_FORM:
            return None
        if not message.get("more_body"):
            return body


async def send_response(response: Response, scope: Scope, send: Send) -> None:
    """Send a response; to HEAD without its body."""
    headers = [(k.lower().encode(), v.encode("latin-1")) for k, v in response.headers.items()]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    body = b"" if scope["method"] == "HEAD" else response.body
    await send({"type": "http.response.body", "body": body})
