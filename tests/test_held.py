"""Threads that wait hold on to nothing of the deliveries that they have served."""

import threading
import time
import weakref
from functools import partial

import pytest

from coffrify_webhooks.concurrency import threads
from coffrify_webhooks.concurrency.timers import Alarm, Alarms

LONG = 300.0
"""Seconds that a thread would hold on to it."""


class Held:
    """What a call or an alarm holds on to."""

    def __init__(self) -> None:
        self.gone = threading.Event()
        weakref.finalize(self, self.gone.set)

    def touch(self) -> None: ...


def test_a_thread_that_waits_for_work_holds_nothing_of_its_first_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A Thread keeps its arguments until it ends; the call is none of them."""
    monkeypatch.setattr(threads, "_IDLE", LONG)
    held, pool = Held(), threads._Threads()
    gone = held.gone
    pool.start(held.touch)
    del held
    assert gone.wait(30)
    monkeypatch.undo()
    pool.start(Held().touch)  # after it the thread waits no longer than usual


def test_a_thread_that_waits_for_alarms_holds_none_that_was_cleared() -> None:
    """A delivery sets an alarm for when its sender gives up, and clears it: then it is free."""
    held, alarms = Held(), Alarms("held")
    gone = held.gone
    alarm = Alarm(partial(Held.touch, held))
    alarms.set(alarm, LONG)
    while not alarms._wakes_at:  # until the thread waits for it
        time.sleep(0.001)
    alarms.clear(alarm)
    del alarm, held
    assert gone.wait(30)
    alarms.set(Alarm(Held().touch), 0)
