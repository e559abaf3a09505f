"""What the answer costs with an engine: each beside inline, on real servers, in one run.

    python benchmarks/engines.py

From the raw body to the reply, of a signed delivery of a new event: `receiver.receive(...)`, and no
HTTP. Inline runs an empty handler; the engines are handed the event, and no worker runs. All keep
their claims in an SQLite file. PostgreSQL flushes each commit to the disk, as it does by default,
and so does DBOS on SQLite; Valkey flushes its append-only file once a second, which is its default.

Rounds of all cases are interleaved. The 50th and the 99th percentile of each round are divided by
those of inline in the same round; the median round counts.
"""

import json
import logging
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median, quantiles
from typing import Any

sys.path.remove(str(Path(__file__).parent))  # or `engines` would be this file
sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))

from celery import Celery
from dramatiq.brokers.redis import RedisBroker
from procrastinate import App, PsycopgConnector, SyncPsycopgConnector
from tests.servers.postgres import Postgres
from tests.servers.valkey import Valkey

from coffrify_webhooks import Receiver, Router, sign
from coffrify_webhooks.dispatch import Dispatcher
from coffrify_webhooks.dispatch.celery import CeleryDispatcher
from coffrify_webhooks.dispatch.dbos import DBOSDispatcher
from engines.dramatiq_engine import DramatiqDispatcher
from engines.procrastinate_engine import ProcrastinateDispatcher

ROUNDS = 15
DELIVERIES = 100
SECRET = "whsec_" + "ab" * 32
TIMEOUTS = "socket_timeout=2&socket_connect_timeout=2"
DATA = {"id": "tr_1", "name": "x" * 1500}
"""Makes for a body of the size that the vendor's examples have."""

_numbers = count()


def receiver(folder: str, name: str, dispatcher: Dispatcher | None = None) -> Receiver:
    """Make a receiver with an empty handler and a store of its own."""
    router = Router()
    router.on("transfer.created")(lambda _event: None)
    store = f"sqlite:///{folder}/{name}.db"
    return Receiver(SECRET, router=router, store=store, dispatcher=dispatcher)


def celery(url: str) -> CeleryDispatcher:
    """Celery on Valkey, with the settings that its adapter asks for."""
    app = Celery("bench", broker=url)
    app.conf.update(
        broker_transport_options={
            "visibility_timeout": 3600,
            "unacked_restore_throttle": 1,
            "socket_timeout": 2,
            "socket_connect_timeout": 2,
        },
        worker_prefetch_multiplier=1,
    )
    return CeleryDispatcher(app)


def dramatiq(url: str) -> DramatiqDispatcher:
    """Dramatiq on Valkey, likewise."""
    make: Any = RedisBroker  # which has no types
    broker = make(url=f"{url}?{TIMEOUTS}", heartbeat_timeout=10_000, maintenance_chance=200_000)
    return DramatiqDispatcher(broker)


def procrastinate(url: str) -> ProcrastinateDispatcher:
    """Procrastinate on PostgreSQL, with its tables made."""
    with App(connector=SyncPsycopgConnector(conninfo=url)).open() as app:
        app.schema_manager.apply_schema()
    app = App(
        connector=PsycopgConnector(conninfo=url),
        worker_defaults={"concurrency": 8, "delete_jobs": "successful"},
    )
    return ProcrastinateDispatcher(app, url)


def measure(receiver: Receiver, promised: str) -> tuple[float, float]:
    """Deliver so many new events; return the 50th and the 99th percentile, in seconds."""
    deliveries: list[tuple[bytes, dict[str, str]]] = []
    for _ in range(DELIVERIES):
        event = {"id": f"evt_{next(_numbers)}", "type": "transfer.created", "data": DATA}
        body = json.dumps(event).encode()
        deliveries.append((body, sign(body, SECRET)))
    times: list[float] = []
    for body, headers in deliveries:
        began = time.perf_counter()
        reply = receiver.receive(body, headers)
        times.append(time.perf_counter() - began)
        if reply.outcome != promised:
            raise SystemExit(f"{receiver!r} answered {reply.outcome}: {reply.error}")
    cuts = quantiles(times, n=100)
    return cuts[49], cuts[98]


def run(cases: dict[str, Callable[[], tuple[float, float]]]) -> None:
    """Print each case as a multiple of the first."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
    for case in cases.values():
        case()  # connections are opened, scripts loaded
    for _ in range(ROUNDS):
        for name, case in cases.items():
            found[name].append(case())
    floor = next(iter(found.values()))
    for name, rounds in found.items():
        times = [median(each[i] for each in rounds) * 1e6 for i in (0, 1)]
        ratios = [
            median(each[i] / inline[i] for each, inline in zip(rounds, floor, strict=True))
            for i in (0, 1)
        ]
        print(
            f"  {name:<28} p50 {times[0]:7.0f} us {ratios[0]:6.1f} x"
            f"    p99 {times[1]:7.0f} us {ratios[1]:6.1f} x"
        )


def main() -> None:
    """Measure each engine."""
    logging.disable(logging.WARNING)
    print("the answer to a new event, one process, by time")
    with ExitStack() as servers:
        folder = servers.enter_context(tempfile.TemporaryDirectory())
        postgres = servers.enter_context(Postgres(durable=True))
        valkey = servers.enter_context(Valkey("--appendfsync", "everysec"))
        redis = valkey.url.removesuffix("/0")
        engines: dict[str, Dispatcher] = {
            "DBOS on SQLite": DBOSDispatcher(f"sqlite:///{folder}/engine.db"),
            "DBOS on PostgreSQL": DBOSDispatcher(postgres.database("dbos")),
            "Celery on Valkey": celery(f"{redis}/1"),
            "Dramatiq on Valkey": dramatiq(f"{redis}/2"),
            "procrastinate on PostgreSQL": procrastinate(postgres.database("procrastinate")),
        }
        inline = receiver(folder, "inline")
        cases: dict[str, Callable[[], tuple[float, float]]] = {
            "inline, an empty handler": partial(measure, inline, "handled")
        }
        for number, (name, engine) in enumerate(engines.items()):
            one = receiver(folder, f"engine{number}", engine)
            cases[name] = partial(measure, one, "queued")
        run(cases)


if __name__ == "__main__":
    main()
