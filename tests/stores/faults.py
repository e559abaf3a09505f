"""Ways to let one acquisition fail: a thread, a descriptor, any step that a signal breaks off."""

import dis
import os
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import pytest

import coffrify_webhooks
from coffrify_webhooks.concurrency import timers as alarms

__all__ = ["Interrupt", "failing_thread", "interrupted", "no_descriptors", "without_threads"]

_OURS = (os.path.dirname(coffrify_webhooks.__file__), threading.__file__)  # noqa: PTH120


_LOOKS = ("RESUME", "CALL", "JUMP_BACKWARD")


class Interrupt(Exception):  # noqa: N818 - like Celery's soft time limit
    """What a signal's handler raises."""


def interrupted(step: int, function: Callable[[], object]) -> bool:
    """Call a function and raise at its step; False if it ended before.

    A step is where CPython looks for signals, in our code and in `threading`: when a function
    begins, after each call, and when a loop goes round.
    """
    left = step
    came_from: dict[FrameType, str] = {}

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.startswith(_OURS):
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            name = dis.opname[frame.f_code.co_code[frame.f_lasti]]
            before = came_from.get(frame, "RESUME")
            came_from[frame] = name
            left -= before.startswith(_LOOKS)
            if left < 0:
                sys.settrace(None)
                raise Interrupt
        return trace

    tracing = sys.gettrace()
    sys._getframe().f_trace_opcodes = True  # CPython 3.12 asks for it once, in settrace
    sys.settrace(trace)
    try:
        function()
    except Interrupt:
        return True
    except coffrify_webhooks.StoreUnavailable:
        return left < 0
    finally:
        sys.settrace(tracing)
        came_from.clear()
    return left < 0


@contextmanager
def failing_thread(monkeypatch: pytest.MonkeyPatch, number: int) -> Iterator[list[bool]]:
    """Let the start of one of our threads fail, as where memory or a limit is exhausted."""
    start = threading.Thread.start
    asked: list[bool] = []

    def failing(thread: threading.Thread) -> None:
        if not thread.name.startswith("coffrify-webhooks"):
            return start(thread)
        asked.append(len(asked) == number)
        if asked[-1]:
            raise RuntimeError("can't start new thread")
        return start(thread)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", failing)
        yield asked


def without_threads() -> None:
    """Wait until none of our alarms has a thread: the next one has to be started."""
    give_up = time.monotonic() + 20
    for each in list(alarms._all):
        while each._thread or each._working:
            with each._lock:
                each._changed.notify()
            assert time.monotonic() < give_up
            time.sleep(0.05)  # longer than the patched _IDLE, or it would never be idle


@contextmanager
def no_descriptors() -> Iterator[None]:
    """Let no file, socket or pipe be opened meanwhile."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))  # noqa: PTH208
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, hard))
    taken: list[int] = []
    try:
        with suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        yield
    finally:
        for each in taken:
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
