"""Coffrify webhooks in Django: a middleware, URLs to include, and a store in its database."""

from .middleware import CoffrifyWebhooksMiddleware
from .store import DjangoStore

__all__ = ["CoffrifyWebhooksMiddleware", "DjangoStore"]
