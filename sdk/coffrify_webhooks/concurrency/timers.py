"""Functions called at their time, on daemon threads of each set of alarms."""

import logging
import os
import threading
import weakref
from collections.abc import Callable

from coffrify_webhooks.clock import monotonic

__all__ = ["Alarm", "Alarms"]

logger: logging.Logger = logging.getLogger("coffrify_webhooks")

_LONGEST_WAIT = 3600.0
"""Seconds; an alarm may be further away than a thread can wait at once, even infinitely."""

_IDLE = 10.0
"""Seconds after which a thread without alarms ends; the next alarm starts another."""


class Alarm:
    """A function and when to call it; `seconds` from now, each time it is set."""

    __slots__ = ("action", "due")

    def __init__(self, action: Callable[[], None]) -> None:
        self.action: Callable[[], None] = action
        self.due: float = 0.0


class Alarms:
    """Alarms that share a thread; `at_once` of them may go off at the same time.

    One thread waits for the next alarm. Before it calls the function, another takes its place if
    alarms are left: a function that takes long delays the others only when `at_once` are at work.
    """

    def __init__(self, name: str, at_once: int = 1) -> None:
        self._name = name
        self._at_once = at_once
        self._reset()
        _all.add(self)

    def _reset(self) -> None:
        self.waiting: set[Alarm] = set()
        # Always entered as the lock itself: a signal that raises within Condition.__enter__, which
        # is Python, would leave it locked for ever.
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._thread: threading.Thread | None = None
        """The thread that waits."""
        self._working = 0
        """How many threads call a function; each takes the waiting thread's place if necessary."""
        self._wakes_at = 0.0
        """When the thread looks again by itself; most alarms are cleared by then."""

    def set(self, alarm: Alarm, seconds: float) -> None:
        """Let the alarm go off in so many seconds.

        Raises RuntimeError, and forgets the alarm, if no thread can be started.
        """
        alarm.due = monotonic() + seconds
        with self._lock:
            self._let_one_wait(needed=not self._working)
            self.waiting.add(alarm)
            if alarm.due < self._wakes_at:
                self._changed.notify()

    def clear(self, alarm: Alarm) -> None:
        """Cancel it, if it has not gone off yet."""
        with self._lock:
            self.waiting.discard(alarm)

    def _let_one_wait(self, *, needed: bool) -> None:
        """Start a thread that waits, unless one does, or so many are at work that one soon will."""
        if self._thread is not None or self._working >= self._at_once:
            return
        thread = threading.Thread(
            target=self._work, name=f"coffrify-webhooks-{self._name}", daemon=True
        )
        self._wakes_at = 0.0
        try:
            thread.start()
        except (RuntimeError, MemoryError) as error:  # the next alarm tries again
            if needed:
                raise RuntimeError("no thread can be started") from error
        else:
            self._thread = thread

    def _work(self) -> None:
        while True:
            with self._lock:
                first = self._next()
                if first is None:
                    return
                self._hand_over()
            try:
                first.action()
            except BaseException:  # the others still have to go off
                logger.exception("an alarm failed")
            first = None  # what it holds on to is not kept while we wait
            with self._lock:
                self._working -= 1
                if self._thread is not None:
                    return  # another waits already
                self._thread = threading.current_thread()

    def _next(self) -> Alarm | None:
        """Wait for an alarm that is due; None if there was none for a while."""
        while True:
            first = min(self.waiting, key=lambda alarm: alarm.due, default=None)
            now = monotonic()
            if first is not None and first.due <= now:
                self.waiting.discard(first)
                return first
            wait = min(first.due - now, _LONGEST_WAIT) if first else _IDLE
            first = None  # it may be cleared meanwhile: what it holds on to is not kept
            self._wakes_at = now + wait
            if not self._changed.wait(wait) and not self.waiting:
                self._thread = None
                return None

    def _hand_over(self) -> None:
        """Let another thread wait for the alarms that are left, if there may be one more."""
        self._working += 1
        self._thread = None
        if self.waiting:
            self._let_one_wait(needed=False)


_all: "weakref.WeakSet[Alarms]" = weakref.WeakSet()


def _after_fork() -> None:
    """Threads do not survive a fork, and what they watched is the parent's."""
    for alarms in list(_all):
        alarms._reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
