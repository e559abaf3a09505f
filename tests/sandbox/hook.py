"""A receiver that keeps what came, and answers as it is told."""

import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

__all__ = ["Hook"]

PATIENCE = 30.0


class Hook:
    """Answers `status` at once, or when `free` is set again."""

    def __init__(self) -> None:
        self.came: list[tuple[dict[str, str], bytes]] = []
        self.status = 200
        self.free = threading.Event()
        self.free.set()
        self._news = threading.Condition()
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with hook._news:
                    hook.came.append((dict(self.headers), body))
                    hook._news.notify_all()
                hook.free.wait(PATIENCE)
                try:
                    self.send_response(hook.status)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                except OSError:  # the sender was killed
                    return

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/hook"

    def counts(self) -> Counter[str]:
        """Return how often each event came, by its id."""
        return Counter(headers["webhook-id"] for headers, _ in self.came)

    def wait_for(self, count: int) -> None:
        with self._news:
            assert self._news.wait_for(lambda: len(self.came) >= count, PATIENCE)

    def close(self) -> None:
        self.free.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
