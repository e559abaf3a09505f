"""The inbox as a view of Django."""

from coffrify_webhooks_django.inbox import inbox_view

__all__ = ["inbox_view"]
