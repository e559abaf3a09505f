"""Takes back what handlers have written to Django's databases."""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator

    from coffrify_webhooks.receiver import Receiver

__all__ = ["databases_of", "rolled_back"]


def databases_of(receiver: Receiver) -> tuple[str, ...]:
    """Name Django's databases that are there, if it is a receiver of Django's; else none."""
    if not type(receiver).__module__.startswith("coffrify_webhooks_django"):
        return ()
    found: list[str] = []
    for alias in sys.modules["django.db"].connections:
        with suppress(Exception):  # one that is not there is not written to
            sys.modules["django.db"].connections[alias].ensure_connection()
            found.append(alias)
    return tuple(found)


@contextmanager
def rolled_back(databases: tuple[str, ...]) -> Generator[None]:
    """Roll back what is written to these databases of Django's meanwhile."""
    if not databases:
        yield
        return
    django: Any = sys.modules["django.db"]
    aliases: list[str] = []
    with ExitStack() as blocks:
        for alias in databases:
            with suppress(Exception):  # it went away
                blocks.enter_context(django.transaction.atomic(using=alias))
                aliases.append(alias)
        try:
            yield
        finally:
            for alias in aliases:
                django.transaction.set_rollback(True, using=alias)
