"""What a delivery costs an async application: by an async driver of its store, and a sync one.

    python benchmarks/async_stores.py [--json]

Each case handles new events by an async handler, so many at a time on one event loop, with
real servers on loopback. CPU is that of this process, all its threads included; rounds of all cases
are interleaved, and the median round counts. The last column is CPU against the sync driver's.
"""

import asyncio
import json
import sys
import tempfile
import time
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.servers.postgres import Postgres
from tests.servers.valkey import Valkey

from coffrify_webhooks import Event, Receiver, Router, sign
from coffrify_webhooks.stores.redis import AsyncRedisStore

ROUNDS = 9
DELIVERIES = 150
AT_ONCE = (1, 10)
SECRET = "whsec_" + "ab" * 32
_numbers = count()


def receiver_on(store: Any) -> Receiver:
    router = Router()

    @router.on("*")
    async def handle(event: Event) -> None:
        """Do nothing."""

    return Receiver(SECRET, store=store, router=router)


async def deliver(receiver: Receiver, at_once: int) -> tuple[float, float]:
    """Return the microseconds of CPU and of time that a delivery takes."""
    requests = []
    for _ in range(DELIVERIES):
        body = b'{"id": "evt_%d", "type": "ping"}' % next(_numbers)
        requests.append((body, sign(body, SECRET)))

    async def work() -> None:
        while requests:
            reply = await receiver.receive_async(*requests.pop())
            if reply.outcome != "handled":
                raise RuntimeError(reply.outcome)

    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(work() for _ in range(at_once)))
    used, took = time.process_time() - cpu, time.perf_counter() - began
    return used / DELIVERIES * 1e6, took / DELIVERIES * 1e6


async def measure(stores: dict[str, Any]) -> list[dict[str, Any]]:
    receivers = {name: receiver_on(store) for name, store in stores.items()}
    found: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for number in range(ROUNDS + 1):
        for name, receiver in receivers.items():
            for at_once in AT_ONCE:
                took = await deliver(receiver, at_once)
                if number:  # the first opens connections
                    found.setdefault((name, at_once), []).append(took)
    cpu = {case: median(used for used, _ in rounds) for case, rounds in found.items()}
    return [
        {
            "store": name,
            "at_once": at_once,
            "cpu_us": round(cpu[name, at_once]),
            "us": round(median(took for _, took in rounds)),
            "ratio": round(cpu[name, at_once] / cpu[_sync_of(name), at_once], 2),
        }
        for (name, at_once), rounds in found.items()
    ]


def _sync_of(name: str) -> str:
    return name.partition("+")[0]


def main() -> None:
    with Postgres() as postgres, Valkey() as valkey, tempfile.TemporaryDirectory() as folder:
        url = postgres.url
        stores: dict[str, Any] = {
            "postgresql": url,
            "postgresql+asyncpg": url.replace(":", "+asyncpg:", 1),
            "postgresql+psycopg_async": url.replace(":", "+psycopg_async:", 1),
            "redis": valkey.url,
            "redis+asyncio": AsyncRedisStore(valkey.url, prefix="async"),
            "sqlite": f"sqlite:///{folder}/store.db",
        }
        rows = asyncio.run(measure(stores))
    if "--json" in sys.argv:
        print(json.dumps(rows))
        return
    print(f"{'store':26} {'at once':>7} {'CPU us':>8} {'us':>8} {'CPU ratio':>9}")
    for row in rows:
        print("{store:26} {at_once:7} {cpu_us:8} {us:8} {ratio:9.2f}".format(**row))


if __name__ == "__main__":
    main()
