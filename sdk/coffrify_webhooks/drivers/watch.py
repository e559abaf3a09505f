"""Which handlers are running, and for how long: so that one that holds up others can be named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coffrify_webhooks.clock import monotonic
from coffrify_webhooks.concurrency.lease_keeper import Keeper, LockKeeper
from coffrify_webhooks.concurrency.timers import Alarm, Alarms
from coffrify_webhooks.errors import NotBegun
from coffrify_webhooks.pipeline.effects import Notify

if TYPE_CHECKING:
    from coffrify_webhooks.pipeline.effects import CallHandler

    from .hooks import Hooks

__all__ = ["REMEDY", "Watch", "engine", "oldest", "report_overload"]

REMEDY = "hand slow handlers to an engine, %s, or set a timeout on what they wait for"
"""Takes what `engine` returns."""
_alarms = Alarms("watch")
_running: dict[Watch, float] = {}


class Watch:
    """Over the handlers of one delivery: renews its claim, and warns of the one that is slow."""

    __slots__ = (
        "_alarm",
        "_keeper",
        "_kept",
        "_lock_keeper",
        "_over",
        "_receiver",
        "call",
        "patience",
    )

    def __init__(self, receiver: Hooks, patience: float | None) -> None:
        """patience: seconds after which the sender gives up; None if nobody waits for an answer."""
        self._keeper = Keeper(receiver.store, receiver.lease)
        self._receiver = receiver
        self._alarm: Alarm | None = None
        self._lock_keeper: LockKeeper | None = None
        self._kept = self._over = False
        self.patience: float | None = patience
        self.call: CallHandler | None = None

    def begin(self, call: CallHandler) -> None:
        """Note that a handler begins: from now on the claim is kept alive.

        Raises NotBegun if it cannot be: the handler must not begin then.
        """
        self.call = call
        _running[self] = monotonic()
        if self._over:
            return
        try:
            if self._alarm is None and self.patience is not None:
                self._alarm = Alarm(self._warn)
                _alarms.set(self._alarm, self.patience)
            if not self._kept and call.key is not None:
                self._keeper.keep(call.key, call.token)
                self._kept = True
            if call.move is not None:
                self._lock_keeper = LockKeeper(self._receiver.store, self._receiver.lease)
                self._lock_keeper.keep(call.move.mark, call.move.token)
        except (RuntimeError, MemoryError) as error:
            raise NotBegun("no thread could be started to keep its claim") from error

    def end(self) -> None:
        """Note that the handler has ended."""
        self.call = None
        _running.pop(self, None)
        if self._lock_keeper is not None:
            self._lock_keeper.__exit__()
            self._lock_keeper = None

    def close(self) -> None:
        """Let the claim go: the delivery is settled."""
        self._over = True
        self._keeper.__exit__()
        if self._alarm is not None:
            _alarms.clear(self._alarm)
            self._alarm = None  # no cycle, which only the garbage collector would end

    def _warn(self) -> None:
        call = self.call
        if call is None or self.patience is None:
            return
        self._receiver.tell(
            Notify(
                "slow_handler",
                "handler %s is still running after %g s, when the sender gives up and tries again; "
                + REMEDY,
                call.delivery,
                call.event,
                call.handler.name,
                values=(call.handler.name, self.patience, engine(self._receiver)),
            )
        )


def report_overload(receiver: Hooks, within: float, reason: str) -> NotBegun:
    """Tell that a handler could not begin within so many seconds; return the error."""
    text = "a handler could not begin within %g s: %s; %s; " + REMEDY
    receiver.tell(Notify("overloaded", text, values=(within, reason, oldest(), engine(receiver))))
    return NotBegun("no handler could begin in time; try again later")


def engine(receiver: Hooks) -> str:
    """Say how this receiver is given an engine."""
    return receiver.how_to_set("dispatcher", "...")


def oldest() -> str:
    """Say how many handlers are running, and which has been for longest."""
    now = monotonic()
    running = [(now - since, watch.call) for watch, since in list(_running.items())]
    ages = sorted(((age, call.handler.name) for age, call in running if call), reverse=True)
    if not ages:
        return "no handler is running"
    return f"{len(ages)} are running, {ages[0][1]} the longest ({ages[0][0]:.0f} s)"
