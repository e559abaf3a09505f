"""The receiver that the settings describe, made once."""

from __future__ import annotations

import asyncio
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from asgiref.sync import AsyncToSync, async_to_sync, sync_to_async
from django.conf import settings
from django.core.signals import setting_changed
from django.db import close_old_connections, connections
from django.utils.module_loading import autodiscover_modules

from coffrify_webhooks.endpoint import Endpoint, endpoint
from coffrify_webhooks.receiver import Receiver
from coffrify_webhooks.stores.url import hide_passwords

from .default_store import with_store

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from coffrify_webhooks.dispatch import Message
    from coffrify_webhooks.http.reply import Outcome
    from coffrify_webhooks.signature.keyring import Keyring

__all__ = ["DjangoReceiver", "current_endpoint", "forget_endpoint"]

T = TypeVar("T")

SETTING = "COFFRIFY_WEBHOOKS"


class DjangoReceiver(Receiver):
    """A receiver whose handlers run where Django would run a view of their kind."""

    settings_name = f"settings.{SETTING}"

    def run_async(
        self, function: Callable[..., Awaitable[T]], *arguments: Any, begin_within: float
    ) -> T:
        """Call an async handler as Django calls an async view from sync code.

        What it awaits of the ORM comes back to this thread, which waits for it, and to this
        thread's connections and transactions.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return async_to_sync(_coroutine)(function, *arguments)
        return super().run_async(function, *arguments, begin_within=begin_within)

    async def in_thread(
        self,
        function: Callable[[T], T],
        argument: T,
        *,
        begin_within: float,
        on_abandoned: Callable[[T], object],
    ) -> T:
        """Call sync code in the thread that waits for us, if there is one, as in a TestCase.

        Else in one of ours, where a handler that never returns holds up nothing but itself.
        """
        if getattr(AsyncToSync.executors, "current", None) is not None:
            try:
                return await sync_to_async(function)(argument)
            except RuntimeError:  # the waiting thread has gone, and nothing has begun
                pass
        return await super().in_thread(
            function, argument, begin_within=begin_within, on_abandoned=on_abandoned
        )

    @property
    def handlers_hint(self) -> str:
        """See `Receiver.handlers_hint`; Django finds handlers by itself."""
        return "put them into a webhooks.py of an app in INSTALLED_APPS, where they are found"

    def in_worker(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a sync handler as Django calls a view: with fresh connections, closed after it."""
        close_old_connections()
        try:
            return super().in_worker(function, *arguments)
        finally:
            close_old_connections()

    def load_secrets(self) -> Keyring:
        """Ask in this thread within a transaction, such as a TestCase's, which no other sees."""
        if any(each.in_atomic_block for each in connections.all(initialized_only=True)):
            return self.verifier.keyring()
        return super().load_secrets()

    def execute(self, message: Message) -> Outcome:
        """Run the handlers for an engine's message, whose threads Django knows nothing of."""
        close_old_connections()
        try:
            return super().execute(message)
        finally:
            close_old_connections()


async def _coroutine(function: Callable[..., Awaitable[T]], *arguments: Any) -> T:
    return await function(*arguments)


@lru_cache(maxsize=1)
def current_endpoint() -> Endpoint:
    """Return the receiver and path of `settings.COFFRIFY_WEBHOOKS`.

    Imports each installed app's `webhooks` module, so that its handlers are registered. Raises
    ConfigurationError for settings that cannot be used.
    """
    autodiscover_modules("webhooks")
    folder = Path(getattr(settings, "BASE_DIR", None) or Path.cwd())
    return endpoint(
        with_store(hide_passwords(getattr(settings, SETTING, {}))),
        folder=folder,
        kind=DjangoReceiver,
    )


def forget_endpoint(*, setting: str, **_: object) -> None:
    """Make the receiver anew when a test overrides its settings."""
    if setting == SETTING:
        current_endpoint.cache_clear()


setting_changed.connect(forget_endpoint)
