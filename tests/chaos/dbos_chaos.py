"""Kills web processes and the worker of a DBOS engine with -9, and counts what was promised.

Every event that was acknowledged is handled, and no two runs of a handler overlap.

    python -m tests.chaos.dbos_chaos --events 2000 --kills 20
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from signal import SIGKILL
from typing import Any

from tests.chaos.chaos import SECRET, Outcome, _children, _Sender, _wait_for
from tests.chaos.journal import Journal, Line, read
from tests.servers.postgres import Postgres
from tests.servers.process import free_port

__all__ = ["ENGINES", "run"]

ENGINES = ("sqlite", "postgres")
HANDLERS = ("one", "two")
_PATIENCE = 120.0


def run(engine: str, events: int, kills: int) -> Outcome:
    """Deliver so many events, two of five twice; kill the worker so often, and the web twice."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if engine == "sqlite":
            return _run(folder, f"sqlite:///{folder}/engine.db", events, kills)
        with Postgres() as server:
            return _run(folder, server.database("engine"), events, kills)


def _run(folder: Path, url: str, events: int, kills: int) -> Outcome:
    journal = folder / "journal"
    Journal(journal)
    environment = {
        **os.environ,
        "CHAOS_STORE": f"sqlite:///{folder}/store.db",
        "CHAOS_ENGINE": url,
        "CHAOS_JOURNAL": str(journal),
        "COFFRIFY_WEBHOOK_SECRET": SECRET,
    }
    with _serving(environment, folder) as (port, web, worker):
        killer = _Killer(web, worker, events, kills)
        sender = _Twice([port], killer.tick)
        sender.deliver(events)
        killer.work.shutdown()
        took = _handled(journal, sender.acknowledged)
    outcome = _checked(read(journal), sender.acknowledged)
    outcome.counts |= {
        "events sent": events,
        "deliveries made": sender.made,
        "acknowledged with 2xx": len(sender.acknowledged),
        **{f"answered {status}": count for status, count in sorted(sender.statuses.items())},
        "workers killed": worker.killed,
        "web processes killed": killer.killed,
        "seconds from the last delivery to the last handler": round(took),
    }
    if (worker.killed, killer.killed) != (kills, 2):
        outcome.broken.append("not all was killed that should have been")
    return outcome


class _Twice(_Sender):
    """Delivers two events of five twice."""

    def deliver(self, events: int) -> None:
        names = [f"evt_{number}" for number in range(events) for _ in range(1 + (number % 5 < 2))]
        with ThreadPoolExecutor(16) as pool:
            for future in [pool.submit(self._deliver, name) for name in names]:
                future.result()


class _Worker:
    """The engine's worker, started again whenever it was killed."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self._environment = {**environment, "CHAOS_WORKER": "1"}
        self._log = log
        self.killed = 0
        self.start()

    def start(self) -> None:
        words = ("worker", "--app", "tests.chaos.dbos_app:receiver")
        command = [str(Path(sys.executable).with_name("coffrify-webhooks")), *words]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def killed_again(self) -> None:
        if self._process.poll() is None:  # it did not end by itself
            self.killed += 1
        self.kill()
        self.start()


@contextmanager
def _serving(
    environment: dict[str, str], folder: Path
) -> Generator[tuple[int, "subprocess.Popen[bytes]", _Worker]]:
    port = free_port()
    command = [
        *(sys.executable, "-m", "gunicorn", "tests.chaos.dbos_app:flask()", "--workers", "2"),
        *("--threads", "4", "--bind", f"127.0.0.1:{port}", "--worker-class", "gthread"),
    ]
    with (folder / "gunicorn.log").open("wb") as log:
        web = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    worker = _Worker(environment, folder / "worker.log")
    try:
        _wait_for(port)
        yield port, web, worker
    finally:
        for pid in [*_children(web.pid), web.pid]:
            with suppress(ProcessLookupError):
                os.kill(pid, SIGKILL)
        web.wait()
        worker.kill()


class _Killer:
    """Kills after so many acknowledgements, so that a run has the same shape on any machine."""

    def __init__(
        self, web: "subprocess.Popen[bytes]", worker: _Worker, events: int, kills: int
    ) -> None:
        self._web = web
        self._worker = worker
        self._plan: dict[int, list[Any]] = defaultdict(list)
        for number in range(kills):
            self._plan[(number + 1) * events // (kills + 1)].append(self._kill_worker)
        for number in range(2):
            self._plan[(number + 1) * events // 4].append(self._kill_web)
        self._lock = threading.Lock()
        self.work = ThreadPoolExecutor(1)
        self.killed = 0

    def tick(self, acknowledged: int) -> None:
        with self._lock:
            due = self._plan.pop(acknowledged, [])
        for kill in due:
            self.work.submit(kill)

    def _kill_worker(self) -> None:
        time.sleep(1.5)  # so that it has begun to work
        self._worker.killed_again()

    def _kill_web(self) -> None:
        give_up = time.monotonic() + 20
        while time.monotonic() < give_up:
            children = _children(self._web.pid)
            if children:
                os.kill(children[0], SIGKILL)
                self.killed += 1
                return
            time.sleep(0.02)


def _handled(journal: Path, acknowledged: set[str]) -> float:
    """Wait until every acknowledged event was handled; return how long it took."""
    began = time.monotonic()
    while time.monotonic() < began + _PATIENCE:
        ended = {(line.event, line.handler) for line in read(journal) if line.what == "end"}
        if all((event, name) in ended for event in acknowledged for name in HANDLERS):
            time.sleep(2)  # whatever should not run any more has its chance to be seen
            break
        time.sleep(0.2)
    return time.monotonic() - began


def _checked(lines: list[Line], acknowledged: set[str]) -> Outcome:
    outcome = Outcome()
    ended: Counter[tuple[str, str]] = Counter()
    running: dict[tuple[str, str], set[str]] = defaultdict(set)
    beside: dict[str, set[str]] = {}
    for line in lines:
        key = (line.event, line.handler)
        if line.what == "begin":
            beside[line.run] = set(running[key])
            running[key].add(line.run)
            continue
        running[key].discard(line.run)
        ended[key] += line.what == "end"
        # Whatever began before it and ends after it was running all the while.
        for run, others in beside.items():
            if line.run in others and run != line.run:
                outcome.broken.append(f"{key} ran twice at once")
    for event in sorted(acknowledged):
        missing = [name for name in HANDLERS if not ended[event, name]]
        if missing:
            outcome.broken.append(f"{event} was acknowledged and {missing} never ran")
    outcome.counts["handlers begun"] = sum(line.what == "begin" for line in lines)
    outcome.counts["handlers that raised"] = sum(line.what == "raise" for line in lines)
    outcome.counts["handlers run to their end"] = sum(ended.values())
    outcome.counts["run again after their end"] = sum(count - 1 for count in ended.values())
    return outcome


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--engine", choices=ENGINES)
    parser.add_argument("--events", type=int, default=200)
    parser.add_argument("--kills", type=int, default=3)
    options = parser.parse_args()
    broken = False
    for engine in [options.engine] if options.engine else ENGINES:
        began = time.monotonic()
        outcome = run(engine, options.events, options.kills)
        print(f"DBOS on {engine}, {time.monotonic() - began:.0f} s\n{outcome}\n", flush=True)
        broken = broken or bool(outcome.broken)
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
