"""A handler that takes longer than a sender waits: on an engine, with a worker that is killed."""

import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing

from coffrify_webhooks.identity import key_of
from coffrify_webhooks.stores import Record, Store, open_store

from .cases import Case, Script, new_event
from .sender import Sender
from .servers import Running

__all__ = ["HEADING", "MissingError", "slow_script"]

HEADING = (
    "A handler of 20 s, handed to an engine (shortened here: the 20 s to 2, the lease's 60 s to 2)"
)
_SENDER_WAITS = 1.5
"""Seconds, of its 15 s."""
_PATIENCE = 30.0


class MissingError(Exception):
    """What should have come does not; tells what came instead."""


def slow_script() -> Script:
    """Make the script for a server with a worker beside it."""
    cases = (
        Case("server is up", "200 up"),
        Case("slow event: the answer", "200 queued"),
        Case("... its handler, in the worker", "begun"),
        Case("... the same event meanwhile", "200 duplicate"),
        Case("kill -9 of the worker", "killed"),
        Case("... the lease on the event", "ends"),
        Case("a new worker: the handler", "begun again"),
        Case("... and comes to its end", "handled"),
        Case("... the same event once more", "200 duplicate"),
        Case("handler finished", "once"),
    )
    return Script(cases, _outcomes)


def _outcomes(sender: Sender) -> Iterator[str]:
    """Yield what comes of each step; raises MissingError when there will be no more."""
    server = sender.server
    yield sender.wait_until_up()
    event = new_event("demo.toils")
    with closing(open_store(server.store)) as store:
        key = key_of("default", event["id"])
        began = time.monotonic()
        answer = sender.send(event)
        took = time.monotonic() - began
        yield answer if took < _SENDER_WAITS else f"{answer}, too late ({took:.1f} s)"

        worker = server.start_worker()
        _wait_for(worker, lambda: _runs(server)["toil-begins"] == 1)
        yield "begun"
        yield sender.send(event)

        server.processes.kill(worker)
        yield "killed" if not _runs(server)["toil"] else "not before it was done"
        # A worker that comes sooner finds the event held, and looks again ten seconds later.
        _wait_for(None, lambda: _record(store, key).lease_until <= time.time())
        yield "ends"

        worker = server.start_worker()
        _wait_for(worker, lambda: _runs(server)["toil-begins"] > 1)
        yield "begun again"
        _wait_for(worker, lambda: _record(store, key).status == "done")
        yield "handled"
        yield sender.send(event)
        server.processes.kill(worker)  # asked to end, it would take two seconds
        finished = _runs(server)["toil"]
        yield "once" if finished == 1 else f"{finished} times"


def _runs(server: Running) -> Counter[str]:
    lines = server.journal.read_text(encoding="utf-8").splitlines()
    return Counter(line.partition(" ")[2] for line in lines)


def _record(store: Store, key: str) -> Record:
    record = store.get(key)
    if record is None:
        raise MissingError("a store that does not know the event")
    return record


def _wait_for(worker: subprocess.Popen[bytes] | None, what: Callable[[], bool]) -> None:
    give_up = time.monotonic() + _PATIENCE
    while not what():
        if worker is not None and worker.poll() is not None:
            raise MissingError(f"the end of the worker (exit code {worker.returncode})")
        if time.monotonic() > give_up:
            raise MissingError(f"nothing within {_PATIENCE:.0f} s")
        time.sleep(0.02)
