"""Coffrify webhooks in FastAPI: a router to include."""

from .router import webhook_router

__all__ = ["webhook_router"]
