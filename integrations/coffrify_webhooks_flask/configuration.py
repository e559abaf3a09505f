"""What `app.config["COFFRIFY_WEBHOOKS"]` says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coffrify_webhooks.http.url_path import DEFAULT_PATH
from coffrify_webhooks.receiver import Receiver
from coffrify_webhooks.stores.url import hide_passwords

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

__all__ = ["ConfiguredReceiver", "settings_of"]


class ConfiguredReceiver(Receiver):
    """A receiver made from the config."""

    settings_name = 'app.config["COFFRIFY_WEBHOOKS"]'


def settings_of(config: Mapping[str, Any], path: str) -> Any:
    """Return the settings, and the path that was given; what is no dict is left to be refused."""
    own = {} if path == DEFAULT_PATH else {"PATH": path}
    found: Any = hide_passwords(config.get("COFFRIFY_WEBHOOKS") or {})
    return {**found, **own} if hasattr(found, "keys") else found
