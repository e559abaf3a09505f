"""`coffrify-webhooks demo`: real servers, real deliveries, and whether each promise was kept."""

from .command import demo

__all__ = ["demo"]
