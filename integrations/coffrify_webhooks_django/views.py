"""The webhook endpoint as a Django view: async under ASGI, sync under WSGI."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from asgiref.sync import markcoroutinefunction
from django.db import connections
from django.http import Http404

from .conf import current_endpoint
from .http import answer_monitor, answer_monitor_async, receive, receive_async

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from django.http import HttpRequest, HttpResponse

__all__ = ["health", "webhook"]


class _Webhook:
    """Takes one delivery; the signature, not a CSRF token or a login, proves the sender.

    Django asks whether a view is a coroutine function, on the event loop under ASGI and elsewhere
    under WSGI: it is one only where a loop runs. A plain view would keep a thread under ASGI that
    its handlers may need, and an async one would cost an event loop a request under WSGI.
    """

    csrf_exempt = True
    login_required = False

    def __init__(self, name: str) -> None:
        self.__name__ = self.__qualname__ = name
        self.__module__ = __name__
        # What marks a coroutine function is asgiref's to know, and differs between Pythons.
        self._mark: Any = markcoroutinefunction(_Marked())

    @property
    def _non_atomic_requests(self) -> set[str]:
        """Every database: a request that is rolled back must not take a handled event along."""
        return set(connections)

    def __getattr__(self, name: str) -> Any:
        mark = self.__dict__.get("_mark")
        if mark is not None and name in vars(mark) and _is_on_a_loop():
            return getattr(mark, name)
        raise AttributeError(name)

    def __call__(self, request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        receiver = current_endpoint().receiver
        if _is_on_a_loop():
            return receive_async(receiver, request)
        return receive(receiver, request)


class _Health(_Webhook):
    """Answers a monitor, where the settings have HEALTH."""

    def __call__(self, request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        receiver, _, is_asked_for = current_endpoint()
        if not is_asked_for:
            raise Http404
        if _is_on_a_loop():
            return answer_monitor_async(receiver, request)
        return answer_monitor(receiver, request)


class _Marked:
    def __call__(self) -> None: ...


def _is_on_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


webhook = cast("Callable[[HttpRequest], HttpResponse]", _Webhook("webhook"))
health = cast("Callable[[HttpRequest], HttpResponse]", _Health("health"))
