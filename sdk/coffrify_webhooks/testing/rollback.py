"""Takes back what handlers have written to Django's databases."""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator

    from coffrify_webhooks.receiver import Receiver

__all__ = ["rolled_back"]


@contextmanager
def rolled_back(receiver: Receiver) -> Generator[None]:
    """Roll back what is written meanwhile, if it is a receiver of Django's; else do nothing."""
    if not type(receiver).__module__.startswith("coffrify_webhooks_django"):
        yield
        return
    django: Any = sys.modules["django.db"]
    aliases: list[str] = []
    with ExitStack() as blocks:
        for alias in django.connections:
            with suppress(Exception):  # one that is not there is not written to
                blocks.enter_context(django.transaction.atomic(using=alias))
                aliases.append(alias)
        try:
            yield
        finally:
            for alias in aliases:
                django.transaction.set_rollback(True, using=alias)
