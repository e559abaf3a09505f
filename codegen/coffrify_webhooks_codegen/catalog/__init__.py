"""The catalog of event types: load it, pull it from the API, or poll for changes."""

from importlib import import_module
from typing import TYPE_CHECKING

from coffrify_webhooks_codegen.errors import CatalogError

from .catalog import Catalog, CatalogEvent, load

if TYPE_CHECKING:
    from .client import pull
    from .polling import poll

__all__ = ["Catalog", "CatalogError", "CatalogEvent", "load", "poll", "pull"]

_HOMES = {"poll": "polling", "pull": "client"}


def __getattr__(name: str) -> object:
    """Import `pull` and `poll` on first use: few programs need them and what they import."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
