"""A handler that takes longer than a sender waits: on an engine, with a worker that is killed."""

import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from functools import partial

from coffrify_webhooks.pipeline.identity import key_of
from coffrify_webhooks.stores import Record, Store, open_store

from .cases import Case, Script
from .sender import MissingError, Sender, wait_for
from .servers import Running

__all__ = ["HEADING", "slow_script"]

HEADING = (
    "A handler of 20 s, handed to an engine (shortened here: the 20 s to 2, the lease's 60 s to 2)"
)
_TYPE = "demo.toils"
_SENDER_WAITS = 1.5
"""Seconds, of its 15 s."""
_PATIENCE = 30.0


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
        Case("... and runs to its end", "handled"),
        Case("... the same event once more", "200 duplicate"),
        Case("handler finished", "once"),
    )
    return Script(cases, (_TYPE,), _outcomes)


def _outcomes(sender: Sender) -> Iterator[Mapping[str, str]]:
    """Yield what comes of each step at each server."""
    yield sender.each(Running.wait_until_up)
    toils = sender.send(_TYPE)
    key = key_of("default", toils.id)
    workers: dict[str, subprocess.Popen[bytes]] = {}

    def answered(server: Running) -> str:
        [delivery] = sender.deliveries(toils, server)
        answer, took = sender.answer(delivery), sender.seconds(delivery)
        return answer if took < _SENDER_WAITS else f"{answer}, too late ({took:.1f} s)"

    def begun(outcome: str, server: Running) -> str:
        before = _runs(server)["slow_handler-begins"]
        worker = workers[server.name] = server.start_worker()
        _wait_for(worker, lambda: _runs(server)["slow_handler-begins"] > before)
        return outcome

    def replayed(server: Running) -> str:
        return sender.replay(toils, server)

    def killed(server: Running) -> str:
        server.processes.kill(workers[server.name])
        return "killed" if not _runs(server)["slow_handler"] else "not before it was done"

    def lease_ends(server: Running) -> str:
        # A worker that comes sooner finds the event held, and looks again ten seconds later.
        with closing(open_store(server.store)) as store:
            _wait_for(None, lambda: _record(store, key).lease_until <= time.time())
        return "ends"

    def handled(server: Running) -> str:
        with closing(open_store(server.store)) as store:
            _wait_for(workers[server.name], lambda: _record(store, key).status == "done")
        return "handled"

    def finished(server: Running) -> str:
        server.processes.kill(workers[server.name])  # asked to end, it would take two seconds
        times = _runs(server)["slow_handler"]
        return "once" if times == 1 else f"{times} times"

    yield sender.each(answered)
    yield sender.each(partial(begun, "begun"))
    yield sender.each(replayed)
    yield sender.each(killed)
    yield sender.each(lease_ends)
    yield sender.each(partial(begun, "begun again"))
    yield sender.each(handled)
    yield sender.each(replayed)
    yield sender.each(finished)


def _runs(server: Running) -> Counter[str]:
    lines = server.journal.read_text(encoding="utf-8").splitlines()
    return Counter(line.partition(" ")[2] for line in lines)


def _record(store: Store, key: str) -> Record:
    record = store.get(key)
    if record is None:
        raise MissingError("a store that does not know the event")
    return record


def _wait_for(worker: subprocess.Popen[bytes] | None, what: Callable[[], bool]) -> None:
    def done() -> bool:
        if what():
            return True
        if worker is not None and worker.poll() is not None:
            raise MissingError(f"the end of the worker (exit code {worker.returncode})")
        return False

    wait_for(done, _PATIENCE)
