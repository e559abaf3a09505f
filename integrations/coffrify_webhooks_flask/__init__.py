"""Coffrify webhooks in Flask: an extension, and a WSGI middleware."""

from .extension import CoffrifyWebhooks
from .middleware import CoffrifyWebhooksMiddleware

__all__ = ["CoffrifyWebhooks", "CoffrifyWebhooksMiddleware"]
