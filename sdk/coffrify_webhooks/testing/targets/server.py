"""Gives one request to a WSGI or ASGI application, as a server would."""

from __future__ import annotations

import asyncio
import io
import sys
from typing import TYPE_CHECKING, Any

from coffrify_webhooks.concurrency.async_library import running_trio
from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.testing.result import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from coffrify_webhooks.testing.signed_request import SignedRequest

__all__ = ["HOST", "call_asgi", "call_wsgi"]

__tracebackhide__: bool = True
"""pytest shows the line of the test, not ours."""

HOST = "testserver"
"""The name that the test clients of Django and Starlette use, so that it is allowed already."""


def call_wsgi(app: Callable[..., Any], request: SignedRequest, path: str) -> Answer:
    """Give a request to a WSGI application and read the whole answer."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "CONTENT_LENGTH": str(len(request.body)),
        "REMOTE_ADDR": "127.0.0.1",
        "SERVER_NAME": HOST,
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in request.headers.items():
        key = name.upper().replace("-", "_")
        environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], _error: Any = None) -> Any:
        started.append((status, headers))
        return written.append

    written: list[bytes] = []
    chunks = app(environ, start_response)
    try:
        body = b"".join([*chunks])
    finally:
        if hasattr(chunks, "close"):
            chunks.close()
    if not started:
        raise ConfigurationError(_SILENT)
    status, headers = started[-1]
    return Answer(int(status.split()[0]), dict(headers), b"".join(written) + body)


async def call_asgi(app: Callable[..., Any], request: SignedRequest, path: str) -> Answer:
    """Give a request to an ASGI application and collect the whole answer."""
    headers = [(name.lower().encode(), value.encode()) for name, value in request.headers.items()]
    headers += [(b"host", HOST.encode()), (b"content-length", str(len(request.body)).encode())]
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 50000),
        "server": (HOST, 80),
    }
    incoming = [{"type": "http.request", "body": request.body, "more_body": False}]
    sent: list[dict[str, Any]] = []
    trio = running_trio()
    answered: Any = asyncio.Event() if trio is None else trio.Event()

    async def receive() -> dict[str, Any]:
        if incoming:
            return incoming.pop(0)
        await answered.wait()  # the sender does not hang up before
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            answered.set()

    await app(scope, receive, send)
    start = next((each for each in sent if each["type"] == "http.response.start"), None)
    if start is None:
        raise ConfigurationError(_SILENT)
    names = {name.decode("latin-1"): value.decode("latin-1") for name, value in start["headers"]}
    return Answer(start["status"], names, b"".join(each.get("body", b"") for each in sent))


_SILENT = "the application ended without an answer, so the sender would have got none"
