"""Between Django's requests and responses and the receiver."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import HttpResponse

from coffrify_webhooks import wsgi
from coffrify_webhooks.http.health import health_answer, is_question
from coffrify_webhooks.monitoring.health import shown_to_monitors
from coffrify_webhooks.wsgi import headers_for

from .body import read_body

if TYPE_CHECKING:
    from django.http import HttpRequest

    from coffrify_webhooks.http.health import HealthAnswer
    from coffrify_webhooks.http.reply import Reply
    from coffrify_webhooks.receiver import Receiver

__all__ = ["answer_monitor", "answer_monitor_async", "receive", "receive_async"]


def receive(receiver: Receiver, request: HttpRequest) -> HttpResponse:
    """Take one delivery."""
    body = read_body(receiver, request)
    if not isinstance(body, bytes):
        return _response(body)
    return _response(
        receiver.receive(body, headers_for(receiver, request.META), method=_method(request))
    )


async def receive_async(receiver: Receiver, request: HttpRequest) -> HttpResponse:
    """Take one delivery, without blocking the event loop."""
    body = read_body(receiver, request)
    if not isinstance(body, bytes):
        return _response(body)
    headers = headers_for(receiver, request.META)
    return _response(await receiver.receive_async(body, headers, method=_method(request)))


def answer_monitor(receiver: Receiver, request: HttpRequest) -> HttpResponse:
    """Answer a monitor's request."""
    return _response(wsgi.answer_monitor(receiver, _method(request)))


async def answer_monitor_async(receiver: Receiver, request: HttpRequest) -> HttpResponse:
    """Answer a monitor's request, without blocking the event loop."""
    if not is_question(_method(request)):
        return _response(health_answer(None))
    return _response(health_answer(shown_to_monitors(await receiver.health_async())))


def _method(request: HttpRequest) -> str:
    return request.method or ""


def _response(reply: Reply | HealthAnswer) -> HttpResponse:
    return HttpResponse(reply.body, status=reply.status, headers=reply.headers)
