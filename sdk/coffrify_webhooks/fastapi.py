"""Coffrify webhooks in FastAPI; see `coffrify_webhooks_fastapi`."""

from .extras import needs

with needs("fastapi"):
    from coffrify_webhooks_fastapi import webhook_router

__all__ = ["webhook_router"]
