"""The inbox as a view of Django."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from django.http import HttpResponse
from django.views.decorators.csrf import csrf_exempt

from coffrify_webhooks.inbox.request import InboxRequest, form_length

from .transactions import outside_transactions

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

    from coffrify_webhooks.inbox import Inbox

__all__ = ["inbox_view"]


def inbox_view(inbox: Inbox) -> Callable[..., HttpResponse]:
    r"""Return a view: `re_path(r"^inbox/(?P<path>.*)$", inbox_view(inbox))`.

    `authorize` finds Django's request, with its user, as `request.source`. The inbox itself checks
    where a form comes from, so it does not need Django's token. It is in no transaction of
    ATOMIC_REQUESTS, whose locks deliveries would wait for.
    """

    @outside_transactions
    @csrf_exempt
    def view(request: HttpRequest, path: str = "") -> HttpResponse:
        response = inbox.respond(_request_of(request, path), partial(_read_form, request))
        return HttpResponse(response.body, status=response.status, headers=response.headers)

    return view


def _read_form(request: HttpRequest) -> bytes | None:
    is_small = form_length(request.META.get("CONTENT_LENGTH")) is not None
    return request.body if is_small else None


def _request_of(request: HttpRequest, path: str) -> InboxRequest:
    return InboxRequest(
        request.method or "",
        f"/{path}",
        request.path.removesuffix(path).rstrip("/"),
        request.META.get("QUERY_STRING", ""),
        {name.lower(): value for name, value in request.headers.items()},
        request,
        scheme=request.scheme or "http",
    )
