"""A Django middleware, sync and async: answers deliveries before any view."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

# Before Python 3.12 only asgiref knows what asgiref has marked.
from asgiref.sync import iscoroutinefunction, markcoroutinefunction

from coffrify_webhooks.http.health import health_path

from .conf import current_endpoint
from .http import answer_monitor, answer_monitor_async, receive, receive_async

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

__all__ = ["CoffrifyWebhooksMiddleware"]


class CoffrifyWebhooksMiddleware:
    """Serves the path of `settings.COFFRIFY_WEBHOOKS`; put it first in `MIDDLEWARE`.

    Raises ConfigurationError when the server starts, for settings that cannot be used.
    """

    # Both, or Django would adapt it by a change of threads in each request.
    sync_capable = True
    async_capable = True

    def __init__(
        self,
        get_response: Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]],
    ) -> None:
        self.get_response = get_response
        self._async = iscoroutinefunction(get_response)  # pyright: ignore[reportDeprecated]
        if self._async:  # Django asks the instance, whose `__call__` is no `async def`
            markcoroutinefunction(self)
        current_endpoint()

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Answer a delivery, or pass the request on."""
        receiver, path, health = current_endpoint()
        if health and health_path(path).matches(request.path_info):
            ask = answer_monitor_async if self._async else answer_monitor
            return cast("HttpResponseBase | Awaitable[HttpResponseBase]", ask(receiver, request))
        if not path.matches(request.path_info):
            return self.get_response(request)
        answer = receive_async if self._async else receive
        return cast("HttpResponseBase | Awaitable[HttpResponseBase]", answer(receiver, request))
