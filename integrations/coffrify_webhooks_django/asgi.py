"""Answers deliveries before Django's ASGI handler, which stores any body until a view runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asgiref.sync import ThreadSensitiveContext
from django.core.signals import request_finished, request_started

from coffrify_webhooks.asgi import CoffrifyWebhooksMiddleware, WebhookEndpoint
from coffrify_webhooks.errors import NotBegun

from .conf import current_endpoint

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from coffrify_webhooks.asgi import ASGIApp, Receive, Scope, Send

__all__ = ["with_webhooks"]


def with_webhooks(application: Callable[..., Awaitable[Any]]) -> ASGIApp:
    """Return an ASGI application that serves the path of `settings.COFFRIFY_WEBHOOKS` itself.

    In asgi.py: `application = with_webhooks(get_asgi_application())`. A body is then limited in
    size and time, and not read at all if the headers already refuse the request. Raises
    ConfigurationError when the server starts, for settings that cannot be used.
    """
    current_endpoint()

    async def webhooks(scope: Scope, receive: Receive, send: Send) -> None:
        receiver, path, health = current_endpoint()  # tests override their settings
        middleware = CoffrifyWebhooksMiddleware(
            application, receiver, path.text or "/", health=health
        )
        middleware.endpoint = _Endpoint(receiver, health=health, path=path.text)
        await middleware(scope, receive, send)

    return webhooks


class _Endpoint(WebhookEndpoint):
    """Does what Django does around a request: a thread for its ORM, connections given back."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answered = False

        async def answering(message: MutableMapping[str, Any]) -> None:
            nonlocal answered
            answered = True
            await send(message)

        try:
            async with ThreadSensitiveContext():
                await request_started.asend(sender=_Endpoint, scope=scope)
                try:
                    await super().__call__(scope, receive, answering)
                finally:
                    await request_finished.asend(sender=_Endpoint)
        except RuntimeError as error:  # CPython: "can't start new thread"
            if answered or "thread" not in str(error):
                raise
            late = NotBegun("no thread could be started for what Django does around a request")
            late.__cause__ = error
            await self._send(self.receiver.refuse(late), send)
