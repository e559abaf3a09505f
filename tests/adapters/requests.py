"""One HTTP request, given to a WSGI or ASGI application the way a server would."""

import io
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import anyio


class NothingSentError(Exception):
    """The application ended without an answer."""


class Response(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Request(NamedTuple):
    """announce: what Content-Length says; None sends the body chunked."""

    method: str
    path: str
    body: bytes
    headers: Mapping[str, str]
    announce: int | None
    mount: str = ""
    terminated: bool = True
    buffered: bool = True


class _Socket(io.RawIOBase):
    """A stream that nobody can tell the end of."""

    def __init__(self, body: bytes) -> None:
        self._body = io.BytesIO(body)

    def read(self, size: int = -1) -> bytes:
        return self._body.read(size)


def send_wsgi(app: Callable[..., Any], request: Request) -> Response:
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": request.mount,
        "PATH_INFO": request.path,
        "QUERY_STRING": "",
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(request.body) if request.buffered else _Socket(request.body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.input_terminated": request.terminated,
    }
    for name, value in request.headers.items():
        key = name.upper().replace("-", "_")
        environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
    if request.announce is None:
        environ["HTTP_TRANSFER_ENCODING"] = "chunked"
    else:
        environ["CONTENT_LENGTH"] = str(request.announce)
    started: list[Any] = []
    chunks = app(environ, lambda status, headers, *_: started.append((status, headers)))
    body = b"".join(chunks)
    if hasattr(chunks, "close"):
        chunks.close()
    status, headers = started[0]
    return Response(int(status.split()[0]), {k.lower(): v for k, v in headers}, body)


def send_asgi(app: Callable[..., Any], request: Request, *, backend: str = "asyncio") -> Response:
    headers = [(k.lower().encode(), v.encode()) for k, v in request.headers.items()]
    if request.announce is None:
        headers.append((b"transfer-encoding", b"chunked"))
    else:
        headers.append((b"content-length", str(request.announce).encode()))
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": request.mount + request.path,
        "raw_path": (request.mount + request.path).encode(),
        "query_string": b"",
        "root_path": request.mount,
        "headers": headers,
        "client": ("127.0.0.1", 50000),
        "server": ("testserver", 80),
    }
    half = len(request.body) // 2
    whole = request.announce is None or request.announce <= len(request.body)
    incoming = [
        {"type": "http.request", "body": request.body[:half], "more_body": True},
        {"type": "http.request", "body": request.body[half:], "more_body": not whole},
    ]
    sent: list[Any] = []
    done: list[anyio.Event] = []

    async def receive() -> Any:
        if incoming:
            return incoming.pop(0)
        if whole:  # the sender waits for the answer
            await done[0].wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            done[0].set()

    async def run() -> None:
        done.append(anyio.Event())
        await app(scope, receive, send)

    anyio.run(run, backend=backend)
    if not sent:
        raise NothingSentError
    body = b"".join(m.get("body", b"") for m in sent if m["type"] == "http.response.body")
    names = {k.decode().lower(): v.decode() for k, v in sent[0]["headers"]}
    return Response(sent[0]["status"], names, body)
