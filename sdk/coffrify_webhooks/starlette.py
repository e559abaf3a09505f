"""Coffrify webhooks in Starlette; see `coffrify_webhooks_starlette`."""

from .extras import needs

with needs("starlette"):
    from coffrify_webhooks_starlette import (
        CoffrifyWebhooksMiddleware,
        WebhookEndpoint,
        webhook_route,
    )

__all__ = ["CoffrifyWebhooksMiddleware", "WebhookEndpoint", "webhook_route"]
