"""Who observes a receiver."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakSet

from coffrify_webhooks.observe import Once, everywhere, logger, tell_all

from .keys import KeyUse
from .log import listeners_of, log

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Protocol

    from coffrify_webhooks.observe import Notice, Observer

    class NoticeSource(Protocol):
        """What makes a notice."""

        def notice(self, receiver: str, /) -> Notice: ...


__all__ = ["Observable", "all_observables"]


class Observable:
    """What has observers; the log is the first of them."""

    name: str

    def __init__(self, observers: Sequence[Observer] = ()) -> None:
        self._observers: Sequence[Observer] = (log, *observers)
        self.first_time: Callable[..., bool] = Once().first_time
        self.key_use: KeyUse = KeyUse()
        _all.add(self)

    def add_observer(self, observer: Observer) -> None:
        """Add one permanently, to those that were given as `observers`."""
        self._observers = (*self._observers, observer)

    def remove_observer(self, observer: Observer) -> None:
        """Remove one, if it is there."""
        self._observers = tuple(each for each in self._observers if each is not observer)

    def is_heard(self, level: int) -> bool:
        """Tell whether a notice of this level goes anywhere but into a log that drops it."""
        return len(self._observers) > 1 or bool(everywhere) or logger.isEnabledFor(level)

    @property
    def tells_operations(self) -> bool:
        """Whether anybody is told when an operation starts and ends."""
        return bool(self.listeners())

    def listeners(self) -> Sequence[Observer]:
        """Return who is told of operations."""
        observers = self._observers
        if len(observers) == 1 and not everywhere:
            return ()  # the log alone: nearly always, and asked at each delivery
        return listeners_of((*observers, *everywhere))

    def tell(self, source: NoticeSource) -> None:
        """Tell the observers."""
        tell_all((*self._observers, *everywhere), source.notice(self.name))


_all: WeakSet[Observable] = WeakSet()


def all_observables() -> list[Observable]:
    """Return every receiver of this process."""
    return list(_all)
