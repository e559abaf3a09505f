"""Order under chaos: events of few objects, out of order, twice, by four processes with kill -9.

    python -m tests.chaos.order_chaos --store postgresql --events 2000

Four processes deliver the same events in any order, each event in two deliveries, while they are
killed at random; on DBOS its worker is killed too. Their handlers write down what they do. In the
end the journal, which outlives all of them, is checked against what is promised: no two runs of a
handler for one object at the same time, under "latest" none for something older than what has run
before, and the last of each object is its newest.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from signal import SIGKILL
from typing import Any

from tests.chaos.chaos import Outcome
from tests.chaos.journal import Journal, Line, read
from tests.servers.postgres import Postgres
from tests.servers.preloaded import Forked, Preloaded
from tests.servers.process import Server, own_environment
from tests.servers.valkey import Valkey

from coffrify_webhooks.stores import open_store

__all__ = ["PLACES", "run"]

SECRET = "whsec_" + "5a" * 32
PROCESSES = 4
HANDLERS = ("latest", "serial")
PLACES: dict[str, type[Server] | None] = {
    "sqlite": None,
    "postgresql": Postgres,
    "valkey": Valkey,
    "django": Postgres,
    "dbos-sqlite": None,
    "dbos-postgres": Postgres,
}
_PRELOADED = ("coffrify_webhooks", "coffrify_webhooks.receiver", "coffrify_webhooks.stores.sqlite")
_PRELOADED_TOO = {
    "postgresql": ("coffrify_webhooks.stores.sql", "psycopg"),
    "valkey": ("coffrify_webhooks.stores.redis",),
    "django": ("django.db.backends.postgresql.base",),
}
_PATIENCE = 240.0


def run(place: str, events: int, objects: int, kills: int) -> Outcome:
    """Deliver so many events of so many objects while processes are killed."""
    kind = PLACES[place]
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        server: Any = stack.enter_context(kind()) if kind else None
        environment = _environment(folder, place, server, events, objects)
        if place == "django":
            migrate = [sys.executable, "-m", "tests.chaos.order_app", "migrate"]
            subprocess.run(migrate, env=environment, check=True)
        modules = (*_PRELOADED, *_PRELOADED_TOO.get(place, ()))
        parent = stack.enter_context(Preloaded(*modules))
        chaos = _Chaos(folder, parent, environment, on_engine=place.startswith("dbos"))
        with closing(chaos):
            chaos.deliver(2 * events, kills)
            chaos.wait_for_engine(events)
        lines = read(folder / "journal")
        outcome = checked(lines, events, objects)
        outcome.counts["processes killed"] = chaos.kills
        outcome.broken += chaos.broken
        if chaos.kills < kills:
            outcome.broken.append("not all was killed that should have been")
        if outcome.broken:
            print((folder / "log").read_text(errors="replace")[-6000:], file=sys.stderr)
        return outcome


def _environment(
    folder: Path, place: str, server: Any, events: int, objects: int
) -> dict[str, str]:
    store = f"sqlite:///{folder}/store.db"
    engine = ""
    if place in ("postgresql", "django"):
        store = server.database("chaos")
    elif place == "valkey":
        store = server.url
    elif place == "dbos-sqlite":
        engine = f"dbos+sqlite:///{folder}/engine.db"
    elif place == "dbos-postgres":
        store, engine = server.database("chaos"), f"dbos+{server.database('engine')}"
    Journal(folder / "journal")
    return {
        **own_environment(),
        "PYTHONPATH": str(Path.cwd()),
        "CHAOS_STORE": f"{'django+' * (place == 'django')}{store}",
        "CHAOS_ENGINE": engine,
        "CHAOS_JOURNAL": str(folder / "journal"),
        "CHAOS_EVENTS": str(events),
        "CHAOS_OBJECTS": str(objects),
        "COFFRIFY_WEBHOOK_SECRET": SECRET,
    }


class _Chaos:
    """The processes, and who kills them."""

    def __init__(
        self, folder: Path, parent: Preloaded, environment: dict[str, str], *, on_engine: bool
    ) -> None:
        self._parent = parent
        self._environment = environment
        self._log = folder / "log"
        self._path = folder / "journal"
        self._journal = Journal(self._path)
        self._random = random.Random(11)
        self._running: dict[str, Forked] = {}
        self._on_engine = on_engine
        self.kills = 0
        self.broken: list[str] = []

    def deliver(self, deliveries: int, kills: int) -> None:
        """Let all be delivered, and kill one process at each of so many even steps."""
        names = [str(number) for number in range(PROCESSES)]
        for name in [*names, *(["worker"] * self._on_engine)]:
            self._start(name)
        steps = [(number + 1) * deliveries // (kills + 1) for number in range(kills)]
        give_up = time.monotonic() + _PATIENCE
        with self._path.open() as journal:
            answered = 0
            while answered < deliveries:
                answered += journal.read().count("answered ")
                if steps and answered >= steps[0]:
                    steps.pop(0)
                    self._kill(self._choose(names))
                for name in names:
                    self._look_after(name)
                if time.monotonic() > give_up:
                    self.broken.append(f"of {deliveries} deliveries {answered} were answered")
                    return
                time.sleep(0.01)

    def wait_for_engine(self, events: int) -> None:
        """Wait until all that was queued is done."""
        if not self._on_engine:
            return
        store = open_store(self._environment["CHAOS_STORE"])
        give_up = time.monotonic() + _PATIENCE
        while store.stats(None) != {"done": events}:
            if time.monotonic() > give_up:
                self.broken.append(f"the engine left {store.stats(None)}")
                break
            time.sleep(0.1)
        store.close()

    def close(self) -> None:
        for name in [*self._running]:
            self._end(name)

    def _choose(self, names: list[str]) -> str:
        if self._on_engine and self.kills % 2 == 0:
            return "worker"
        alive = [name for name in names if self._running[name].poll() is None]
        return self._random.choice(alive or names)

    def _start(self, name: str) -> None:
        environment = dict(self._environment)
        if name == "worker":
            environment["CHAOS_WORKER"] = "1"
            command = str(Path(sys.executable).with_name("coffrify-webhooks"))
            words = [command, "worker", "--app", "tests.chaos.order_app:receiver"]
        else:
            words = [sys.executable, "-m", "tests.chaos.order_app", "deliver", name]
        self._running[name] = self._parent.start(words, Path.cwd(), environment, self._log)

    def _kill(self, name: str) -> None:
        self._end(name)
        self.kills += 1
        self._start(name)

    def _end(self, name: str) -> None:
        process = self._running.pop(name)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, SIGKILL)
        process.wait()
        self._journal.write("killed", "-", "-", f"{process.pid}-0")

    def _look_after(self, name: str) -> None:
        """Start a process again that has ended by itself, unless its share is sent."""
        code = self._running[name].poll()
        if code not in (None, 0):
            self.broken.append(f"process {name} ended with {code}")
            self._kill(name)


def checked(lines: list[Line], events: int, objects: int) -> Outcome:
    """Check what the handlers did against what is promised."""
    outcome = Outcome()
    history = _History(outcome.broken)
    for line in lines:
        history.note(line)
    history.check_ends(events, objects)
    what = Counter(line.what for line in lines)
    for kind in ("answered", "refused"):
        found = Counter(line.handler for line in lines if line.what == kind)
        outcome.counts |= {f"{kind} {reply}": count for reply, count in sorted(found.items())}
    outcome.counts["handlers begun"] = what["begin"]
    outcome.counts["handlers that raised"] = what["raise"]
    outcome.counts["handlers killed on their way"] = what["begin"] - what["end"] - what["raise"]
    outcome.counts["run again after their end"] = sum(n - 1 for n in history.ended.values())
    return outcome


class _History:
    """What the handlers did, line by line; a key is a handler and an object."""

    def __init__(self, broken: list[str]) -> None:
        self._broken = broken
        self._running: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
        self._reached: dict[tuple[str, str], int] = defaultdict(lambda: -1)
        """The newest version that has run, or in which its process was killed."""
        self._last: dict[tuple[str, str], int] = {}
        self.ended: Counter[tuple[str, str]] = Counter()

    def note(self, line: Line) -> None:
        if line.what == "killed":
            self._kill(line.run.partition("-")[0])
        elif line.what in ("begin", "end", "raise"):
            thing, _, number = line.event.partition(":")
            key, version = (line.handler, thing), int(number)
            if line.what == "begin":
                self._begin(key, version, line.run)
                return
            self._running[key].pop(line.run, None)
            if line.what == "end":
                self._reached[key] = max(self._reached[key], version)
                self._last[key] = version
                self.ended[line.handler, line.event] += 1

    def _begin(self, key: tuple[str, str], version: int, run: str) -> None:
        if self._running[key]:
            self._broken.append(f"{key} ran twice at once")
        if key[0] == "latest" and version < self._reached[key]:
            self._broken.append(f"{key} ran backwards, from {self._reached[key]} to {version}")
        self._running[key][run] = version

    def _kill(self, process: str) -> None:
        for key, runs in self._running.items():
            for run in [each for each in runs if each.partition("-")[0] == process]:
                self._reached[key] = max(self._reached[key], runs.pop(run))

    def check_ends(self, events: int, objects: int) -> None:
        """Each event was handled in series, and the last of each object is its newest."""
        for number in range(events):
            thing, version = f"o{number % objects}", number // objects
            if not self.ended["serial", f"{thing}:{version}"]:
                self._broken.append(f"serial never ran for {thing}:{version}")
            last = self._last.get(("latest", thing))
            if number + objects >= events and last != version:
                self._broken.append(f"latest ended with {last} of {thing}, not with {version}")


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--store", choices=[*PLACES, "all"], default="all")
    parser.add_argument("--events", type=int, default=2000)
    parser.add_argument("--objects", type=int, default=50)
    parser.add_argument("--kills", type=int, default=20)
    options = parser.parse_args()
    broken = False
    for place in PLACES if options.store == "all" else [options.store]:
        began = time.monotonic()
        outcome = run(place, options.events, options.objects, options.kills)
        broken = broken or bool(outcome.broken)
        print(f"{place}: {time.monotonic() - began:.0f} s\n{outcome}\n", flush=True)
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
