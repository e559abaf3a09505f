"""A real HTTP server on this machine that answers as a test tells it to."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "cof_test_4f1c9a7e2b6d8053"


def document(*types, **more):
    return {"data": [{"type": each, "schema": {"type": "object"}} for each in types], **more}


class Api:
    """What to answer, and what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.answers: list[Any] = []
        self.url = ""

    def say(self, status=200, body: Any = None, *, raw: bytes | None = None, **headers):
        """Queue an answer; the last one is given again and again."""
        content = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        named = {name.replace("_", "-"): str(value) for name, value in headers.items()}
        self.answers.append((status, content, named))
        return self

    def do(self, answer: "Callable[[BaseHTTPRequestHandler], None]"):
        """Queue an answer that writes its own bytes."""
        self.answers.append(answer)
        return self

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.asked.append((handler.path, {k.lower(): v for k, v in handler.headers.items()}))
        chosen = self.answers[min(len(self.asked), len(self.answers)) - 1]
        if callable(chosen):
            chosen(handler)
            return
        status, content, headers = chosen
        handler.send_response(status)
        if status != 304:
            handler.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content)


@contextmanager
def serving() -> Iterator[Api]:
    api = Api()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                api.answer(self)
            except OSError:
                self.close_connection = True  # the client has had enough

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    api.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()


def drip(handler: BaseHTTPRequestHandler) -> None:
    """Send a byte now and then, for longer than anyone should wait."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    for _ in range(100):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.02)


def drip_headers(handler: BaseHTTPRequestHandler) -> None:
    """Send the headers so slowly that they never end."""
    handler.wfile.write(b"HTTP/1.0 200 OK\r\nX-Slow: ")
    for _ in range(100):
        handler.wfile.write(b"a")
        handler.wfile.flush()
        time.sleep(0.02)
