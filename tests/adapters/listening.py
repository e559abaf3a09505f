"""Real servers, each in this process on a free port, and requests to them byte by byte."""

import asyncio
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, Literal

from tests.adapters.requests import Response

WSGI = Callable[[dict[str, Any], Any], Any]
ASGI = Callable[[Any, Any, Any], Any]


@contextmanager
def _served(serve: Callable[[], object], stop: Callable[[], object]) -> Iterator[None]:
    thread = threading.Thread(target=serve, name="server", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop()
        thread.join(10)


@contextmanager
def waitress(app: WSGI) -> Iterator[int]:
    from waitress.server import create_server  # type: ignore[import-untyped]

    server = create_server(app, host="127.0.0.1", port=0, threads=4)
    with _served(server.run, server.close):
        yield server.effective_port


@contextmanager
def cheroot(app: WSGI) -> Iterator[int]:
    from cheroot.wsgi import Server

    server = Server(("127.0.0.1", 0), app, numthreads=4)
    server.prepare()
    with _served(server.serve, server.stop):
        yield server.bind_addr[1]


@contextmanager
def werkzeug(app: WSGI) -> Iterator[int]:
    from werkzeug.serving import make_server

    server = make_server("127.0.0.1", 0, app, threaded=True)
    with _served(server.serve_forever, server.shutdown):
        yield server.port
    server.server_close()


@contextmanager
def wsgiref(app: WSGI) -> Iterator[int]:
    from socketserver import ThreadingMixIn
    from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

    class Threaded(ThreadingMixIn, WSGIServer):
        daemon_threads = True

    class Quiet(WSGIRequestHandler):
        def log_message(self, *_: Any) -> None: ...

    server = make_server("127.0.0.1", 0, app, Threaded, Quiet)
    with _served(lambda: server.serve_forever(0.01), server.shutdown):
        yield server.server_port
    server.server_close()


@contextmanager
def runserver(app: WSGI) -> Iterator[int]:
    import django
    from django.conf import settings
    from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler

    if not settings.configured:
        os.environ["DJANGO_SETTINGS_MODULE"] = "tests.django_settings"
        django.setup()

    class Quiet(WSGIRequestHandler):
        def log_message(self, *_: Any) -> None: ...

    server = ThreadedWSGIServer(("127.0.0.1", 0), Quiet)
    server.set_app(app)
    with _served(lambda: server.serve_forever(0.01), server.shutdown):
        yield server.server_port
    server.server_close()


@contextmanager
def uvicorn(app: ASGI, *, http: Literal["h11", "httptools"] = "h11") -> Iterator[int]:
    """Serve by h11 on asyncio's loop, or as `uvicorn[standard]` does: by httptools on uvloop."""
    from uvicorn import Config, Server

    listening = socket.create_server(("127.0.0.1", 0))
    settings: Any = {"log_level": "critical", "lifespan": "off", "timeout_graceful_shutdown": 1}
    server = Server(Config(app, http=http, **settings))
    factory = asyncio.new_event_loop
    if http == "httptools":
        from uvloop import new_event_loop as factory

    def stop() -> None:
        server.should_exit = True

    def work() -> None:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(server.serve([listening]))

    with _served(work, stop):
        yield listening.getsockname()[1]
    listening.close()


def uvicorn_standard(app: ASGI) -> AbstractContextManager[int]:
    return uvicorn(app, http="httptools")


@contextmanager
def hypercorn(app: Any) -> Iterator[int]:
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    listening = socket.create_server(("127.0.0.1", 0))
    config = Config()
    config.bind = [f"fd://{listening.fileno()}"]
    config.accesslog = config.errorlog = None
    config.graceful_timeout = 0.1
    loop = asyncio.new_event_loop()
    over = asyncio.Event()

    def work() -> None:
        loop.run_until_complete(serve(app, config, shutdown_trigger=over.wait))
        loop.close()

    with _served(work, lambda: loop.call_soon_threadsafe(over.set)):
        yield listening.getsockname()[1]
    listening.detach()


def exchange(port: int, *parts: bytes, end: bool = False) -> Response:
    """Send the parts of a request as they are and return the answer; `end` hangs up half-way."""
    with socket.create_connection(("127.0.0.1", port), 30) as client:
        with suppress(OSError):  # it may have answered and gone already
            for part in parts:
                client.sendall(part)
            if end:
                client.shutdown(socket.SHUT_WR)
        return answer(client)


def answer(client: socket.socket) -> Response:
    """Read an answer; status 0 if the server closed the connection without one."""
    text = b""
    while b"\r\n\r\n" not in text:
        more = _received(client)
        if not more:
            return Response(0, {}, text)
        text += more
    head, _, body = text.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
    length = int(headers.get("content-length", "0"))
    while len(body) < length and (more := _received(client)):
        body += more
    return Response(int(first.split()[1]), headers, body)


def _received(client: socket.socket) -> bytes:
    """Return more of an answer; nothing if a server with unread bytes reset the connection."""
    try:
        return client.recv(65536)
    except ConnectionError:
        return b""


def head(headers: dict[str, str], path: str = "/webhooks/coffrify") -> bytes:
    """Return the head of a POST request."""
    lines = [f"POST {path} HTTP/1.1", "Host: testserver"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
