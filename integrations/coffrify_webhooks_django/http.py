"""Between Django's requests and responses and the receiver."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.exceptions import RequestDataTooBig
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, HttpResponse, RawPostDataException, UnreadablePostError

from coffrify_webhooks.body import announced, checked, read_wsgi
from coffrify_webhooks.errors import BodyTooLarge, BodyUnavailable, IncompleteBody, WebhookError

if TYPE_CHECKING:
    from coffrify_webhooks.receiver import Receiver
    from coffrify_webhooks.reply import Reply

__all__ = ["receive", "receive_async"]

_REMEDY = (
    "something before it read request.POST or the stream; put "
    "coffrify_webhooks.django.CoffrifyWebhooksMiddleware first in MIDDLEWARE"
)


def receive(receiver: Receiver, request: HttpRequest) -> HttpResponse:
    """Take one delivery."""
    try:
        body = _body(request, receiver.max_body)
    except WebhookError as error:
        return _response(receiver.refuse(error))
    return _response(receiver.receive(body, request.headers, method=_method(request)))


async def receive_async(receiver: Receiver, request: HttpRequest) -> HttpResponse:
    """Take one delivery, without blocking the event loop."""
    try:
        body = _body(request, receiver.max_body)
    except WebhookError as error:
        return _response(receiver.refuse(error))
    return _response(await receiver.receive_async(body, request.headers, method=_method(request)))


def _method(request: HttpRequest) -> str:
    return request.method or ""


def _response(reply: Reply) -> HttpResponse:
    return HttpResponse(reply.body, status=reply.status, headers=reply.headers)


def _body(request: HttpRequest, limit: int) -> bytes:
    if request.method != "POST":
        return b""
    length = announced(request.META.get("CONTENT_LENGTH"), limit)
    try:
        if length is not None:
            body = request.body
        elif isinstance(request, WSGIRequest):  # Django takes a chunked body for none there
            body = read_wsgi(request.environ, limit) or _rest(request, 0)
        else:
            body = _rest(request, limit + 1)
    except RequestDataTooBig:
        raise BodyTooLarge(
            "the body is over DATA_UPLOAD_MAX_MEMORY_SIZE; raise that setting"
        ) from None
    except RawPostDataException:
        raise BodyUnavailable(
            f"the body was consumed before coffrify-webhooks saw it; {_REMEDY}"
        ) from None
    except UnreadablePostError:
        raise IncompleteBody("the body stopped arriving before its end") from None
    return checked(body, length, limit, _REMEDY)


def _rest(request: HttpRequest, size: int) -> bytes:
    """Read what is left of a body of unknown length, or what an earlier `.body` kept."""
    try:
        return request.read(size) or request.body
    except RawPostDataException:
        return b""
