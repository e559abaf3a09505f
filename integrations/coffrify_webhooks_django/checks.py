"""System checks, so that a mistake in the settings is told before the first delivery."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.db import connections

from coffrify_webhooks.errors import ConfigurationError

from .conf import SETTING, current_endpoint
from .store import DjangoStore

__all__ = ["check_deployment", "check_settings"]


def check_settings(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """E001: the settings cannot be used. W001: no handler is registered."""
    try:
        receiver = current_endpoint().receiver
    except ConfigurationError as error:
        return [Error(str(error), hint=f"See settings.{SETTING}.", id="coffrify_webhooks.E001")]
    if receiver.dispatcher is None and not len(receiver.router):
        return [
            CheckWarning(
                "no webhook handler is registered, so every delivery is answered 503",
                hint='Write one in a webhooks.py of an installed app: @on("transfer.created").',
                id="coffrify_webhooks.W001",
            )
        ]
    return []


def check_deployment(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """W002: a database that accepts and never answers would keep a delivery waiting for ever."""
    try:
        store = current_endpoint().receiver.store
    except ConfigurationError:
        return []  # told by check_settings
    if not isinstance(store, DjangoStore) or connections[store.using].vendor == "sqlite":
        return []
    if "connect_timeout" in connections[store.using].settings_dict["OPTIONS"]:
        return []
    return [
        CheckWarning(
            "a database that does not answer would keep deliveries waiting until the sender gives "
            "up",
            hint=f'Add "OPTIONS": {{"connect_timeout": 2}} to DATABASES[{store.using!r}].',
            id="coffrify_webhooks.W002",
        )
    ]
