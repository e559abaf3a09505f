"""Runs servers in threads: the sandbox's own, and one for an application under test."""

from __future__ import annotations

import asyncio
import errno
import inspect
import socket
import threading
from contextlib import contextmanager, suppress
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.extras import needs
from coffrify_webhooks.handlers.annotation import signature_of

with needs("sandbox"):
    import uvicorn
    from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

__all__ = ["Background", "Server", "listen", "serve_in_thread"]

_PATIENCE = 15.0
_GRACE = 1


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; raise ConfigurationError if host or port cannot be used."""
    if not host.strip():  # all addresses, to `create_server`
        raise ConfigurationError("the host is empty; give an address such as 127.0.0.1: --host")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OverflowError:
        raise ConfigurationError(f"port {port}: give a number from 0 to 65535") from None
    except (OSError, UnicodeError) as error:
        number = getattr(error, "errno", None)
        if number == errno.EADDRINUSE:
            what = f"port {port} of {host} is in use; choose another: --port"
        elif number == errno.EACCES:
            what = f"port {port} of {host} may not be used; choose one from 1024 on: --port"
        else:
            why = (getattr(error, "strerror", None) or str(error)).partition(" (while ")[0]
            what = (
                f"host {host[:100]!a} cannot be used: {why}; give an address of this machine, "
                "such as 127.0.0.1 or ::1: --host"
            )
        raise ConfigurationError(what) from error


class Background:
    """An ASGI application, served by uvicorn in a thread until `stop`.

    stopping: called in that thread when the server stops.
    """

    def __init__(
        self, app: Any, listener: socket.socket, stopping: Callable[[], object] | None = None
    ) -> None:
        self._listener = listener
        self._server = Server(app, stopping or (lambda: None))
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self.loop = self._runner.get_loop()
        self._thread = threading.Thread(target=self._run, name="coffrify-sandbox", daemon=True)
        self._thread.start()
        if not self._server.begun.wait(_PATIENCE) or not self._server.started:
            self.stop()
            raise ConfigurationError("the application could not be started; the log says why")

    def _run(self) -> None:
        try:
            with suppress(SystemExit):  # of a server whose application does not start
                self._runner.run(self._server.serve(sockets=[self._listener]))
        finally:
            self._server.begun.set()
            self._runner.close()  # cancels what other threads still wait for

    def stop(self) -> None:
        """Stop serving, and return when the thread has ended."""
        self._server.should_exit = True
        self._thread.join(_PATIENCE)
        self._listener.close()


class Server(uvicorn.Server):
    """A server that leaves the program's logging alone, and signals its start and stop.

    stopping: called before it waits for requests that are still being answered.
    """

    def __init__(self, app: Any, stopping: Callable[[], object]) -> None:
        config = uvicorn.Config(
            app,
            interface="asgi3",
            http=_Unlogged,
            log_config=None,
            log_level=None,
            ws="none",
            proxy_headers=False,
            timeout_graceful_shutdown=_GRACE,
        )
        super().__init__(config)
        self._stopping = stopping
        self.begun = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.begun.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stopping()
        await super().shutdown(sockets)


class _Unlogged(H11Protocol):
    """Does not log each request."""

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self.access_log = False


@contextmanager
def serve_in_thread(app: Any) -> Generator[int]:
    """Serve a WSGI or ASGI application on loopback inside a `with` block; yields the port."""
    if _is_asgi(app):
        with listen("127.0.0.1", 0) as listener:
            server = Background(app, listener)
            try:
                yield int(listener.getsockname()[1])
            finally:
                server.stop()
        return
    wsgi = _Threaded(("127.0.0.1", 0), _Quiet)
    wsgi.set_app(app)
    thread = threading.Thread(
        target=wsgi.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    )
    thread.start()
    try:
        yield int(wsgi.server_port)
    finally:
        wsgi.shutdown()
        thread.join()
        wsgi.server_close()


def _is_asgi(app: Any) -> bool:
    """Tell by the number of parameters: ASGI has three, WSGI two."""
    try:
        signature = signature_of(app)
    except (TypeError, ValueError):
        return False
    fits = [count for count in (2, 3) if _accepts(signature, count)]
    if len(fits) == 1:
        return fits == [3]
    called: Any = app if inspect.isroutine(app) else type(app).__call__
    return inspect.iscoroutinefunction(called)


def _accepts(signature: inspect.Signature, count: int) -> bool:
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True


class _Threaded(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any, **__: Any) -> None:
        """Do not log requests."""
