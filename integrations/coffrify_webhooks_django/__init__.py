"""Coffrify webhooks in Django: a middleware, and URLs to include."""

from .middleware import CoffrifyWebhooksMiddleware

__all__ = ["CoffrifyWebhooksMiddleware"]
