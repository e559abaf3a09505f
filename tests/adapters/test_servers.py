"""Real servers, development servers and adapters: what a stranger's bytes lead to under each."""

import asyncio
import io
import itertools
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import KNOWN_SETTINGS  # type: ignore[import-untyped]
from tests.adapters import listening
from tests.adapters.listening import answer, exchange, head
from tests.adapters.served import build, receiver
from tests.adapters.suite import SECRET, make_body
from tests.servers.process import Server
from tests.stores.faults import failing_thread
from werkzeug.serving import DechunkedInput

from coffrify_webhooks import IncompleteBody, sign
from coffrify_webhooks.asgi import CoffrifyWebhooksMiddleware
from coffrify_webhooks.concurrency.timers import Alarms
from coffrify_webhooks.http import body as body_module

_ids = itertools.count()
_NO_CONTROL = [
    option for known in KNOWN_SETTINGS for option in known.cli or () if "no-control" in option
]
"""Newer releases of gunicorn listen on a socket of their own."""


class Gunicorn(Server):
    """A worker with two threads, in a process of its own."""

    def prepare(self) -> None: ...

    def command(self) -> list[str]:
        bind, app = f"127.0.0.1:{self.port}", "tests.adapters.served:app"
        options = ["--worker-class", "gthread", "--threads", "2", "--bind", bind, app]
        return [sys.executable, "-m", "gunicorn", *_NO_CONTROL, *options]

    def start(self) -> None:
        os.environ["TEST_PATIENCE"] = "2"
        try:
            super().start()
        finally:
            del os.environ["TEST_PATIENCE"]

    def ready(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def log(self) -> str:
        return (self.folder / "log").read_text()


@contextmanager
def gunicorn(_app: Any) -> Iterator[int]:
    with Gunicorn() as server:
        yield server.port
        log = server.log()
    assert "Traceback" not in log
    assert "misconfigured" not in log


@contextmanager
def hypercorn_wsgi(app: Any) -> Iterator[int]:
    from hypercorn.middleware import AsyncioWSGIMiddleware

    with listening.hypercorn(AsyncioWSGIMiddleware(app)) as port:
        yield port


@contextmanager
def a2wsgi(app: Any) -> Iterator[int]:
    from a2wsgi import WSGIMiddleware

    with listening.uvicorn(WSGIMiddleware(app)) as port:
        yield port


@contextmanager
def asgi_by_a2wsgi(app: Any) -> Iterator[int]:
    """The other way round: an ASGI application under a WSGI server."""
    from a2wsgi import ASGIMiddleware

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    adapted: Any = ASGIMiddleware(app, loop=loop)
    try:
        with listening.werkzeug(adapted) as port:
            yield port
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


@contextmanager
def asgiref(app: Any) -> Iterator[int]:
    from asgiref.wsgi import WsgiToAsgi

    with listening.uvicorn(WsgiToAsgi(app)) as port:
        yield port


def asgi_app() -> Any:
    async def nothing(scope: Any, receive: Any, send: Any) -> None:
        raise LookupError(scope["path"])

    return CoffrifyWebhooksMiddleware(nothing, receiver("asgi"), "/asgi")


Serve = Callable[[Any], AbstractContextManager[int]]
SERVERS: dict[str, tuple[Serve, Callable[[], Any]]] = {
    "waitress": (listening.waitress, build),
    "cheroot": (listening.cheroot, build),
    "werkzeug": (listening.werkzeug, build),
    "wsgiref": (listening.wsgiref, build),
    "runserver": (listening.runserver, build),
    "gunicorn": (gunicorn, build),
    "hypercorn-wsgi": (hypercorn_wsgi, build),
    "a2wsgi": (a2wsgi, build),
    "asgi-by-a2wsgi": (asgi_by_a2wsgi, asgi_app),
    "asgiref": (asgiref, build),
    "uvicorn": (listening.uvicorn, asgi_app),
    "uvicorn-standard": (listening.uvicorn_standard, asgi_app),
    "hypercorn": (listening.hypercorn, asgi_app),
}
TARGETS = [
    (name, path)
    for name, (_, make) in SERVERS.items()
    for path in (("/flask", "/wsgi") if make is build else ("/asgi",))
]
BUFFERS = ("waitress", "hypercorn-wsgi", "asgiref", "cheroot")
"""These hold back a request, or its answer, until its body is there."""
KEEPS_SOCKET = (*BUFFERS, "a2wsgi", "asgi-by-a2wsgi")

every_target = pytest.mark.parametrize(("name", "path"), TARGETS)


@pytest.fixture(scope="module")
def ports() -> Iterator[Callable[[str], int]]:
    running: dict[str, int] = {}
    with ExitStack() as stack:

        def port(name: str) -> int:
            if name not in running:
                serve, make = SERVERS[name]
                running[name] = stack.enter_context(serve(make()))
            return running[name]

        yield port


def body_of_its_own() -> bytes:
    return make_body(event_id=f"evt_{next(_ids)}")


def chunks(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno >= logging.ERROR]


@every_target
def test_a_delivery_is_handled_chunked_or_not(
    ports: Callable[[str], int], name: str, path: str
) -> None:
    """Each server and adapter hands over a body with Content-Length, and one without."""
    whole, pieces = body_of_its_own(), body_of_its_own()
    length = {**sign(whole, SECRET), "Content-Length": str(len(whole))}
    chunked = {**sign(pieces, SECRET), "Transfer-Encoding": "chunked"}
    answers = [
        exchange(ports(name), head(length, path), whole),
        exchange(ports(name), head(chunked, path), chunks(pieces)),
    ]
    assert [each.body for each in answers] == [b'{"outcome": "handled"}'] * 2


BROKEN: dict[str, tuple[dict[str, str], bytes, bool]] = {
    "chunk size": ({"Transfer-Encoding": "chunked"}, b"zz\r\nhello\r\n0\r\n\r\n", False),
    "chunk too long": ({"Transfer-Encoding": "chunked"}, b"2\r\nhello\r\n0\r\n\r\n", False),
    "huge chunk size": ({"Transfer-Encoding": "chunked"}, b"f" * 40 + b"\r\nhello\r\n", True),
    "two lengths": (
        {"Content-Length": "10", "Transfer-Encoding": "chunked"},
        b"3\r\nabc\r\n0\r\n\r\n",
        True,
    ),
    "empty of two lengths": (
        {"Content-Length": "10", "Transfer-Encoding": "chunked"},
        b"0\r\n\r\n",
        True,
    ),
    "xchunked": ({"Transfer-Encoding": "xchunked"}, b"3\r\nabc\r\n0\r\n\r\n", True),
    "gzip, chunked": ({"Transfer-Encoding": "gzip, chunked"}, b"3\r\nabc\r\n0\r\n\r\n", True),
    "a vertical tab": ({"Transfer-Encoding": "chunked\x0b"}, b"3\r\nabc\r\n0\r\n\r\n", True),
    "an upgrade": (
        {"Content-Length": "3", "Connection": "Upgrade", "Upgrade": "h2c"},
        b"abc",
        True,
    ),
    "nothing sent": ({"Content-Length": "100"}, b"", True),
    "half sent": ({"Content-Length": "100"}, b'{"id', True),
    "a chunk half sent": ({"Transfer-Encoding": "chunked"}, b"9\r\nabc", True),
}


@pytest.mark.parametrize("case", BROKEN)
@every_target
def test_a_body_that_a_stranger_breaks_is_no_error_of_ours(
    ports: Callable[[str], int],
    name: str,
    path: str,
    case: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Framed wrongly or broken off, with headers that look right: 400, and no ERROR is logged."""
    framing, sent, end = BROKEN[case]
    headers = {**sign(b"{}", SECRET), **framing}
    found = exchange(ports(name), head(headers, path), sent, end=end)
    # 501 is a server's own word for a coding that it does not know; 0, for a sender who left.
    assert found.status in {400, 413, 501, 0}
    assert errors(caplog) == []


@every_target
def test_a_chunked_body_under_http_1_0_is_no_error_of_ours(
    ports: Callable[[str], int], name: str, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    """HTTP/1.0 has no chunks (RFC 9112, section 6.1), and Cheroot then passes none on."""
    request = head({**sign(b"{}", SECRET), "Transfer-Encoding": "chunked"}, path)
    found = exchange(
        ports(name), request.replace(b"HTTP/1.1", b"HTTP/1.0"), b"3\r\nabc\r\n0\r\n\r\n", end=True
    )
    assert found.status in {400, 501, 0}
    assert errors(caplog) == []


@pytest.mark.parametrize(
    ("name", "path"), [target for target in TARGETS if target[0] not in BUFFERS]
)
@pytest.mark.parametrize("fault", ["missing", "malformed", "stale"])
def test_junk_is_refused_before_its_body_arrives(
    ports: Callable[[str], int], name: str, path: str, fault: str
) -> None:
    """Missing, malformed or stale headers are answered although no byte of the body came."""
    headers = {
        "missing": {},
        "malformed": {"X-Coffrify-Signature": "t=1"},
        "stale": sign(b"{}", SECRET, timestamp=1_000_000_000),
    }[fault]
    found = exchange(ports(name), head({**headers, "Content-Length": "100"}, path))
    assert found.status == 400
    assert b"signature" in found.body or b"timestamp_too_old" in found.body


@pytest.mark.parametrize(
    ("name", "path"), [target for target in TARGETS if target[0] not in KEEPS_SOCKET]
)
def test_a_dripping_body_is_given_up(
    ports: Callable[[str], int], name: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often a byte arrives, the body as a whole has as long as the sender would wait."""
    monkeypatch.setattr(body_module, "_PATIENCE", 0.3)
    headers = {**sign(b"{}", SECRET), "Content-Length": "100000"}
    over = threading.Event()
    with socket.create_connection(("127.0.0.1", ports(name)), 30) as client:

        def drip() -> None:
            while not over.wait(0.05):
                try:
                    client.sendall(b"x")
                except OSError:
                    return

        client.sendall(head(headers, path))
        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            found = answer(client)
        finally:
            over.set()
            dripping.join()
    assert (found.status, b"incomplete_body" in found.body) == (400, True)


def test_strangers_that_drip_do_not_hold_the_threads_of_gunicorn(
    ports: Callable[[str], int],
) -> None:
    """Five bodies that never arrive, on two threads, keep no delivery waiting."""
    with ExitStack() as stack:
        for _ in range(5):
            client = socket.create_connection(("127.0.0.1", ports("gunicorn")), 30)
            stack.enter_context(client)
            client.sendall(head({"Content-Length": "1000"}, "/flask") + b"x")
        body = body_of_its_own()
        headers = {**sign(body, SECRET), "Content-Length": str(len(body))}
        assert exchange(ports("gunicorn"), head(headers, "/flask"), body).status == 200


@pytest.mark.parametrize("announced", [0xFF, 1 << 30])
def test_a_chunk_that_is_cut_off_yields_none_of_our_memory(announced: int) -> None:
    """Werkzeug's stream of chunks tells more than it has read; what lies behind is not returned."""
    cut_off = io.BytesIO(b"%x\r\nabc" % announced)
    environ = {
        "HTTP_TRANSFER_ENCODING": "chunked",
        "wsgi.input": DechunkedInput(cut_off),
        "wsgi.input_terminated": True,
    }
    with pytest.raises(IncompleteBody):
        body_module.read_wsgi(environ, 1 << 20)


@pytest.mark.parametrize(
    ("options", "outcome"),
    [
        ({"http-socket": b":80"}, b"handled"),
        ({"http": b":80", "http-chunked-input": True}, b"handled"),
        ({"http": b":80"}, b"body_unavailable"),
    ],
)
def test_uwsgi_is_asked_for_the_chunks_that_it_keeps(
    options: dict[str, object],
    outcome: bytes,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """uWSGI gives a chunked body by a function of its own; its router has to pass one on."""
    body = body_of_its_own()
    parts = iter([body[:10], body[10:], b""])
    module = SimpleNamespace(opt=options, chunked_read=lambda: next(parts))
    monkeypatch.setitem(sys.modules, "uwsgi", module)
    headers = {**sign(body, SECRET), "Transfer-Encoding": "chunked"}
    environ = {"uwsgi.version": b"2.0.31", "wsgi.input": object()}
    found = build().test_client().post("/wsgi", headers=headers, environ_overrides=environ)
    assert outcome in found.data
    assert ("http-chunked-input" in caplog.text) == (outcome == b"body_unavailable")


@pytest.mark.parametrize("path", ["/flask", "/wsgi"])
def test_a_body_that_no_thread_can_time_is_503(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sender tries again; nothing is read, and no exception reaches the framework."""
    monkeypatch.setattr(body_module, "_alarms", Alarms("body"))
    body = body_of_its_own()
    ours, theirs = socket.socketpair()
    with ours, theirs, failing_thread(monkeypatch, 0) as asked:
        found = (
            build()
            .test_client()
            .post(
                path,
                data=body,
                headers=sign(body, SECRET),
                environ_overrides={"gunicorn.socket": ours},
            )
        )
    assert asked == [True]
    assert (found.status_code, "Retry-After" in found.headers) == (503, True)
    assert b"overloaded" in found.data


_GONE = {"type": "http.disconnect"}
_HALF = {"type": "http.request", "body": b'{"id', "more_body": True}


@pytest.mark.parametrize("path", ["/flask", "/wsgi"])
@pytest.mark.parametrize("messages", [[_GONE], [_HALF, _GONE]], ids=["nothing", "half"])
@pytest.mark.parametrize(
    "framing", [(b"content-length", b"100"), (b"transfer-encoding", b"chunked")]
)
def test_a_sender_that_leaves_under_a2wsgi_is_told_it_left(
    path: str,
    messages: list[dict[str, Any]],
    framing: tuple[bytes, bytes],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """a2wsgi takes the message that the sender left for the end of the body."""
    from a2wsgi import WSGIMiddleware

    signed = [
        (name.lower().encode(), value.encode()) for name, value in sign(b"{}", SECRET).items()
    ]
    scope: Any = {
        "type": "http",
        "method": "POST",
        "http_version": "1.1",
        "path": path,
        "query_string": b"",
        "headers": [*signed, framing],
    }
    sent: list[Any] = []
    left = iter(messages)

    async def receive() -> Any:
        return next(left)

    async def send(message: Any) -> None:
        sent.append(message)

    async def run() -> None:
        application: Any = build()
        app = WSGIMiddleware(application)
        await app(scope, receive, send)
        app.executor.shutdown()

    asyncio.run(run())
    assert sent[0]["status"] == 400
    assert b"incomplete_body" in b"".join(each.get("body", b"") for each in sent)
    assert {each.levelname for each in caplog.records} == {"WARNING"}
