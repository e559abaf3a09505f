"""Notes which secret signs, and tells of one that is to be retired and still in use."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from coffrify_webhooks.monitoring.keys import is_old, later, mark_of
from coffrify_webhooks.signature.secret import name_of
from coffrify_webhooks.stores.marks import LEASE

from .effects import Notify, Settings, Steps
from .handle import call_store

if TYPE_CHECKING:
    from coffrify_webhooks.delivery import Delivery
    from coffrify_webhooks.signature.keyring import Keyring
    from coffrify_webhooks.stores import Lock

__all__ = ["report_old_key", "store_key_use"]


def report_old_key(settings: Settings, delivery: Delivery, ring: Keyring) -> Steps[None]:
    """Note which secret it was, and tell of an old one, once an hour for each."""
    index = delivery.key
    if index >= len(ring.secrets):  # of another keyring: the testing kit's
        settings.key_use.latest = delivery.timestamp
        return
    secret = ring.secrets[index]
    settings.key_use.see(ring, secret, delivery.timestamp)
    now = settings.clock()
    settings.key_use.note(secret, now)
    why = is_old(secret, index, now)
    if why and settings.key_use.is_to_be_told(secret, now):
        yield Notify(
            "old_key_used",
            "secret %s signed a delivery, and %s; once this notice no longer appears, nobody uses "
            "that secret",
            delivery,
            values=(name_of(secret, index), why),
        )


def store_key_use(settings: Settings) -> Steps[None]:
    """Note in the store when secrets were used; one that fails is asked again in a minute."""
    unnoted = settings.key_use.unnoted
    while unnoted:
        try:
            secret, at = unnoted.popitem()
        except KeyError:  # another thread was faster
            return
        if not settings.drifts.are_kept_by(settings.store):
            continue
        mark = mark_of(settings.name, secret)
        with suppress(Exception):  # whatever the store does: the event is answered as what it is
            lock: Lock | None = yield from call_store("lock", mark, LEASE)
            if lock is not None:  # else another process notes the same
                yield from call_store("unlock", mark, lock.token, str(later(lock.state, at)))
