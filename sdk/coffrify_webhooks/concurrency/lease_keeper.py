"""Renews the claims of the events that are being handled, each at a third of its lease.

On threads of their own, so that no handler can keep them from their work, and several at a time, so
that a slow store is asked for all of them in time. A crash of the process stops the renewals, and
the claim is free within one lease.
"""

import weakref
from typing import ClassVar, Protocol, Self

from .timers import Alarm, Alarms

__all__ = ["Keeper", "LockKeeper"]


class Store(Protocol):
    """What keeping a lease needs of a store."""

    def renew(self, key: str, token: str, lease: float) -> bool: ...


alarms: "weakref.WeakKeyDictionary[Store, Alarms]" = weakref.WeakKeyDictionary()
"""One for each store: a store that hangs must not cost the others their leases."""
_AT_ONCE = 16
"""Renewals of one store: at 0.25 s each, 1280 within a third of the usual lease."""
_shared = Alarms("leases", _AT_ONCE)
_SOON = 1.0
"""Seconds after which a renewal that failed is tried again, if a third of the lease is longer."""


def _alarms_of(store: Store) -> Alarms:
    try:
        return alarms.get(store) or alarms.setdefault(store, Alarms("leases", _AT_ONCE))
    except TypeError:  # a store that cannot be hashed, or referred to weakly
        return _shared


class Keeper:
    """Around the work on one delivery: keeps the claim that it takes alive until its end."""

    renew: ClassVar[str] = "renew"

    __slots__ = ("_alarm", "_alarms", "_key", "_lease", "_over", "_store", "_token")

    def __init__(self, store: Store, lease: float) -> None:
        self._store = store
        self._lease = lease
        self._alarm: Alarm | None = None
        self._over = False

    def keep(self, key: str, token: str) -> None:
        """Begin to renew a claim; raises RuntimeError if no thread can be had.

        The claim is then the caller's to give back, who knows whether an engine's event is on it:
        its record has to stay.
        """
        self._key, self._token = key, token
        self._alarms = _alarms_of(self._store)
        alarm = Alarm(self._renew)
        self._alarms.set(alarm, self._lease / 3)
        self._alarm = alarm

    def _renew(self) -> None:
        wait = self._lease / 3
        try:
            ours = getattr(self._store, self.renew)(self._key, self._token, self._lease)
        except BaseException:  # settling will tell
            ours, wait = True, min(wait, _SOON)
        # If it is lost, whoever has it now settles it, and our own settlement does nothing.
        alarm = self._alarm
        if ours and not self._over and alarm is not None:
            self._alarms.set(alarm, wait)  # needs no thread: this one is there
            if self._over:  # it ended in this very moment
                self._alarms.clear(alarm)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        if self._alarm is not None:
            self._alarms.clear(self._alarm)
            self._alarm = None  # no cycle, which only the garbage collector would end


class LockKeeper(Keeper):
    """Likewise, around one call of an ordered handler: keeps its lock."""

    __slots__ = ()
    renew: ClassVar[str] = "renew_lock"
