"""Which store the settings mean: in Django its own database, unless they name another."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, cast

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, connections, router

from coffrify_webhooks.stores import STORE_VARIABLE

from .store import DjangoStore

__all__ = ["with_store"]

_APP = "coffrify_webhooks"
_SCHEME = "django:"


def with_store(options: Any) -> Any:
    """Return the options with a DjangoStore as their STORE, where one is meant.

    It is by "django:" or "django:alias"; and where nothing is named, neither here nor by the
    variable COFFRIFY_WEBHOOKS_STORE, if this app is installed and there is a database.
    """
    if not isinstance(options, Mapping):
        return options  # refused by whoever reads it
    chosen = dict(cast("Mapping[str, Any]", options))
    named = chosen.get("STORE")
    if named is None:
        named = os.environ.get(STORE_VARIABLE) or (_SCHEME if _is_at_hand() else None)
    if isinstance(named, str) and named.startswith(_SCHEME):
        chosen["STORE"] = DjangoStore(named.removeprefix(_SCHEME) or _alias())
    return chosen


def _is_at_hand() -> bool:
    """Tell whether `migrate` makes our tables in a database."""
    return _is_installed() and connections[_alias()].vendor != "unknown"


def _alias() -> str:
    """Return the database that the project's routers have for our tables."""
    if not _is_installed():
        return DEFAULT_DB_ALIAS
    return router.db_for_write(apps.get_model(_APP, "WebhookEvent"))


def _is_installed() -> bool:
    return any(each.label == _APP for each in apps.get_app_configs())
