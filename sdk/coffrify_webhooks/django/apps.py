"""Where Django looks for the app's configuration."""

from coffrify_webhooks_django.apps import CoffrifyWebhooksConfig

__all__ = ["CoffrifyWebhooksConfig"]
