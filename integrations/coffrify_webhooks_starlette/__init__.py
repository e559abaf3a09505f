"""Coffrify webhooks in Starlette, or any ASGI application: a middleware, and a route."""

from .endpoint import WebhookEndpoint
from .middleware import CoffrifyWebhooksMiddleware
from .route import webhook_route

__all__ = ["CoffrifyWebhooksMiddleware", "WebhookEndpoint", "webhook_route"]
