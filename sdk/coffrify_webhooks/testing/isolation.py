"""An isolation: what receivers have while it lasts, and what it has seen of them."""

from __future__ import annotations

import threading
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from coffrify_webhooks.clock import now
from coffrify_webhooks.monitoring.keys import KeyUse
from coffrify_webhooks.observe import Facts, Notice, Once
from coffrify_webhooks.signature import Verifier
from coffrify_webhooks.stores import place_of
from coffrify_webhooks.stores.drift import Drifts
from coffrify_webhooks.stores.purging import PurgeSchedule

from .clock import Clock
from .isolated_store import isolated_store
from .layers import layers_here

if TYPE_CHECKING:
    from collections.abc import Callable

    from coffrify_webhooks.dispatch import Message
    from coffrify_webhooks.event import Event
    from coffrify_webhooks.receiver import Receiver
    from coffrify_webhooks.stores import Store

    from .result import Result

__all__ = ["Isolation", "clock_here", "isolation_here"]


class Isolation:
    """A layer with a store, a clock and a secret of its own; see `isolated`."""

    def __init__(self, receivers: tuple[Receiver, ...]) -> None:
        self.clock: Clock = Clock()
        self.secret: str = f"whsec_{token_hex(32)}"
        self.notices: list[Notice] = []
        self.events: list[Event] = []
        self.results: list[Result[Any]] = []
        self.queue: list[tuple[Receiver, Message]] = []
        self._receivers = receivers
        self._lock = threading.Lock()
        self._stores: dict[object, Store] = {}
        self._made: dict[tuple[int, str], tuple[Receiver, Any]] = {}

    def see(self, receiver: Receiver, setting: str, value: Any, /) -> Any:
        """See `Layer.see`."""
        if self._receivers and not any(each is receiver for each in self._receivers):
            return value
        if setting == "clock":
            return self.clock
        if setting == "_observers":
            others = (each for each in value if not _is_of_isolation(each))  # the outer ones
            return (*others, Facts(self._observe))
        if setting == "router" or (setting == "dispatcher" and value is None):
            return value
        with self._lock:
            # With the receiver, whose identity is so not given to another.
            found = self._made.get((id(receiver), setting))
            if found is None:
                found = receiver, self._make(receiver, setting, value)
                self._made[id(receiver), setting] = found
        return found[1]

    def _make(self, receiver: Receiver, setting: str, value: Any) -> Any:
        match setting:
            case "store":
                place = place_of(value)
                if place not in self._stores:
                    self._stores[place] = isolated_store(value, self.clock)
                return self._stores[place]
            case "verifier":
                return Verifier(
                    self.secret,
                    schemes=value.schemes,
                    tolerance=value.tolerance,
                    clock=self.clock,
                )
            case "dispatcher":
                return _Queue(self, receiver)
            case "key_use":
                return KeyUse()
            case "first_time":
                return Once().first_time
            case "drifts":
                return Drifts()
            case _:
                return _NoPurge()

    def _observe(self, notice: Notice) -> None:
        self.notices.append(notice)
        handled = notice.reply is not None and notice.reply.outcome == "handled"
        if notice.kind == "executed" and notice.values[-1:] == ("handled",):
            handled = True
        if handled and notice.event is not None:
            self.events.append(notice.event)


class _NoPurge(PurgeSchedule):
    """Nothing is old in a store that a test has just been given: no thread is started for it."""

    def is_due(self) -> bool:
        """See `PurgeSchedule.is_due`."""
        return False


def _is_of_isolation(observer: object) -> bool:
    tell = observer.tell if isinstance(observer, Facts) else None
    return isinstance(getattr(tell, "__self__", None), Isolation)


class _Queue:
    """Stands for an engine: keeps what it is given until `run_queued`."""

    def __init__(self, isolation: Isolation, receiver: Receiver) -> None:
        self._isolation = isolation
        self._receiver = receiver

    def dispatch(self, message: Message) -> None:
        """See `Dispatcher.dispatch`."""
        self._isolation.queue.append((self._receiver, message))


def isolation_here() -> Isolation | None:
    """Return the innermost isolation of this context, if there is one."""
    found = [layer for layer in layers_here() if isinstance(layer, Isolation)]
    return found[-1] if found else None


def clock_here() -> Callable[[], float]:
    """Return the clock of the isolation, else that of everybody."""
    isolation = isolation_here()
    return now if isolation is None else isolation.clock
