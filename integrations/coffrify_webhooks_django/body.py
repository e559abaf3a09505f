"""Reads the body of a Django request, or refuses the request before its body is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.exceptions import RequestDataTooBig
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, RawPostDataException

from coffrify_webhooks.errors import BodyTooLarge, BodyUnavailable, WebhookError
from coffrify_webhooks.http.body import leave_wsgi, read_wsgi
from coffrify_webhooks.wsgi import signature_headers

if TYPE_CHECKING:
    from coffrify_webhooks.http.reply import Reply
    from coffrify_webhooks.receiver import Receiver

__all__ = ["read_body"]

_REMEDY = (
    "something before it read request.POST or the stream; put "
    "coffrify_webhooks.django.CoffrifyWebhooksMiddleware first in MIDDLEWARE"
)


def read_body(receiver: Receiver, request: HttpRequest) -> bytes | Reply:
    """Return the body, or the reply to a request of which none is to be had."""
    environ = request.META
    # Not request.headers, which would be made of all of META: 25 us.
    headers, length = signature_headers(environ), environ.get("CONTENT_LENGTH")
    refusal = receiver.refuse_early(headers, method=request.method or "", content_length=length)
    if refusal is not None:
        if isinstance(request, WSGIRequest):
            leave_wsgi(environ)
        return refusal
    if not isinstance(request, WSGIRequest):  # whose META is the server's own
        environ = {**environ, "wsgi.input": request, "wsgi.input_terminated": True}
    try:
        return read_wsgi(environ, receiver.max_body, lambda: _read_as_django(request), _REMEDY)
    except WebhookError as error:
        return receiver.refuse(error)


def _read_as_django(request: HttpRequest) -> bytes:
    """Read as Django does, which keeps what an earlier `.body` has read."""
    try:
        return request.body
    except RequestDataTooBig:
        raise BodyTooLarge(
            "the body is larger than DATA_UPLOAD_MAX_MEMORY_SIZE; raise that setting"
        ) from None
    except RawPostDataException:
        if not request.META.get("CONTENT_LENGTH"):
            return b""  # it was we who read it, and it was empty
        raise BodyUnavailable(
            f"the body was consumed before coffrify-webhooks saw it; {_REMEDY}"
        ) from None
