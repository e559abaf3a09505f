"""The Django app: `INSTALLED_APPS = ["coffrify_webhooks.django"]`."""

from django.apps import AppConfig
from django.core.checks import register

__all__ = ["CoffrifyWebhooksConfig"]


class CoffrifyWebhooksConfig(AppConfig):
    """Registers the system checks and imports each app's `webhooks` module."""

    # Here Django finds the models, the migrations, the admin and the command.
    name = "coffrify_webhooks_django"
    label = "coffrify_webhooks"
    verbose_name: str = "Coffrify webhooks"  # pyright: ignore[reportIncompatibleVariableOverride]

    def ready(self) -> None:
        """Find the handlers, so that commands and workers know them too."""
        from django.utils.module_loading import autodiscover_modules

        from .checks import check_deployment, check_settings
        from .placement import check_placement

        register(check_settings)
        register(check_placement)
        register(check_deployment, deploy=True)
        autodiscover_modules("webhooks")
