"""Chaos: several servers on one store, kill -9 of workers and of the database, nothing lost.

    python -m tests.chaos.chaos --store postgresql --events 500

A sender redelivers each event until it is answered 2xx, some of them twice at once. Meanwhile
workers of gunicorn and uvicorn are killed at random, and the database too. In the end the journal,
which outlives all of them, is checked against what the library promises, and the counts are shown.
"""

import argparse
import os
import random
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
from pathlib import Path
from typing import Any

from tests.chaos.journal import Journal, read
from tests.chaos.troubles import demote
from tests.servers.mariadb import MariaDB
from tests.servers.pgbouncer import PgBouncer
from tests.servers.postgres import Postgres
from tests.servers.process import Server, free_port, own_environment
from tests.servers.valkey import Valkey

from coffrify_webhooks import sign

__all__ = ["STORES", "Outcome", "run"]

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
_APPS = {"django": ("django_wsgi", "django_asgi")}
_PATIENCE = 120.0
_WITHOUT_EFFECTS = ("redis:", "sqlite:")


@dataclass
class Outcome:
    """What came of a run; everything in `broken` is a promise that was not kept."""

    counts: dict[str, int] = field(default_factory=dict[str, int])
    broken: list[str] = field(default_factory=list[str])

    def __str__(self) -> str:
        lines = [f"{count:>7}  {name}" for name, count in self.counts.items()]
        return "\n".join([*lines, *(f"BROKEN: {text}" for text in self.broken)])


def run(store: str, events: int, kills: int, outages: int) -> Outcome:
    """Deliver so many events, kill so many workers, and the database so many times."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kind = STORES[store]
        with ExitStack() as stack:
            server = stack.enter_context(kind()) if kind else None
            url = _url(folder, store, server)
            if store == "pgbouncer":
                assert isinstance(server, Postgres)
                url = stack.enter_context(PgBouncer(server, 8)).url("chaos")
            apps = _APPS.get(store, ("flask", "starlette"))
            if store.endswith("-slow"):  # 0.25 s for each call, and a handler that outlasts leases
                events, kills = events // 12, kills // 4
                stack.enter_context(_variable("CHAOS_SLOW", "0.25"))
            return _run(folder, url, apps, server, events, kills, outages)


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


def _run(  # noqa: PLR0917
    folder: Path,
    url: str,
    apps: tuple[str, str],
    server: Server | None,
    events: int,
    kills: int,
    outages: int,
) -> Outcome:
    if not url.startswith(_WITHOUT_EFFECTS):
        _execute(url, "CREATE TABLE effects (id VARCHAR(64))")
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
        killer = _Killer(parents, server, url, events)
        sender = _Sender(ports, killer.tick)
        killer.plan(kills, outages)
        sender.deliver(events)
        killer.finish()
    outcome = _checked(path, url, sender.acknowledged)
    outcome.counts |= {
        "events sent": events,
        "deliveries made": sender.made,
        "acknowledged with 2xx": len(sender.acknowledged),
        **{f"answered {status}": count for status, count in sorted(sender.statuses.items())},
        "workers killed": killer.killed,
        "database kills": killer.outages,
        "failovers": killer.demoted,
    }
    if killer.fails_over and not killer.demoted:
        outcome.broken.append("there was no failover: see what the killer met")
    if killer.killed < kills or killer.outages < (outages if server else 0):
        outcome.broken.append("not all was killed that should have been: the run was too short")
    return outcome


def _execute(url: str, statement: str) -> list[Any]:
    from sqlalchemy import create_engine, text

    for plain, full in (("postgresql:", "postgresql+psycopg:"), ("mysql:", "mysql+pymysql:")):
        url = url.replace(plain, full, 1)
    engine = create_engine(url)
    with engine.begin() as connection:
        result = connection.execute(text(statement))
        rows = list(result) if result.returns_rows else []
    engine.dispose()
    return rows


# --- servers ----------------------------------------------------------------------------------


@contextmanager
def _serving(
    environment: dict[str, str], folder: Path, apps: tuple[str, str]
) -> Generator[tuple[list[int], list[subprocess.Popen[bytes]]]]:
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
    parents: list[subprocess.Popen[bytes]] = []
    try:
        for words in commands:
            with (folder / f"{words[1]}.log").open("wb") as log:
                command = [sys.executable, *words]
                parents.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
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
    """Kills after so many acknowledgements, so that a run has the same shape on any machine."""

    def __init__(
        self, parents: list[subprocess.Popen[bytes]], server: Server | None, url: str, events: int
    ) -> None:
        self._parents = parents
        self._server = server
        self._events = events
        self._plan: dict[int, list[str]] = defaultdict(list)
        self._lock = threading.Lock()
        self._work = ThreadPoolExecutor(1)
        self.killed = self.outages = self.demoted = 0
        # A pooler keeps its own connections to whichever server it has: no client can drop them.
        self.fails_over = isinstance(server, Postgres) and f":{server.port}/" in url

    def plan(self, kills: int, outages: int) -> None:
        for number in range(kills):
            self._plan[(number + 1) * self._events // (kills + 2)].append("worker")
        for number in range(outages if self._server else 0):
            self._plan[(number + 1) * self._events // (outages + 1)].append("database")
        if self.fails_over:
            self._plan[2 * self._events // 3].append("failover")

    def tick(self, acknowledged: int) -> None:
        with self._lock:
            due = self._plan.pop(acknowledged, [])
        for what in due:
            self._work.submit(getattr(self, f"_{what}"))

    def finish(self) -> None:
        self._work.shutdown()

    def _worker(self) -> None:
        parent = self._parents[self.killed % len(self._parents)]
        give_up = time.monotonic() + 20
        while time.monotonic() < give_up:
            # Not those that only watch: uvicorn's resource tracker is no worker.
            workers = [pid for pid in _children(parent.pid) if _is_worker(pid)]
            if workers:
                with suppress(ProcessLookupError):
                    os.kill(random.choice(workers), signal.SIGKILL)
                    self.killed += 1
                    return
            time.sleep(0.02)

    def _database(self) -> None:
        assert self._server is not None
        self._server.kill()
        self._server.restart()
        self.outages += 1

    def _failover(self) -> None:
        """Let whoever is connected only read from now on."""
        assert isinstance(self._server, Postgres)
        demote(self._server, "chaos")
        self.demoted += 1


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
        self.acknowledged: set[str] = set()
        self.statuses: Counter[str] = Counter()
        self.made = 0

    def deliver(self, events: int) -> None:
        jobs = [f"evt_{number}" for number in range(events)]
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
            return error.code
        except OSError:
            return "with a broken connection"


# --- what was promised ------------------------------------------------------------------------


def _checked(path: Path, url: str, acknowledged: set[str]) -> Outcome:  # noqa: C901
    outcome = Outcome()
    ended: Counter[tuple[str, str]] = Counter()
    recorded: set[tuple[str, str]] = set()
    open_runs: dict[tuple[str, str], set[str]] = defaultdict(set)
    overlaps: dict[str, set[str]] = {}
    begun = again = 0
    for line in read(path):
        key = (line.event, line.handler)
        if line.what == "begin":
            begun += 1
            if key in recorded:
                outcome.broken.append(f"{key} ran again after its finish was recorded")
            overlaps[line.run] = set(open_runs[key])
            open_runs[key].add(line.run)
        elif line.what in ("end", "raise"):
            open_runs[key].discard(line.run)
            ended[key] += line.what == "end"
            # Whatever began before it and ends after it was running all the while.
            for run, others in overlaps.items():
                if line.run in others and run != line.run:
                    outcome.broken.append(f"{key} ran twice at once")
        elif line.what == "recorded":
            recorded.add(key)
    for event in sorted(acknowledged):
        missing = [name for name in HANDLERS if not ended[event, name]]
        if missing:
            outcome.broken.append(f"{event} was acknowledged and {missing} never ran")
    again = sum(count - 1 for count in ended.values() if count > 1)
    if not url.startswith(_WITHOUT_EFFECTS):
        effects = Counter(event for (event,) in _execute(url, "SELECT id FROM effects"))
        wrong = [event for event in acknowledged if effects[event] != 1]
        wrong += [event for event, count in effects.items() if count > 1]
        if wrong:
            outcome.broken.append(f"atomic effects not there exactly once: {wrong[:5]}")
        outcome.counts["atomic effects, each once"] = len(effects) - len(set(wrong))
    outcome.counts["handlers begun"] = begun
    outcome.counts["handlers run to their end"] = sum(ended.values())
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
        outcome = run(store, options.events, options.kills, options.outages)
        print(f"{store}, {time.monotonic() - began:.0f} s\n{outcome}\n", flush=True)
        broken = broken or bool(outcome.broken)
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
