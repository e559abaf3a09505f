"""Functions called at their time, on one daemon thread for each set of alarms."""

import os
import threading
import time
import weakref
from collections.abc import Callable

from .observe import logger

__all__ = ["Alarm", "Alarms"]

_LONGEST_WAIT = 3600.0
"""Seconds; an alarm may be further away than what a thread can wait at once, even infinitely."""

_IDLE = 10.0
"""Seconds after which a thread without alarms ends; the next alarm starts another."""


class Alarm:
    """A function and when to call it; `seconds` from now, each time it is set."""

    __slots__ = ("action", "due")

    def __init__(self, action: Callable[[], None]) -> None:
        self.action: Callable[[], None] = action
        self.due: float = 0.0


class Alarms:
    """Alarms that share a thread; one whose function takes long delays the others."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._reset()
        _all.add(self)

    def _reset(self) -> None:
        self.waiting: set[Alarm] = set()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._wakes_at = 0.0
        """When the thread looks again by itself; most alarms are cleared by then."""

    def set(self, alarm: Alarm, seconds: float) -> None:
        """Let the alarm go off in so many seconds."""
        alarm.due = time.monotonic() + seconds
        with self._changed:
            self.waiting.add(alarm)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._work, name=f"coffrify-webhooks-{self._name}", daemon=True
                )
                self._thread.start()
            elif alarm.due < self._wakes_at:
                self._changed.notify()

    def clear(self, alarm: Alarm) -> None:
        """Let it not go off, if it has not yet."""
        with self._changed:
            self.waiting.discard(alarm)

    def _work(self) -> None:
        while True:
            with self._changed:
                first = min(self.waiting, key=lambda alarm: alarm.due, default=None)
                now = time.monotonic()
                if first is None or first.due > now:
                    wait = min(first.due - now, _LONGEST_WAIT) if first else _IDLE
                    self._wakes_at = now + wait
                    told = self._changed.wait(wait)
                    if not told and not self.waiting:
                        self._thread = None
                        return
                    continue
                self.waiting.discard(first)
            try:
                first.action()
            except Exception:  # noqa: BLE001 - the others still have to go off
                logger.exception("an alarm failed")


_all: "weakref.WeakSet[Alarms]" = weakref.WeakSet()


def _after_fork() -> None:
    """Threads do not survive a fork, and what they watched is the parent's."""
    for alarms in list(_all):
        alarms._reset()  # noqa: SLF001


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
