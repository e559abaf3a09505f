"""The inbox as a WSGI application: reads a request, and returns a response."""

from __future__ import annotations

from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from .request import InboxRequest, form_length

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication, WSGIEnvironment

__all__ = ["make_server", "read_form", "request_of"]


def read_form(environ: WSGIEnvironment) -> bytes | None:
    """Return what was sent; None if it is too large."""
    length = form_length(environ.get("CONTENT_LENGTH"))
    return None if length is None else environ["wsgi.input"].read(length)


def request_of(environ: WSGIEnvironment, source: object = None) -> InboxRequest:
    """Return the request, without the form that it may send."""
    headers = {
        name[5:].lower().replace("_", "-"): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    headers["content-type"] = environ.get("CONTENT_TYPE", "")
    return InboxRequest(
        environ["REQUEST_METHOD"],
        _text(environ.get("PATH_INFO", "")),
        _text(environ.get("SCRIPT_NAME", "")).rstrip("/"),
        environ.get("QUERY_STRING", ""),
        headers,
        environ if source is None else source,
        scheme=environ.get("wsgi.url_scheme", "http"),
    )


def _text(path: str) -> str:
    """Return a path that WSGI passes as bytes in latin-1 (PEP 3333) as text."""
    return path.encode("latin-1", "replace").decode("utf-8", "replace")


class _Server(ThreadingMixIn, WSGIServer):
    """One thread for each request: a browser opens connections that it does not use."""

    daemon_threads = True


class _Handler(WSGIRequestHandler):
    timeout = 30
    """Seconds after which a connection is closed on which nothing comes."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - named so there
        """Log nothing."""


def make_server(host: str, port: int, app: WSGIApplication) -> WSGIServer:
    """Return a server of the standard library, which listens; for a look, not for production."""
    server = _Server((host, port), _Handler)
    server.set_app(app)
    return server
