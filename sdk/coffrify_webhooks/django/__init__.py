"""Coffrify webhooks in Django; see `coffrify_webhooks_django`."""

from coffrify_webhooks.extras import needs

with needs("django"):
    from coffrify_webhooks_django import CoffrifyWebhooksMiddleware, DjangoStore

__all__ = ["CoffrifyWebhooksMiddleware", "DjangoStore"]
