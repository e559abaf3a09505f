"""A middleware for any WSGI application; needs no framework."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from .endpoint import hide_other, receiver_of
from .errors import WebhookError
from .http.body import leave_wsgi, read_wsgi
from .http.health import HealthAnswer, health_answer, health_path, is_question
from .http.trace_context import NAMES as TRACE_NAMES
from .http.url_path import DEFAULT_PATH, UrlPath
from .monitoring.health import shown_to_monitors
from .signature.headers import NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from .http.reply import Reply
    from .receiver import Receiver

__all__ = [
    "CoffrifyWebhooksMiddleware",
    "answer_monitor",
    "headers_for",
    "reply_to",
    "signature_headers",
]


class CoffrifyWebhooksMiddleware:
    """Wraps any WSGI application: `app = CoffrifyWebhooksMiddleware(app)`.

    In Flask it is `app.wsgi_app = CoffrifyWebhooksMiddleware(app.wsgi_app)`: handlers then run
    outside any application context; the extension `CoffrifyWebhooks` runs them inside. path:
    below the application's root, with or without a trailing slash. health: whether to answer
    monitors, by GET at the path and `/health`.
    """

    def __init__(
        self,
        wsgi_app: WSGIApplication,
        receiver: Receiver | None = None,
        path: str = DEFAULT_PATH,
        *,
        health: bool = False,
    ) -> None:
        receiver = hide_other(receiver)
        self.wsgi_app: WSGIApplication = wsgi_app
        self.receiver: Receiver = receiver_of(receiver)
        self.path: UrlPath = UrlPath(path)
        self.health_path: UrlPath | None = health_path(self.path) if health else None

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a delivery, or pass the request on."""
        # The prefix of a mount is in SCRIPT_NAME; an empty PATH_INFO may be missing (PEP 3333).
        asked = environ.get("PATH_INFO", "")
        reply: Reply | HealthAnswer
        if self.path.matches(asked):
            reply = reply_to(self.receiver, environ, read_wsgi)
        elif self.health_path is not None and self.health_path.matches(asked):
            reply = answer_monitor(self.receiver, environ["REQUEST_METHOD"])
        else:
            return self.wsgi_app(environ, start_response)
        # PEP 3333 requires the phrase; some servers refuse a bare code.
        status = f"{reply.status} {HTTPStatus(reply.status).phrase}"
        start_response(status, list(reply.headers.items()))
        # What answers a HEAD has no content (RFC 9110, section 9.3.2).
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [reply.body]


def answer_monitor(receiver: Receiver, method: str) -> HealthAnswer:
    """Answer a monitor's request."""
    return health_answer(shown_to_monitors(receiver.health()) if is_question(method) else None)


def reply_to(
    receiver: Receiver, environ: WSGIEnvironment, read: Callable[[WSGIEnvironment, int], bytes]
) -> Reply:
    """Take one delivery; `read` is called for its body unless the headers already refuse it."""
    method, length = environ["REQUEST_METHOD"], environ.get("CONTENT_LENGTH")
    headers = headers_for(receiver, environ)
    refusal = receiver.refuse_early(headers, method=method, content_length=length)
    if refusal is not None:
        leave_wsgi(environ)
        return refusal
    try:
        body = read(environ, receiver.max_body)
    except WebhookError as error:
        return receiver.refuse(error)
    return receiver.receive(body, headers, method=method)


def signature_headers(environ: Mapping[str, Any]) -> dict[str, str]:
    """Return a WSGI request's headers that concern a signature, by their names in lower case."""
    return {name: environ[key] for key, name in _ENVIRON if key in environ}


def headers_for(receiver: Receiver, environ: Mapping[str, Any]) -> dict[str, str]:
    """Return a WSGI request's headers that a receiver uses."""
    headers = signature_headers(environ)
    if receiver.tells_operations:
        headers.update({name: environ[key] for key, name in _TRACE if key in environ})
    return headers


_TRACE = tuple((f"HTTP_{name.upper()}", name) for name in TRACE_NAMES)
# Looked up, rather than all of an environ's entries walked: 3 us of a request.
_ENVIRON = tuple((f"HTTP_{name.upper().replace('-', '_')}", name) for name in sorted(NAMES))
