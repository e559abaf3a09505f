"""The library's own threads: kept for the next call, never waited for when the process ends.

`start` runs a call in one; `submit` returns its future, for whoever waits only for so long. They
are daemon threads, so that a handler that never returns does not hold up the exit.
"""

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextvars import copy_context
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from coffrify_webhooks.errors import NotBegun

__all__ = ["call_within", "complete", "start", "submit"]

T = TypeVar("T")

_IDLE = 10.0
"""Seconds after which a thread without work ends."""
_MOST = 40
"""How many calls of one purpose may be under way, such as those of an engine that hangs."""


class _Threads:
    """Threads that each wait for the next call when theirs has ended."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.counts: dict[str, int] = {}
        self._calls: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._waiting = 0
        """Idle threads for which no call is queued."""

    def start(self, call: Callable[[], None]) -> None:
        with self.lock:
            waiting = self._waiting > 0
            if waiting:
                self._waiting -= 1
                self._calls.put(call)
        if not waiting:
            # In a list, which is emptied: a Thread keeps its arguments until it ends.
            threading.Thread(
                target=self._work, args=([call],), name="coffrify-webhooks-worker", daemon=True
            ).start()

    def _work(self, first: list[Callable[[], None]]) -> None:
        call: Callable[[], None] | None = first.pop()
        while call is not None:
            call()
            call = None  # what it holds on to is not kept while we wait
            with self.lock:
                self._waiting += 1
            call = self._next()

    def _next(self) -> Callable[[], None] | None:
        while True:
            try:
                return self._calls.get(timeout=_IDLE)
            except Empty:
                with self.lock:
                    if self._waiting > 0:  # else somebody has counted on us just now
                        self._waiting -= 1
                        return None


_threads = _Threads()


def start(call: Callable[[], None]) -> None:
    """Run a call, which raises nothing, in a thread; raise NotBegun if none can be had."""
    try:
        _threads.start(call)
    except (RuntimeError, MemoryError, OSError) as error:
        raise NotBegun("no thread could be started") from error


def submit(purpose: str, function: Callable[..., T], *arguments: Any) -> "Future[T]":
    """Call a function in a thread, for whoever does not wait for its end.

    Raises NotBegun if too many calls of this purpose have not returned, or no thread can be had.
    """
    threads, context, future = _threads, copy_context(), Future[T]()
    with threads.lock:
        count = threads.counts.get(purpose, 0)
        if count >= _MOST:
            raise NotBegun(f"{count} calls of this kind have not returned")
        threads.counts[purpose] = count + 1

    def work() -> None:
        try:
            complete(future, context.run, function, *arguments)
        finally:
            leave()

    def leave() -> None:
        with threads.lock:
            threads.counts[purpose] -= 1

    try:
        start(work)
    except BaseException:
        leave()
        raise
    return future


def call_within(
    seconds: float, late: Exception, purpose: str, function: Callable[..., T], *arguments: Any
) -> T:
    """Call what may hang, in a thread that is left alone if it does; then raise `late`."""
    try:
        future = submit(purpose, function, *arguments)
    except NotBegun as error:
        raise late from error
    try:
        return future.result(seconds)
    except TimeoutError:
        if future.done():  # its own
            raise
        raise late from None


def complete(future: "Future[T]", function: Callable[..., T], *arguments: Any) -> bool:
    """Give a future what a function returns or raises; False if somebody has settled it before."""
    give: Callable[[Any], None]
    given: Any
    try:
        result = function(*arguments)
    except BaseException as error:  # it goes to whoever waits
        if isinstance(error, StopIteration):  # no future can carry it on
            wrapped = RuntimeError("StopIteration was raised")
            wrapped.__cause__ = error
            error = wrapped
        give = future.set_exception
        given = error
    else:
        give, given = future.set_result, result
    try:
        give(given)
    except InvalidStateError:
        return False
    finally:
        del given, future  # no cycle of a traceback, its frame and the error
    return True


def _after_fork() -> None:
    """Threads do not survive a fork: start anew in the child."""
    global _threads
    _threads = _Threads()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
