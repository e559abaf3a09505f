"""Which atomic handlers a store can run: what they write is committed with the store's record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.stores import AsyncAtomicStore, AtomicStore
from coffrify_webhooks.stores.blocking import async_form

if TYPE_CHECKING:
    from collections.abc import Iterable

    from coffrify_webhooks.handlers.handler import Handler
    from coffrify_webhooks.stores import Store

    from .effects import Settings

__all__ = ["refuse_atomic", "refuse_wrong_kinds"]


def refuse_atomic(settings: Settings, handler: Handler) -> None:
    """Raise ConfigurationError if the store cannot run this handler, and it is atomic."""
    if not handler.atomic:
        return
    store = settings.store
    inner = async_form(store)
    if not isinstance(store if inner is None else inner, (AtomicStore, AsyncAtomicStore)):
        kind = type(store if inner is None else inner).__name__
        raise ConfigurationError(
            f"handler {handler.name} is atomic, and {kind} is not in the "
            "application's own database; use a DjangoStore or a SQLStore, "
            f"{settings.how_to_set('store', '...')}, or drop atomic=True"
        )
    refuse_wrong_kinds(store, [handler])


def refuse_wrong_kinds(store: Store, handlers: Iterable[Handler]) -> None:
    """Raise ConfigurationError for an atomic handler that is sync and its store async, or so."""
    inner = async_form(store)
    for handler in handlers:
        if not handler.atomic:
            continue
        if inner is None and handler.is_async and isinstance(store, AtomicStore):
            _refuse_async(store, handler)
        elif not handler.is_async and isinstance(inner, AsyncAtomicStore):
            raise ConfigurationError(
                f"handler {handler.name} is atomic and a plain function, and the store's engine is "
                "async; make it an `async def`, or give SQLStore a sync Engine"
            )


def _refuse_async(store: Store, handler: Handler) -> None:
    if not hasattr(store, "run_in_transaction"):
        raise ConfigurationError(
            f"handler {handler.name} is atomic and async, and the transactions of this "
            f"{type(store).__name__} belong to one thread; give SQLStore an AsyncEngine, or "
            "make the handler a plain function (an async framework runs it in a worker thread)"
        )
    if handler.takes_connection:
        raise ConfigurationError(
            f"handler {handler.name} is atomic and async, and Django's connection cannot be "
            "used in async code; drop the parameter `connection` and await the ORM "
            "(`await Order.objects.acreate(...)`), or make the handler a plain function"
        )
