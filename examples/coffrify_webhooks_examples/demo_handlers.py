"""Handlers that misbehave because the demo asks them to; its event types exist nowhere else."""

import os
import time
from pathlib import Path

from coffrify_webhooks import Event, on

from .journal import VARIABLE, note

__all__ = [
    "broken_handler",
    "failing_handler",
    "mark",
    "slow_handler",
    "steady_handler",
    "waiting_handler",
]

_PATIENCE = 10.0
_SECONDS = 2.0


def mark(event_id: str | None) -> Path:
    """Return a file beside the journal by which the demo and the handlers of an event signal."""
    return Path(os.environ[VARIABLE]).with_name(f"{event_id}.mark")


@on("demo.stumbles", allow_unknown=True)
def failing_handler(event: Event) -> None:
    """Fail on the first attempt, whichever process it reaches."""
    try:
        mark(event.id).touch(exist_ok=False)
    except FileExistsError:
        note("failing_handler", event)
    else:
        raise RuntimeError("the demo asked this handler to fail on the first attempt")


@on("demo.stumbles", allow_unknown=True)
def steady_handler(event: Event) -> None:
    """Succeed beside the one that fails, and so not run again on the retry."""
    note("steady_handler", event)


@on("demo.waits", allow_unknown=True)
def waiting_handler(event: Event) -> None:
    """Work until the demo has seen what came of the same event's other delivery."""
    deadline = time.monotonic() + _PATIENCE
    while not mark(event.id).exists():
        if time.monotonic() > deadline:
            raise TimeoutError("no other delivery of this event was answered meanwhile")
        time.sleep(0.01)
    note("waiting_handler", event)


@on("demo.breaks", allow_unknown=True)
def broken_handler(event: Event) -> None:
    """Fail until the demo has repaired it."""
    if not mark(event.id).exists():
        raise RuntimeError("the demo has not repaired this handler yet")
    note("broken_handler", event)


@on("demo.toils", allow_unknown=True)
def slow_handler(event: Event) -> None:
    """Take longer than a sender waits: 20 s, at a tenth."""
    note("slow_handler-begins", event)
    time.sleep(_SECONDS)
    note("slow_handler", event)
