"""Who observes a receiver."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakSet

from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.handlers.handler import is_async_callable
from coffrify_webhooks.observe import Once, Others, everywhere, logger, tell_all

from .keys import KeyUse
from .log import listeners_of, log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any, Protocol

    from coffrify_webhooks.observe import Notice, Observer

    class NoticeSource(Protocol):
        """What makes a notice."""

        def notice(self, receiver: str, /) -> Notice: ...


__all__ = ["Observable", "all_observables"]


class Observable:
    """What has observers; the log is the first of them."""

    name: str

    def __init__(self, observers: Iterable[Observer] = ()) -> None:
        self._observers: Sequence[Observer] = (log, *_checked(observers))
        self.first_time: Callable[..., bool] = Once().first_time
        self.key_use: KeyUse = KeyUse()
        _all.add(self)

    def add_observer(self, observer: Observer) -> None:
        """Add an observer permanently, to those that were given as `observers`.

        Raises ConfigurationError for what is not a function, or an async one.
        """
        self._observers = (*self._observers, *_checked((observer,)))

    def remove_observer(self, observer: Observer) -> None:
        """Remove an observer, if it is there."""
        self._observers = tuple(each for each in self._observers if each is not observer)

    def is_heard(self, level: int) -> bool:
        """Tell whether a notice of this level goes anywhere but into a log that drops it."""
        return len(self._observers) > 1 or bool(everywhere) or logger.isEnabledFor(level)

    @property
    def tells_operations(self) -> bool:
        """Whether anybody is told when an operation starts and ends."""
        return bool(self.listeners())

    def listeners(self) -> Sequence[Observer]:
        """Return the observers that are told of operations."""
        observers = self._observers
        if len(observers) == 1 and not everywhere:
            return ()  # the log alone: nearly always, and asked at each delivery
        others = (e for e in everywhere if not (isinstance(e, Others) and e.has_own(self)))
        return listeners_of((*observers, *others))

    def tell(self, source: NoticeSource) -> None:
        """Tell the observers."""
        tell_all((*self._observers, *everywhere), source.notice(self.name))


def _checked(observers: Any) -> tuple[Observer, ...]:
    """Return the observers given: one, or several."""
    try:
        found: tuple[Any, ...] = (observers,) if callable(observers) else tuple(observers)
    except TypeError:
        found = (None,)
    if all(callable(observer) for observer in found):
        if any(map(is_async_callable, found)):
            raise ConfigurationError(
                "observers are called and not awaited; write `def` in place of `async def`"
            )
        return found
    raise ConfigurationError("observers must be functions that take a Notice, as in [tell]")


_all: WeakSet[Observable] = WeakSet()


def all_observables() -> list[Observable]:
    """Return every receiver of this process."""
    return list(_all)
