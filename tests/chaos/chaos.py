"""Chaos: several servers on one store, kill -9 of workers and of the database, nothing lost.

    python -m tests.chaos.chaos --store postgresql --events 500

A sender redelivers each event until it is answered 2xx, some of them twice at once. Meanwhile
workers of gunicorn and uvicorn are killed at random, and the database too; it fails over where it
can. Each of TROUBLES comes once. In the end the journal, which outlives all of them, is checked
against what the library promises, and the counts are shown.
"""

import argparse
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

from tests.chaos.journal import Journal, read
from tests.chaos.troubles import (
    demote,
    drop_tables,
    execute,
    present,
    suspend,
    without_descriptors,
)
from tests.servers.mariadb import MariaDB
from tests.servers.pgbouncer import PgBouncer
from tests.servers.postgres import Postgres
from tests.servers.preloaded import Forked, Preloaded
from tests.servers.process import Server, free_port, own_environment
from tests.servers.valkey import Valkey

from coffrify_webhooks import sign

__all__ = ["STORES", "Outcome", "Plan", "run"]

SECRET = "whsec_" + "5a" * 32
HANDLERS = ("one", "two", "three")
STORES: dict[str, type[Server] | None] = {
    "sqlite": None,
    "sqlite-atomic": None,
    "postgresql": Postgres,
    "mariadb": MariaDB,
    "valkey": Valkey,
    "django": Postgres,
    "pgbouncer": Postgres,
    "sqlite-slow": None,
}
TROUBLES = ("suspended", "starved", "without descriptors", "full", "without tables")
"""A worker is stopped beyond its lease; no thread starts; no file opens; handlers do not return and
take all places; the store's tables are dropped, as when a backup is restored."""
_SUSPENDED = 4.5
"""Seconds; the application's lease is 3."""
_STARVED = 1.0
_FULL = 4.0
"""Seconds; a handler must begin within half a lease."""
_APPS = {"django": ("django_wsgi", "django_asgi")}
_PRELOADED = ("gunicorn.app.wsgiapp", "gunicorn.workers.gthread", "sqlalchemy")
_PRELOADED_TOO = {"flask": ("flask",), "django_wsgi": ("django.core.wsgi", "psycopg")}
"""What gunicorn's workers need not import anew; uvicorn starts its own in fresh processes."""
_PATIENCE = 120.0
_MORE = 50
_WITHOUT_EFFECTS = ("redis:", "sqlite:")


@dataclass
class Outcome:
    """What came of a run; everything in `broken` is a promise that was not kept."""

    counts: dict[str, int] = field(default_factory=dict[str, int])
    broken: list[str] = field(default_factory=list[str])

    def __str__(self) -> str:
        lines = [f"{count:>7}  {name}" for name, count in self.counts.items()]
        return "\n".join([*lines, *(f"BROKEN: {text}" for text in self.broken)])


class Plan(NamedTuple):
    """How many workers are killed, how often the database, and what else happens."""

    kills: int
    outages: int
    troubles: tuple[str, ...] = TROUBLES


def run(store: str, events: int, plan: Plan) -> Outcome:
    """Deliver so many events while what is planned happens."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kind = STORES[store]
        with ExitStack() as stack:
            server = stack.enter_context(kind()) if kind else None
            url = _url(folder, store, server)
            pooler = None
            if store == "pgbouncer":
                assert isinstance(server, Postgres)
                pooler = stack.enter_context(PgBouncer(server, 8))
                url = pooler.url("chaos")
            apps = _APPS.get(store, ("flask", "starlette"))
            if store.endswith("-slow"):  # 0.25 s for each call, and a handler that outlasts leases
                events, plan = events // 12, plan._replace(kills=plan.kills // 4)
                stack.enter_context(_variable("CHAOS_SLOW", "0.25"))
            return _run(folder, url, apps, server, pooler, events, plan)


@contextmanager
def _variable(name: str, value: str) -> Generator[None]:
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]


def _url(folder: Path, store: str, server: Any) -> str:
    if server is None:
        return f"sqlite{'+pysqlite' * (store == 'sqlite-atomic')}:///{folder}/store.db"
    return str(server.url if isinstance(server, Valkey) else server.database("chaos"))


def _run(
    folder: Path,
    url: str,
    apps: tuple[str, str],
    server: Server | None,
    pooler: PgBouncer | None,
    events: int,
    plan: Plan,
) -> Outcome:
    if not url.startswith(_WITHOUT_EFFECTS):
        execute(url, "CREATE TABLE effects (id VARCHAR(64))")
    path = folder / "journal"
    Journal(path)
    environment = {
        **own_environment(),
        "CHAOS_STORE": url,
        "CHAOS_JOURNAL": str(path),
        "COFFRIFY_WEBHOOK_SECRET": SECRET,
    }
    if apps[0].startswith("django"):
        command = [sys.executable, "-c", "from tests.chaos.app import migrate; migrate()"]
        subprocess.run(command, env=environment, check=True)
    with _serving(environment, folder, apps) as (ports, parents):
        troubles = _Troubles(folder, environment, apps, server, pooler, parents)
        killer = _Killer(troubles)
        sender = _Sender(ports, killer.tick)
        troubles.statuses = sender.statuses
        killer.plan(events, plan, outages=plan.outages if server else 0)
        sender.deliver(events)
        while killer.is_striking:  # not at an idle application
            sender.deliver(_MORE)
        killer.finish()
    outcome = _checked(path, url, sender.acknowledged, troubles.stopped)
    outcome.counts |= {
        "events sent": sender.sent,
        "deliveries made": sender.made,
        "acknowledged with 2xx": len(sender.acknowledged),
        **{f"answered {status}": count for status, count in sorted(sender.statuses.items())},
        **{f"times {name}": killer.done[name] for name in sorted(killer.done)},
    }
    outcome.broken += killer.failed
    is_slow = "CHAOS_SLOW" in os.environ  # too few handlers begin at a time
    if "full" in plan.troubles and not is_slow and not sender.statuses["503 overloaded"]:
        outcome.broken.append("no delivery met full places, so that this proves nothing")
    pages = [status for status in sender.statuses if status.startswith("500 Internal")]
    outcome.broken += [f"answered by no reply of ours: {page}" for page in pages]
    if outcome.broken:
        for log in folder.glob("*.log"):
            print(log.name, log.read_text(errors="replace")[-6000:], sep="\n", file=sys.stderr)
    return outcome


# --- servers ----------------------------------------------------------------------------------


@contextmanager
def _serving(
    environment: dict[str, str], folder: Path, apps: tuple[str, str]
) -> Generator[tuple[list[int], list[Forked]]]:
    ports = [free_port(), free_port()]
    commands = [
        [
            *("-m", "gunicorn", f"tests.chaos.app:{apps[0]}()", "--workers", "2", "--threads", "4"),
            *("--bind", f"127.0.0.1:{ports[0]}", "--worker-class", "gthread"),
        ],
        [
            *("-m", "uvicorn", f"tests.chaos.app:{apps[1]}", "--factory", "--workers", "2"),
            *("--port", str(ports[1]), "--log-level", "warning", "--no-access-log"),
        ],
    ]
    parents: list[Forked] = []
    with Preloaded(*_PRELOADED, *_PRELOADED_TOO[apps[0]]) as preloaded:
        try:
            for words in commands:
                command, log = [sys.executable, *words], folder / f"{words[1]}.log"
                parents.append(preloaded.start(command, Path.cwd(), environment, log))
            for port in ports:
                _wait_for(port)
            yield ports, parents
        finally:
            for parent in parents:
                for pid in [*_children(parent.pid), parent.pid]:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                parent.wait()


def _wait_for(port: int) -> None:
    give_up = time.monotonic() + _PATIENCE
    while time.monotonic() < give_up:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise RuntimeError("a server did not start")


def _children(pid: int) -> list[int]:
    with suppress(OSError):
        return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


class _Killer:
    """Strikes after so many acknowledgements, so that a run has the same shape on any machine."""

    def __init__(self, troubles: "_Troubles") -> None:
        self._troubles = troubles
        self._plan: dict[int, list[str]] = defaultdict(list)
        self._lock = threading.Lock()
        self._work = ThreadPoolExecutor(1)
        self._due = 0
        self.done: Counter[str] = Counter()
        self.failed: list[str] = []

    def plan(self, events: int, plan: Plan, outages: int) -> None:
        for number in range(plan.kills):
            self._plan[(number + 1) * events // (plan.kills + 2)].append("killed")
        for number in range(outages):
            self._plan[(number + 1) * events // (outages + 1)].append("database killed")
        if isinstance(self._troubles.server, Postgres):
            self._plan[2 * events // 3].append("failed over")
        for number, trouble in enumerate(plan.troubles):
            self._plan[(2 * number + 1) * events // (2 * len(plan.troubles) + 2)].append(trouble)

    def tick(self, acknowledged: int) -> None:
        with self._lock:
            for what in self._plan.pop(acknowledged, []):
                self._due += 1
                self._work.submit(self._strike, what)

    @property
    def is_striking(self) -> bool:
        """Whether something is under way, or still to come."""
        return self.done.total() + len(self.failed) < self._due

    def finish(self) -> None:
        self._work.shutdown()
        self.failed += [f"{what!r} never came" for names in self._plan.values() for what in names]

    def _strike(self, what: str) -> None:
        try:
            getattr(self._troubles, what.replace(" ", "_"))()
            self.done[what] += 1
        except Exception as error:
            self.failed.append(f"{what!r} failed: {error!r}")


class _Troubles:
    """What strikes, by its name in the plan."""

    def __init__(
        self,
        folder: Path,
        environment: dict[str, str],
        apps: tuple[str, str],
        server: Server | None,
        pooler: PgBouncer | None,
        parents: list[Forked],
    ) -> None:
        self._folder = folder
        self._environment = environment
        self._is_django = apps[0].startswith("django")
        self.server = server
        self._pooler = pooler
        self._parents = cycle(parents)
        self.stopped: set[str] = set()
        """The ids of the processes that were suspended."""
        self.statuses: Counter[str] = Counter()
        """What the sender was answered so far."""

    def killed(self) -> None:
        with suppress(ProcessLookupError):  # it was leaving by itself
            os.kill(self._any_worker(), signal.SIGKILL)

    def database_killed(self) -> None:
        assert self.server is not None
        self.server.kill()
        self.server.restart()

    def failed_over(self) -> None:
        """Let whoever is connected only read from now on."""
        assert isinstance(self.server, Postgres)
        demote(self.server, "chaos", self._pooler)

    def suspended(self) -> None:
        pid = self._any_worker()
        self.stopped.add(str(pid))
        suspend(pid, _SUSPENDED)

    def starved(self) -> None:
        with present(self._folder / "starved"):
            time.sleep(_STARVED)

    def full(self) -> None:
        """Hold all places until a delivery has met none free, however slow the machine is."""
        before, give_up = self.statuses["503 overloaded"], time.monotonic() + _PATIENCE
        with present(self._folder / "full"):
            time.sleep(_FULL)
            while self.statuses["503 overloaded"] == before and time.monotonic() < give_up:
                time.sleep(0.1)

    def without_descriptors(self) -> None:
        for _ in range(2):  # one of each server
            without_descriptors(self._any_worker(at_work=True), _STARVED)

    def without_tables(self) -> None:
        drop_tables(self._environment, django=self._is_django)
        time.sleep(0.5)  # whatever was claimed before has begun
        Journal(self._folder / "journal").write("forgot", "-")

    def _any_worker(self, *, at_work: bool = False) -> int:
        """Return the id of a process; at_work: not of one that still imports its application.

        Of one that cannot, gunicorn concludes that none can, and ends.
        """
        parent = next(self._parents)
        give_up = time.monotonic() + 20
        while time.monotonic() < give_up:
            # Not those that only watch: uvicorn's resource tracker is no worker.
            workers = [pid for pid in _children(parent.pid) if _is_worker(pid)]
            if at_work:
                known = {line.run.partition("-")[0] for line in read(self._folder / "journal")}
                workers = [pid for pid in workers if str(pid) in known]
            if workers:
                return random.choice(workers)
            time.sleep(0.02)
        raise RuntimeError("a server has no workers")


def _is_worker(pid: int) -> bool:
    with suppress(OSError):
        return b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


# --- the sender -------------------------------------------------------------------------------


class _Sender:
    """Redelivers until a 2xx; one event in four is delivered twice at once."""

    def __init__(self, ports: list[int], tick: Any) -> None:
        self._ports = ports
        self._tick = tick
        self._lock = threading.Lock()
        self.sent = 0
        self.acknowledged: set[str] = set()
        self.statuses: Counter[str] = Counter()
        self.made = 0

    def deliver(self, events: int) -> None:
        jobs = [f"evt_{number}" for number in range(self.sent, self.sent + events)]
        self.sent += events
        jobs += [name for number, name in enumerate(jobs) if number % 4 == 0]
        jobs.sort(key=lambda name: int(name[4:]))
        with ThreadPoolExecutor(16) as pool:
            for future in [pool.submit(self._deliver, name) for name in jobs]:
                future.result()

    def _deliver(self, name: str) -> None:
        body = b'{"id": "%s", "type": "ping", "data": {}}' % name.encode()
        give_up = time.monotonic() + _PATIENCE
        while time.monotonic() < give_up:
            status = self._attempt(name, body)
            with self._lock:
                self.made += 1
                self.statuses[str(status)] += 1
                if isinstance(status, int) and 200 <= status < 300:
                    if name not in self.acknowledged:
                        self.acknowledged.add(name)
                        self._tick(len(self.acknowledged))
                    return
            time.sleep(random.uniform(0.05, 0.25))

    def _attempt(self, name: str, body: bytes) -> int | str:
        url = f"http://127.0.0.1:{random.choice(self._ports)}/webhooks/coffrify"
        headers = {**sign(body, SECRET, id=name), "Content-Type": "application/json"}
        request = urllib.request.Request(url, body, headers)
        try:
            with urllib.request.urlopen(request, timeout=15) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            with error:
                return f"{error.code} {_code(error)}"
        except (OSError, HTTPException):
            return "with a broken connection"


def _code(error: urllib.error.HTTPError) -> str:
    """Return why, by our own reply or by somebody else's page."""
    with suppress(OSError, HTTPException):  # the latter if it was killed between head and body
        body = error.read()
        with suppress(ValueError, LookupError, TypeError):
            return str(json.loads(body)["error"]["code"])
        return " ".join(re.sub(rb"<[^>]*>", b" ", body[:300]).decode("latin-1").split())[:60]
    return "cut off"


# --- what was promised ------------------------------------------------------------------------


def _checked(  # noqa: C901, PLR0912
    path: Path, url: str, acknowledged: set[str], stopped: set[str]
) -> Outcome:
    outcome = Outcome()
    ended: Counter[tuple[str, str]] = Counter()
    recorded: set[tuple[str, str]] = set()
    open_runs: dict[tuple[str, str], set[str]] = defaultdict(set)
    overlaps: dict[str, set[str]] = {}
    begun = again = late = 0
    forgotten: set[str] = set()
    lines = read(path)
    for number, line in enumerate(lines):  # of these nobody knows any more that they were handled
        if line.what == "forgot":
            forgotten |= {each.event for each in lines[:number]}
    for line in lines:
        key = (line.event, line.handler)
        if line.what == "begin":
            begun += 1
            # Whoever was suspended beyond the lease had lost it, which is told, and cannot settle.
            was_stopped = line.run.partition("-")[0] in stopped
            late += was_stopped and key in recorded
            if key in recorded and not was_stopped and line.event not in forgotten:
                outcome.broken.append(f"{key} ran again after its finish was recorded")
            overlaps[line.run] = set(open_runs[key])
            open_runs[key].add(line.run)
        elif line.what in ("end", "raise"):
            open_runs[key].discard(line.run)
            ended[key] += line.what == "end"
            # Whatever began before it and ends after it was running all the while.
            for run, others in overlaps.items():
                if line.run not in others or run == line.run or line.event in forgotten:
                    continue
                if {each.partition("-")[0] for each in (run, line.run)} & stopped:
                    late += 1
                else:
                    outcome.broken.append(f"{key} ran twice at once")
        elif line.what == "recorded":
            recorded.add(key)
    for event in sorted(acknowledged):
        missing = [name for name in HANDLERS if not ended[event, name]]
        if missing:
            outcome.broken.append(f"{event} was acknowledged and {missing} never ran")
    again = sum(count - 1 for count in ended.values() if count > 1)
    if not url.startswith(_WITHOUT_EFFECTS):
        effects = Counter(event for (event,) in execute(url, "SELECT id FROM effects"))
        wrong = [event for event in acknowledged if not effects[event]]
        wrong += [event for event, n in effects.items() if n > 1 and event not in forgotten]
        if wrong:
            outcome.broken.append(f"atomic effects not there exactly once: {wrong[:5]}")
        outcome.counts["atomic effects, each once"] = len(effects) - len(set(wrong))
    outcome.counts["handlers begun"] = begun
    outcome.counts["handlers run to their end"] = sum(ended.values())
    outcome.counts["run beside, or after, a worker that was suspended"] = late
    outcome.counts["run again, killed before their finish was recorded"] = again
    return outcome


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--store", choices=[*STORES, "all"], default="all")
    parser.add_argument("--events", type=int, default=500)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--outages", type=int, default=2)
    options = parser.parse_args()
    broken = False
    for store in STORES if options.store == "all" else [options.store]:
        began = time.monotonic()
        outcome = run(store, options.events, Plan(options.kills, options.outages))
        print(f"{store}, {time.monotonic() - began:.0f} s\n{outcome}\n", flush=True)
        broken = broken or bool(outcome.broken)
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
