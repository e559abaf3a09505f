"""System checks, so that a mistake in the settings is told before the first delivery."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning

from coffrify_webhooks.errors import ConfigurationError

from .conf import SETTING, current_endpoint

__all__ = ["check_settings"]


def check_settings(app_configs: Any = None, **_: Any) -> list[CheckMessage]:  # noqa: ARG001
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
