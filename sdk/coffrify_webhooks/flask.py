"""Coffrify webhooks in Flask; see `coffrify_webhooks_flask`."""

from .extras import needs

with needs("flask"):
    from coffrify_webhooks_flask import CoffrifyWebhooks, CoffrifyWebhooksMiddleware

__all__ = ["CoffrifyWebhooks", "CoffrifyWebhooksMiddleware"]
