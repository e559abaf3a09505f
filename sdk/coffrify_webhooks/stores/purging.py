"""When old claims are purged: about once an hour, in a thread beside the deliveries."""

from functools import partial
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING

from coffrify_webhooks.clock import monotonic
from coffrify_webhooks.concurrency.timers import Alarm, Alarms
from coffrify_webhooks.errors import StoreUnavailable
from coffrify_webhooks.observe import logger

if TYPE_CHECKING:
    from .protocol import Store

__all__ = ["PURGED_AT_ONCE", "PurgeSchedule"]

_EVERY = 3600.0
"""Seconds."""
PURGED_AT_ONCE = 100
"""So few that a delivery which comes meanwhile waits a millisecond or two for them."""
_alarms = Alarms("purges")


class PurgeSchedule:
    """Tells when the next purge is due; threads may share it."""

    def __init__(self) -> None:
        self._next = 0.0

    def is_due(self) -> bool:
        """Tell whether a purge is due; the next one then is an hour later."""
        now = monotonic()
        if now < self._next:
            return False
        self._next = now + _EVERY
        return True

    def again(self) -> None:
        """Note that a purge left some over: the next delivery goes on with it."""
        self._next = 0.0

    def purge_beside(self, store: "Store", retention: float) -> bool:
        """Purge all that is old in another thread; False if that cannot be, and nothing was done.

        A store whose `can_purge_beside` is False wants it where its other calls are made.
        """
        if iscoroutinefunction(store.purge) or not getattr(store, "can_purge_beside", True):
            return False
        try:
            _alarms.set(Alarm(partial(_purge_all, store, retention)), 0)
        except RuntimeError:
            return False
        return True


def _purge_all(store: "Store", retention: float) -> None:
    try:
        while store.purge(retention, PURGED_AT_ONCE) >= PURGED_AT_ONCE:
            pass
    except StoreUnavailable:  # deliveries say so; the next purge goes on
        pass
    except Exception as error:  # a store of the user's
        logger.warning(
            "old events could not be purged (%s); the next try is in an hour",
            type(error).__name__,
        )
