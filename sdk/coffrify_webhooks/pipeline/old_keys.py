"""Tells of a secret that is to be retired, and still in use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coffrify_webhooks.monitoring.keys import is_old, name_of

from .effects import Notify, Settings, Steps

if TYPE_CHECKING:
    from coffrify_webhooks.delivery import Delivery
    from coffrify_webhooks.signature.keyring import Keyring

__all__ = ["report_old_key"]


def report_old_key(settings: Settings, delivery: Delivery, ring: Keyring) -> Steps[None]:
    """Note which secret it was, and tell of an old one, once an hour for each."""
    index = delivery.key
    if index >= len(ring.secrets):
        return  # of another keyring: the testing kit's
    secret = ring.secrets[index]
    name = settings.key_use.names[index] = name_of(secret, index)
    now = settings.clock()
    why = is_old(secret, index, now)
    if why and settings.key_use.is_to_be_told(name, now):
        yield Notify(
            "old_key_used",
            "secret %s signed a delivery, and %s; once this is told no more, nobody uses it",
            delivery,
            values=(name, why),
        )
