"""What grows with what is stored or registered, and what does not, in one run.

    python benchmarks/growth.py [--most 1000000] [--servers] [--json FILE]

The same calls at 10^3 events, 10^4 and so on: the median time of each, and how many times the
smallest's it is. With --servers also on PostgreSQL and MariaDB. The store in memory is filled by
claims; the others by one statement.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from hashlib import sha256
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.servers.mariadb import MariaDB
from tests.servers.postgres import Postgres
from tests.stores.test_growth import Counted

from coffrify_webhooks import Router
from coffrify_webhooks.stores import About, Filter, open_store
from coffrify_webhooks.stores.memory import MemoryStore
from coffrify_webhooks.stores.sql import SQLStore

ROUNDS = 9
EVENTS = 2000
"""How many claims the slowest of a thousand is taken from."""
DAY = 86_400.0
CALLS: dict[str, Callable[[Any], object]] = {
    "purge, nothing old": lambda store: store.purge(40 * 365 * DAY),
    "find, the newest 100": lambda store: store.find(limit=100),
    "find, dead and failed": lambda store: store.find(Filter(statuses=("dead", "failed"))),
    "find, by 8 digits of a key": lambda store: store.find(Filter(key="9e3779b1")),
    "stats": lambda store: store.stats(),
}
Figures = dict[str, float]


def time_of(call: Callable[[], object]) -> float:
    """Return the median time of a call in microseconds."""
    times: list[float] = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        call()
        times.append((time.perf_counter() - began) * 1e6)
    return median(times)


def handle(store: Any, first: int, number: int) -> list[float]:
    """Claim and settle new events; return the CPU time of each in this thread, in microseconds."""
    times: list[float] = []
    for each in range(first, first + number):
        event_id = f"evt_{each:027}"
        delivery = f'{{"id":"{event_id}","timestamp":{each},"scheme":"standard","handlers":[]}}'
        about = About("default", event_id, "transfer.created", delivery)
        key = sha256(event_id.encode()).hexdigest()
        digest = sha256(key.encode()).hexdigest()
        began = time.thread_time()
        store.done(key, store.claim(key, digest, 60.0, None, about).token)
        times.append((time.thread_time() - began) * 1e6)
    return times


def resident() -> int:
    """Return the bytes of memory that this process has in use."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def measure(store: Any) -> Figures:
    """Return the microseconds of each call."""
    return {name: time_of(partial(call, store)) for name, call in CALLS.items()}


def memory(sizes: list[int]) -> dict[int, Figures]:
    """Fill a store in memory step by step."""
    store, stored, before = MemoryStore(max_events=2 * sizes[-1]), 0, resident()
    found: dict[int, Figures] = {}
    for size in sizes:
        times = handle(store, stored, size - stored)
        stored = size
        found[size] = measure(store)
        found[size]["claim + done"] = median(times)
        found[size]["bytes an id"] = (resident() - before) / size
    return found


def database(store: Any, sizes: list[int]) -> dict[int, Figures]:
    """Fill a store step by step, by one statement each."""
    counted, found = Counted(store), dict[int, Figures]()
    for size in sizes:
        counted.grow(size)
        found[size] = measure(store)
        times = sorted(handle(store, size, EVENTS))
        found[size]["claim + done"] = median(times)
        found[size]["claim + done, p99.9"] = times[-(len(times) // 1000 + 1)]
        for each in range(size, size + EVENTS):  # as they were not there
            store.forget(sha256(f"evt_{each:027}".encode()).hexdigest())
    return found


def router(sizes: list[int]) -> dict[int, Figures]:
    """Register handlers; the time of one."""
    found: dict[int, Figures] = {}
    for size in sizes:
        made: Any = Router()
        began = time.process_time()
        for number in range(size):
            made.on("transfer.created", name=str(number))(lambda _: None)
        found[size] = {"register a handler": (time.process_time() - began) / size * 1e6}
    return found


def show(title: str, found: dict[int, Figures]) -> None:
    """Print a table: a row for each call, a column for each size."""
    sizes = list(found)
    print(f"\n{title:<32}" + "".join(f"{size:>12,}" for size in sizes) + "   last / first")
    for name in found[sizes[0]]:
        row = [found[size][name] for size in sizes]
        unit = "" if "bytes" in name else " us"
        cells = "".join(f"{each:>12,.0f}" for each in row)
        print(f"  {name + unit:<30}{cells}{row[-1] / max(row[0], 0.1):>12.2f} x", flush=True)


def main() -> None:
    """Measure, print, and write down as JSON where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=1_000_000)
    parser.add_argument("--servers", action="store_true")
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args()
    sizes = [size for size in (1000, 10_000, 100_000, 1_000_000) if size <= arguments.most]
    found = {"memory": memory(sizes)}
    show("memory", found["memory"])
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        urls = {"sqlite": f"sqlite:///{folder}/growth.db"}
        if arguments.servers:
            urls["postgresql"] = stack.enter_context(Postgres()).url
            urls["mariadb"] = stack.enter_context(MariaDB()).url
        for name, url in urls.items():
            # Filled in steps that take seconds; a store gives up after three.
            store: Any = open_store(url) if name == "sqlite" else SQLStore(url, timeout=120)
            found[name] = database(store, sizes)
            store.close()
            show(name, found[name])
    found["router"] = router([size for size in sizes if size <= 10_000])  # noqa: PLR2004
    show("router", found["router"])
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
