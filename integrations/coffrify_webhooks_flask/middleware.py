"""A WSGI middleware: answers deliveries before the application sees them."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from coffrify_webhooks.body import read_wsgi
from coffrify_webhooks.errors import WebhookError
from coffrify_webhooks.receiver import Receiver
from coffrify_webhooks.url_path import DEFAULT_PATH, UrlPath

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from coffrify_webhooks.reply import Reply

__all__ = ["CoffrifyWebhooksMiddleware", "signature_headers"]


class CoffrifyWebhooksMiddleware:
    """Wraps any WSGI application: `app.wsgi_app = CoffrifyWebhooksMiddleware(app.wsgi_app)`.

    Handlers run outside any application context; the extension `CoffrifyWebhooks` runs them
    inside. path: below the application's root, with or without a trailing slash.
    """

    def __init__(
        self,
        wsgi_app: WSGIApplication,
        receiver: Receiver | None = None,
        path: str = DEFAULT_PATH,
    ) -> None:
        self.wsgi_app: WSGIApplication = wsgi_app
        self.receiver: Receiver = receiver or Receiver()
        self.path: UrlPath = UrlPath(path)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a delivery, or pass the request on."""
        if not self.path.matches(environ.get("PATH_INFO", "")):
            return self.wsgi_app(environ, start_response)
        reply = self._reply(environ)
        status = f"{reply.status} {HTTPStatus(reply.status).phrase}"
        start_response(status, list(reply.headers.items()))
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [reply.body]

    def _reply(self, environ: WSGIEnvironment) -> Reply:
        method = environ["REQUEST_METHOD"]
        try:
            body = read_wsgi(environ, self.receiver.max_body) if method == "POST" else b""
        except WebhookError as error:
            return self.receiver.refuse(error)
        return self.receiver.receive(body, signature_headers(environ), method=method)


def signature_headers(environ: WSGIEnvironment) -> Iterator[tuple[str, str]]:
    """Yield a WSGI request's headers under their HTTP names."""
    for name, value in environ.items():
        if name.startswith("HTTP_"):
            yield name[5:].replace("_", "-"), value
