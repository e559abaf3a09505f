"""Renews the claims of the events that are being handled, each at a third of its lease.

On a thread of its own, so that no handler can keep it from its work. A crash of the process stops
the renewals, and the claim is free within one lease.
"""

from typing import Self

from .alarms import Alarm, Alarms
from .stores import Store

__all__ = ["Keeper"]

alarms: Alarms = Alarms("leases")


class Keeper:
    """Around the work on one delivery: keeps the claim that it takes alive until its end."""

    __slots__ = ("_alarm", "_key", "_lease", "_over", "_store", "_token")

    def __init__(self, store: Store, lease: float) -> None:
        self._store = store
        self._lease = lease
        self._alarm: Alarm | None = None
        self._over = False

    def keep(self, key: str, token: str) -> None:
        """Begin to renew a claim that was just taken."""
        self._key, self._token = key, token
        self._alarm = Alarm(self._renew)
        alarms.set(self._alarm, self._lease / 3)

    def _renew(self) -> None:
        try:
            ours = self._store.renew(self._key, self._token, self._lease)
        except BaseException:  # noqa: BLE001 - tried again before the lease is over; settling will tell
            ours = True
        # If it is lost, whoever has it now settles it, and our own settlement does nothing.
        if ours and not self._over and self._alarm is not None:
            alarms.set(self._alarm, self._lease / 3)
            if self._over:  # it ended in this very moment
                alarms.clear(self._alarm)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        if self._alarm is not None:
            alarms.clear(self._alarm)
