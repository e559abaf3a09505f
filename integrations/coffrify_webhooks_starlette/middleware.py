"""A pure ASGI middleware: answers deliveries before the application sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coffrify_webhooks.url_path import DEFAULT_PATH, UrlPath

from .endpoint import WebhookEndpoint

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from coffrify_webhooks.receiver import Receiver

__all__ = ["CoffrifyWebhooksMiddleware"]


class CoffrifyWebhooksMiddleware:
    """Wraps any ASGI application: `app.add_middleware(CoffrifyWebhooksMiddleware)`.

    path: below the application's root, with or without a trailing slash.
    """

    def __init__(
        self, app: ASGIApp, receiver: Receiver | None = None, path: str = DEFAULT_PATH
    ) -> None:
        self.app: ASGIApp = app
        self.path: UrlPath = UrlPath(path)
        self.endpoint: WebhookEndpoint = WebhookEndpoint(receiver)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a delivery, or pass the request on."""
        ours = scope["type"] == "http" and self.path.matches(
            scope["path"], scope.get("root_path", "")
        )
        await (self.endpoint if ours else self.app)(scope, receive, send)
