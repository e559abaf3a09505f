"""The inbox as a view of Django."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import HttpResponse
from django.views.decorators.csrf import csrf_exempt

from coffrify_webhooks.inbox.request import LARGEST_FORM, InboxRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

    from coffrify_webhooks.inbox import Inbox

__all__ = ["inbox_view"]


def inbox_view(inbox: Inbox) -> Callable[..., HttpResponse]:
    r"""Return a view: `re_path(r"^inbox/(?P<path>.*)$", inbox_view(inbox))`.

    `authorize` finds Django's request, with its user, as `request.source`. The inbox checks by
    itself where a form comes from, so that Django's token is not asked for.
    """

    @csrf_exempt
    def view(request: HttpRequest, path: str = "") -> HttpResponse:
        response = inbox.answer(_read(request, path))
        return HttpResponse(response.body, status=response.status, headers=response.headers)

    return view


def _read(request: HttpRequest, path: str) -> InboxRequest | None:
    body = b""
    if request.method == "POST":
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not (length.isascii() and length.isdigit()) or int(length[:20]) > LARGEST_FORM:
            return None
        body = request.body
    return InboxRequest(
        request.method or "",
        f"/{path}",
        request.path.removesuffix(path).rstrip("/"),
        request.META.get("QUERY_STRING", ""),
        {name.lower(): value for name, value in request.headers.items()},
        request,
        body,
    )
