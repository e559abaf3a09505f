"""Receivers of one name on one store: each would take the other's events for duplicates."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Protocol
from weakref import WeakSet

from coffrify_webhooks.errors import ConfigurationError

from .open import place_of

if TYPE_CHECKING:
    from coffrify_webhooks.signature import Verifier

__all__ = ["refuse_namesakes"]


class _Receiver(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def store(self) -> object: ...
    @property
    def verifier(self) -> Verifier: ...
    def how_to_set(self, option: str, value: str) -> str: ...


_receivers: WeakSet[_Receiver] = WeakSet()


def refuse_namesakes(receiver: _Receiver) -> None:
    """Raise ConfigurationError if another endpoint of this process has the receiver's name.

    Two receivers are of one endpoint if they share a secret, as when an application is made twice.
    Secrets that a callable returns are not compared.
    """
    if _has_namesake(receiver):
        gc.collect()  # an application of an earlier test may only look alive
        if _has_namesake(receiver):
            raise ConfigurationError(
                f"two receivers with different secrets are called {receiver.name!r} and share a "
                "store, so each would take the other's events for duplicates; give each endpoint "
                f"its own name: {receiver.how_to_set('name', '...')}"
            )
    _receivers.add(receiver)


def _has_namesake(receiver: _Receiver) -> bool:
    place = place_of(receiver.store)
    return any(
        other.name == receiver.name
        and place_of(other.store) == place
        and other.verifier.has_other_secrets(receiver.verifier)
        for other in list(_receivers)
    )
