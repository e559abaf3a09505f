"""Coffrify webhooks in Flask: an extension, and a WSGI middleware."""

from coffrify_webhooks.wsgi import CoffrifyWebhooksMiddleware

from .extension import CoffrifyWebhooks

__all__ = ["CoffrifyWebhooks", "CoffrifyWebhooksMiddleware"]
