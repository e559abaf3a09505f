"""The receiver that the settings describe, made once."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.signals import setting_changed
from django.db import close_old_connections
from django.utils.module_loading import autodiscover_modules

from coffrify_webhooks.receiver import Receiver
from coffrify_webhooks.settings import Endpoint, endpoint

from .default_store import with_store

if TYPE_CHECKING:
    from collections.abc import Callable

    from coffrify_webhooks.dispatch import Message
    from coffrify_webhooks.reply import Outcome

__all__ = ["DjangoReceiver", "current_endpoint", "forget_endpoint"]

SETTING = "COFFRIFY_WEBHOOKS"


class DjangoReceiver(Receiver):
    """A receiver whose worker threads give their database connections back."""

    def in_worker(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a sync handler as Django calls a view: with fresh connections, closed after it."""
        close_old_connections()
        try:
            return super().in_worker(function, *arguments)
        finally:
            close_old_connections()

    def execute(self, message: Message) -> Outcome:
        """Run the handlers for an engine's message, whose threads Django knows nothing of."""
        close_old_connections()
        try:
            return super().execute(message)
        finally:
            close_old_connections()


@lru_cache(maxsize=1)
def current_endpoint() -> Endpoint:
    """Return the receiver and path of `settings.COFFRIFY_WEBHOOKS`.

    Imports each installed app's `webhooks` module, so that its handlers are registered. Raises
    ConfigurationError for settings that cannot be used.
    """
    autodiscover_modules("webhooks")
    folder = Path(getattr(settings, "BASE_DIR", None) or Path.cwd())
    return endpoint(
        with_store(getattr(settings, SETTING, {})),
        where=f"settings.{SETTING}",
        folder=folder,
        kind=DjangoReceiver,
    )


def forget_endpoint(*, setting: str, **_: object) -> None:
    """Make the receiver anew when a test overrides its settings."""
    if setting == SETTING:
        current_endpoint.cache_clear()


setting_changed.connect(forget_endpoint)
