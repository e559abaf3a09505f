"""Ctrl-C in the middle of a run: what has begun is brought to its end."""

import os
import signal
from collections.abc import Generator
from contextlib import contextmanager
from threading import Event, current_thread, main_thread
from typing import Any

from .failure import STOPPED

__all__ = ["STOPPED", "stopping"]


@contextmanager
def stopping() -> Generator[Event]:
    """Set the event at the first Ctrl-C; the second interrupts as ever."""
    stop = Event()
    if current_thread() is not main_thread():  # only the main thread gets signals
        yield stop
        return

    def on_signal(_number: int, _frame: Any) -> None:
        stop.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # Not through sys.stderr: the signal may have come in the middle of a write to it.
        os.write(2, b"\nstopping after this event; Ctrl-C again stops at once\n")

    before = signal.signal(signal.SIGINT, on_signal)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
