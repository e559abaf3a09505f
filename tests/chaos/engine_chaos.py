"""Kills the web process, the worker and the broker of an engine with -9, and counts what came.

    python -m tests.chaos.engine_chaos --engine celery --events 2000 --kills 20

Every event that was acknowledged is handled, and no two runs of a handler overlap. With --stops
workers are suspended for longer than a lease: only what such a worker was running may overlap. With
--starved no process can start a thread for a moment. With --lossy the broker forgets all that it
had, once: then events are late, and still none is lost.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP
from typing import Any, NamedTuple, Self

import psycopg
from tests.chaos.chaos import SECRET, Outcome, _Sender, _wait_for
from tests.chaos.journal import Journal, Line, read
from tests.chaos.troubles import present
from tests.servers.postgres import Postgres
from tests.servers.preloaded import Forked, Preloaded
from tests.servers.process import Server, free_port, own_environment
from tests.servers.valkey import Valkey

__all__ = ["ENGINES", "LOSSY", "Plan", "environment_of", "run", "worker_command"]

HANDLERS = ("one", "two")
_APP = "tests.chaos.engine_app"
_ROOT = Path(__file__).parents[2]
_PRELOADED = (
    "flask",
    "gunicorn.app.wsgiapp",
    "gunicorn.workers.gthread",
    "coffrify_webhooks.flask",
)
"""What no process need import anew; it is not under test here how the modules load."""
_PATIENCE = 120.0
_BACKLOG = 50
"""So many events are acknowledged and not yet handled, at the most: kills meet work at any time."""
_SUSPENDED = 5.0
"""Seconds for which a worker is suspended; the application's lease is 3."""
_STARVED = 1.0
"""Seconds in which no thread can be started."""
_AT_WORK = 6
"""After so many beginnings of handlers a worker is at work, and may be killed."""


class Engine(NamedTuple):
    """What an engine needs: a broker, and a worker in so many copies."""

    worker: tuple[str, ...]
    copies: int = 1
    server: type[Postgres | Valkey] | None = None
    modules: tuple[str, ...] = ()
    """Imported once for all processes."""
    forget: str = ""
    """The SQL that makes a database forget; Valkey is started again without its data."""


_DBOS = ("coffrify-webhooks", "worker", "--app", f"{_APP}:receiver")
_MODULES = ("coffrify_webhooks.cli", "coffrify_webhooks.dispatch.dbos", "dbos")
ENGINES = {
    "dbos-sqlite": Engine(_DBOS, 1, None, _MODULES),
    "dbos-postgres": Engine(_DBOS, 1, Postgres, _MODULES, "TRUNCATE dbos.workflow_status CASCADE"),
    "celery": Engine(
        ("celery", "-A", f"{_APP}:engine", "worker", "-c", "4", "-l", "WARNING"),
        2,
        Valkey,
        (
            *("celery.bin.celery", "celery.apps.worker", "celery.worker.consumer"),
            *("celery.concurrency.prefork", "kombu.transport.redis"),
        ),
    ),
    "dramatiq": Engine(
        ("dramatiq", f"{_APP}:engine", "-p", "2", "-t", "4"), 1, Valkey, ("dramatiq.cli",)
    ),
    "procrastinate": Engine(
        ("procrastinate", "--app", f"{_APP}.engine", "worker"),
        2,
        Postgres,
        ("procrastinate.cli", "psycopg"),
        "TRUNCATE procrastinate_jobs CASCADE",
    ),
}
LOSSY = tuple(name for name, engine in ENGINES.items() if engine.server)


class Plan(NamedTuple):
    """What is done to the processes, and how often."""

    kills: int
    stops: int = 0
    starved: int = 0
    lossy: bool = False


def run(name: str, events: int, plan: Plan) -> Outcome:
    """Deliver so many events, two of five twice, while processes are killed."""
    engine = ENGINES[name]
    with tempfile.TemporaryDirectory() as made, ExitStack() as stack:
        folder = Path(made)
        server: Server | None = None
        url = f"sqlite:///{folder}/engine.db"
        if engine.server is Valkey:
            options = ("--appendonly", "no") if plan.lossy else ()
            server = valkey = stack.enter_context(Valkey(*options))
            url = valkey.url
        elif engine.server is Postgres:
            server = postgres = stack.enter_context(Postgres())
            url = postgres.database("engine")
        environment = environment_of(folder, name, url, lost_after=4 if plan.lossy else 15)
        if name == "procrastinate":
            command, *words, _ = worker_command(name)
            subprocess.run([command, *words, "schema", "--apply"], env=environment, check=True)

        def outage() -> None:
            if engine.forget and plan.lossy:
                with psycopg.connect(url) as connection:
                    connection.execute(engine.forget.encode())
            elif server:
                server.kill()
                server.restart()

        return _run(folder, environment, engine, outage if server else None, events, plan)


def environment_of(folder: Path, engine: str, url: str, lost_after: float = 15) -> dict[str, str]:
    """Return the variables for the application of such an engine."""
    return {
        **own_environment(),
        "PYTHONPATH": os.pathsep.join([str(_ROOT), str(_ROOT / "examples")]),
        "CHAOS_ENGINE": engine,
        "CHAOS_BROKER": url,
        "CHAOS_STORE": f"sqlite:///{folder}/store.db",
        "CHAOS_JOURNAL": str(folder / "journal"),
        "CHAOS_LOST_AFTER": str(lost_after),
        "CHAOS_STARVED": str(folder / "starved"),
        "COFFRIFY_WEBHOOK_SECRET": SECRET,
    }


def worker_command(engine: str) -> list[str]:
    """Return how a worker is started."""
    command, *words = ENGINES[engine].worker
    return [str(Path(sys.executable).with_name(command)), *words]


def _run(
    folder: Path,
    environment: dict[str, str],
    engine: Engine,
    outage: Callable[[], None] | None,
    events: int,
    plan: Plan,
) -> Outcome:
    path = folder / "journal"
    Journal(path)
    port = free_port()
    gunicorn = [
        *(sys.executable, "-m", "gunicorn", f"{_APP}:flask()", "--workers", "2"),
        *("--threads", "4", "--bind", f"127.0.0.1:{port}", "--worker-class", "gthread"),
    ]
    work = worker_command(environment["CHAOS_ENGINE"])
    at_work = {**environment, "CHAOS_WORKER": "1"}
    with (
        closing(_Progress(path)) as progress,
        Preloaded(*_PRELOADED, *engine.modules) as parent,
        _Group(parent, [gunicorn], environment, folder / "web.log") as web,
        _Group(parent, [work] * engine.copies, at_work, folder / "log") as at,
    ):
        _wait_for(port)
        killer = _Killer(progress, web, at, outage, folder / "starved")
        killer.plan(events, plan)
        sender = _Twice(port, killer.tick, progress)
        sender.deliver(events)
        killer.finish()
        took = _handled(progress, sender.acknowledged)
    outcome = _checked(read(path), sender.acknowledged, at.stopped)
    outcome.counts |= {
        "events sent": events,
        "deliveries made": sender.made,
        "acknowledged with 2xx": len(sender.acknowledged),
        **{f"answered {status}": count for status, count in sorted(sender.statuses.items())},
        "worker groups killed": at.killed,
        "web groups killed": web.killed,
        "broker outages": killer.outages,
        "workers suspended beyond their lease": killer.stops,
        "times without new threads": killer.starved,
        "workers that ended by themselves": at.ended,
        "seconds from the last delivery to the last handler": round(took),
    }
    done = Plan(at.killed, killer.stops, killer.starved, plan.lossy)
    if (done, web.killed) != (plan, killer.webs):
        outcome.broken.append("not all was killed that should have been")
    if plan.lossy and not outcome.counts["dispatched again by a sweep"]:
        outcome.broken.append("nothing was lost, so that this proves nothing")
    if outcome.broken:
        print(at.tail(), web.tail(), sep="\n", file=sys.stderr)
    return outcome


class _Progress:
    """Follows the journal."""

    def __init__(self, path: Path) -> None:
        self._file = path.open()
        self.close = self._file.close
        self._rest = ""
        self._ended: dict[str, set[str]] = defaultdict(set)
        self._lock = threading.Lock()
        self.handled: set[str] = set()
        self.begun = 0
        self.over = threading.Event()

    def follow(self) -> Self:
        with self._lock:
            *lines, self._rest = (self._rest + self._file.read()).split("\n")
            for text in lines:
                what, event, handler, _ = text.split(" ")
                self.begun += what == "begin"
                if what == "end":
                    self._ended[event].add(handler)
                    if len(self._ended[event]) == len(HANDLERS):
                        self.handled.add(event)
        return self


class _Twice(_Sender):
    """Delivers two events of five twice, and not many more than are handled."""

    def __init__(self, port: int, tick: Any, progress: _Progress) -> None:
        super().__init__([port], tick)
        self._progress = progress
        self._backlog = _BACKLOG

    def deliver(self, events: int) -> None:
        self._backlog = min(_BACKLOG, events // 4)
        names = [f"evt_{number}" for number in range(events) for _ in range(1 + (number % 5 < 2))]
        with ThreadPoolExecutor(16) as pool:
            for future in [pool.submit(self._deliver, name) for name in names]:
                future.result()

    def _deliver(self, name: str) -> None:
        over = self._progress.over
        give_up = time.monotonic() + _PATIENCE
        while len(self.acknowledged) > len(self._progress.follow().handled) + self._backlog:
            if over.wait(0.05) or time.monotonic() > give_up:
                over.set()
                break
        if not over.is_set():
            super()._deliver(name)


class _Group:
    """Processes that are started again whenever they end, each with all its children."""

    def __init__(
        self, parent: Preloaded, commands: list[list[str]], environment: dict[str, str], log: Path
    ) -> None:
        self._parent = parent
        self._commands = commands
        self._environment = environment
        self._log = log
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._processes: list[Forked] = []
        self._supervisor = threading.Thread(target=self._supervise)
        self.killed = self.ended = 0
        self.stopped: set[str] = set()
        """The ids of all processes that were suspended."""

    def __enter__(self) -> Self:
        self._processes = [self._start(command) for command in self._commands]
        self._supervisor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._supervisor.join()
        self._kill()

    def kill_again(self) -> None:
        with self._lock:
            self.killed += 1
            self._kill()
            self._processes = [self._start(command) for command in self._commands]

    def suspend_one(self, seconds: float) -> None:
        with self._lock:
            group = self._processes[0].pid
            os.killpg(group, SIGSTOP)
            self.stopped |= {
                each.name for each in Path("/proc").iterdir() if _group_of(each.name) == group
            }
        time.sleep(seconds)
        with suppress(ProcessLookupError):
            os.killpg(group, SIGCONT)

    def tail(self, length: int = 6000) -> str:
        return self._log.read_text(errors="replace")[-length:]

    def _start(self, command: list[str]) -> Forked:
        return self._parent.start(command, Path.cwd(), self._environment, self._log)

    def _kill(self) -> None:
        for process in self._processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, SIGKILL)
        for process in self._processes:
            process.wait()

    def _supervise(self) -> None:
        while not self._stopped.wait(0.2):
            with self._lock:
                for number, process in enumerate(self._processes):
                    if process.poll() is not None:
                        with suppress(ProcessLookupError):
                            os.killpg(process.pid, SIGKILL)
                        self.ended += 1
                        print(f"ended with {process.returncode}:", self.tail(2000), file=sys.stderr)
                        self._processes[number] = self._start(self._commands[number])


def _group_of(process: str) -> int | None:
    try:
        return os.getpgid(int(process))
    except (ValueError, ProcessLookupError):
        return None


class _Killer:
    """Kills after so many acknowledgements, so that a run has the same shape on any machine."""

    def __init__(
        self,
        progress: _Progress,
        web: _Group,
        worker: _Group,
        outage: Callable[[], None] | None,
        starved: Path,
    ) -> None:
        self._progress = progress
        self._web = web
        self._worker = worker
        self._outage = outage
        self._no_threads = starved
        self._plan: dict[int, list[Callable[[], None]]] = defaultdict(list)
        self._lock = threading.Lock()
        self._work = ThreadPoolExecutor(1)
        self._jobs: list[Any] = []
        self.webs = self.outages = self.stops = self.starved = 0

    def plan(self, events: int, plan: Plan) -> None:
        kills, lossy = plan.kills, plan.lossy
        self.webs = 0 if lossy else max(2, kills // 4)
        for times, what in ((plan.stops, self._suspend), (plan.starved, self._starve)):
            for number in range(times):
                self._plan[(4 * number + 3) * events // (4 * times)].append(what)
        for number in range(kills):
            self._plan[(number + 1) * events // (kills + 1)].append(self._kill_worker)
        for number in range(self.webs):
            self._plan[(2 * number + 1) * events // (2 * self.webs + 1)].append(
                self._web.kill_again
            )
        if self._outage:
            for number in range(outages := 1 if lossy else max(1, kills // 10)):
                place = (8 * number + 5) * events // (8 * outages)  # when nothing else is killed
                self._plan[place].append(self._break)

    def tick(self, acknowledged: int) -> None:
        with self._lock:
            due = self._plan.pop(acknowledged, [])
            self._jobs += [self._work.submit(self._do, kill) for kill in due]

    def _do(self, kill: Callable[[], None]) -> None:
        try:
            kill()
        except BaseException:
            self._progress.over.set()  # what is broken now are the tests
            raise

    def finish(self) -> None:
        for job in self._jobs:
            job.result()
        self._work.shutdown()

    def _kill_worker(self) -> None:
        self._wait_until_at_work()
        self._worker.kill_again()

    def _wait_until_at_work(self) -> None:
        before = self._progress.follow().begun
        give_up = time.monotonic() + 20
        while self._progress.follow().begun < before + _AT_WORK and time.monotonic() < give_up:
            time.sleep(0.01)

    def _suspend(self) -> None:
        self._wait_until_at_work()
        self._worker.suspend_one(_SUSPENDED)
        self.stops += 1

    def _starve(self) -> None:
        with present(self._no_threads):
            time.sleep(_STARVED)
        self.starved += 1

    def _break(self) -> None:
        assert self._outage
        self._outage()
        self.outages += 1


# --- what was promised ------------------------------------------------------------------------


def _handled(progress: _Progress, acknowledged: set[str]) -> float:
    """Wait until every acknowledged event was handled; return how long it took."""
    began = time.monotonic()
    while time.monotonic() < began + _PATIENCE:
        if acknowledged <= progress.follow().handled:
            took = time.monotonic() - began
            time.sleep(1)  # whatever should not run any more has its chance to be seen
            return took
        time.sleep(0.1)
    return time.monotonic() - began


def _checked(lines: list[Line], acknowledged: set[str], stopped: set[str]) -> Outcome:
    outcome = Outcome()
    late = 0
    ended: Counter[tuple[str, str]] = Counter()
    running: dict[tuple[str, str], set[str]] = defaultdict(set)
    beside: dict[tuple[str, str], dict[str, set[str]]] = defaultdict(dict)
    for line in lines:
        key = (line.event, line.handler)
        if line.what == "begin":
            beside[key][line.run] = set(running[key])
            running[key].add(line.run)
        elif line.what in ("end", "raise"):
            running[key].discard(line.run)
            ended[key] += line.what == "end"
            # Whatever began before it and ends after it was running all the while.
            others = {run for run, running_then in beside[key].items() if line.run in running_then}
            # Whoever was suspended beyond the lease had lost it, which is told, and cannot settle.
            if {run.partition("-")[0] for run in (line.run, *others)} & stopped:
                late += bool(others)
            elif others:
                outcome.broken.append(f"{key} ran twice at once")
    for event in sorted(acknowledged):
        missing = [name for name in HANDLERS if not ended[event, name]]
        if missing:
            outcome.broken.append(f"{event} was acknowledged and {missing} never ran")
    what = Counter(line.what for line in lines)
    outcome.counts["handlers begun"] = what["begin"]
    outcome.counts["handlers that raised"] = what["raise"]
    outcome.counts["handlers killed on their way"] = sum(map(len, running.values()))
    outcome.counts["handlers run to their end"] = sum(ended.values())
    outcome.counts["run again after their end"] = sum(count - 1 for count in ended.values())
    outcome.counts["dispatched again by a sweep"] = what["swept"]
    outcome.counts["run beside a worker that was suspended"] = late
    return outcome


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--engine", choices=[*ENGINES, "all"], default="all")
    parser.add_argument("--events", type=int, default=200)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--stops", type=int, default=0)
    parser.add_argument("--starved", type=int, default=0)
    parser.add_argument("--lossy", action="store_true", help="let the broker forget, once")
    options = parser.parse_args()
    broken = False
    names = LOSSY if options.lossy else tuple(ENGINES)
    for name in names if options.engine == "all" else [options.engine]:
        began = time.monotonic()
        plan = Plan(options.kills, options.stops, options.starved, options.lossy)
        outcome = run(name, options.events, plan)
        took = time.monotonic() - began
        print(f"{name}{', lossy' * options.lossy}, {took:.0f} s\n{outcome}\n", flush=True)
        broken = broken or bool(outcome.broken)
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
