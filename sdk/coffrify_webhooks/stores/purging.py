"""When old claims are purged: about once an hour, and at once while some are left over."""

from coffrify_webhooks.clock import monotonic

__all__ = ["PurgeSchedule"]

_EVERY = 3600.0
"""Seconds."""


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
