"""Coffrify webhooks in Starlette: a middleware, and a route."""

from coffrify_webhooks.asgi import CoffrifyWebhooksMiddleware, WebhookEndpoint

from .route import webhook_route

__all__ = ["CoffrifyWebhooksMiddleware", "WebhookEndpoint", "webhook_route"]
