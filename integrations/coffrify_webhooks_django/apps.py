"""The Django app: `INSTALLED_APPS = ["coffrify_webhooks.django"]`."""

from django.apps import AppConfig
from django.core.checks import register

__all__ = ["CoffrifyWebhooksConfig"]


class CoffrifyWebhooksConfig(AppConfig):
    """Registers the system checks and imports each app's `webhooks` module."""

    name = "coffrify_webhooks.django"
    label = "coffrify_webhooks"

    def ready(self) -> None:
        """Find the handlers, so that commands and workers know them too."""
        from django.utils.module_loading import autodiscover_modules  # noqa: PLC0415

        from .checks import check_settings  # noqa: PLC0415

        register(check_settings)
        autodiscover_modules("webhooks")
