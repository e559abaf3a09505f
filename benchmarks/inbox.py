"""How long each page of the inbox takes, whatever the store holds.

    python -P benchmarks/inbox.py [--events 1000000]

On sqlite and on PostgreSQL, which are filled by SQL. The median of some requests of each page in
milliseconds, rendering included, and the CPU time of this process. The target is 200 ms; exits 1 if
a page takes longer.
"""

import argparse
import logging
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.servers.postgres import Postgres
from tests.stores.test_growth import Counted

from coffrify_webhooks import Receiver, Router, sign
from coffrify_webhooks.inbox import InboxRequest, inbox_app
from coffrify_webhooks.stores import open_store
from coffrify_webhooks.stores.sql import SQLStore

SECRET = "whsec_" + "ab" * 16
ROUNDS = 7
TARGET_MS = 200
FAR_BACK = f"after={1.7e9 + 1000!r}-{'0' * 64}"
PAGES = {
    "newest events": ("/", ""),
    "live part": ("/rows", ""),
    "older events, far back": ("/", FAR_BACK),
    "search: an id": ("/", "q=evt_000000000000000000000000077"),
    "search: a text that no error has": ("/", "q=nothing-has-this"),
    "filter: a type that none has": ("/", "type=payout.created"),
    "filter: status": ("/", "status=failed"),
    "filter: the last hour": ("/", "within=1h"),
    "health": ("/health", ""),
    "handlers": ("/handlers", ""),
    "refused requests": ("/refused", ""),
    "catalog drift": ("/drift", ""),
}


def time_of(inbox: Any, path: str, query: str) -> tuple[float, float]:
    """Return the median times of a page in milliseconds: by the clock, and of this CPU."""
    request = InboxRequest("GET", path, "", query, {}, None)
    times: list[tuple[float, float]] = []
    for _ in range(ROUNDS):
        began, used = time.perf_counter(), time.process_time()
        response = inbox.answer(request)
        times.append((time.perf_counter() - began, time.process_time() - used))
        if response.status != 200:  # noqa: PLR2004
            raise SystemExit(f"{path}?{query}: {response.status}")
    clock, cpu = (median(each) * 1e3 for each in zip(*times, strict=True))
    return clock, cpu


def measure(name: str, store: Any, events: int) -> bool:
    """Fill a store, print each page's times, and tell whether all are short enough."""
    Counted(store).grow(events)
    router = Router()
    router.on("*")(lambda _event: None)
    # Nothing is purged meanwhile, though all events are years old.
    receiver = Receiver(SECRET, router=router, store=store, capture=20, retention=2e9)
    for number in range(5):  # for the pages of refused requests and of drift
        body = b'{"id": "evt_drift_%d", "type": "made.up_%d", "data": {}}' % (number, number)
        receiver.receive(body, sign(body, SECRET))
        receiver.receive(body, {})
    inbox = inbox_app(receiver, authorize=lambda _request: True, bodies=lambda _request: True)
    pages = dict(PAGES)
    pages["one event"] = (f"/event/{store.find(limit=1)[0].key}", "")
    print(f"\n{name}, {events:,} events{'ms':>28}{'ms of CPU':>12}")
    found = {title: time_of(inbox, *page) for title, page in pages.items()}
    for title, (clock, cpu) in found.items():
        too_long = "" if clock < TARGET_MS else "  TOO LONG"
        print(f"  {title:<40}{clock:>10.1f}{cpu:>12.1f}{too_long}")
    return all(clock < TARGET_MS for clock, _ in found.values())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    arguments = parser.parse_args()
    logging.getLogger("coffrify_webhooks").setLevel(logging.CRITICAL)
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        sqlite: Any = open_store(f"sqlite:///{folder}/inbox.db")
        stack.callback(sqlite.close)
        postgresql: Any = SQLStore(stack.enter_context(Postgres()).url, timeout=120)
        stack.callback(postgresql.close)
        results = [
            measure("sqlite", sqlite, arguments.events),
            measure("postgresql", postgresql, arguments.events),
        ]
    sys.exit(not all(results))


if __name__ == "__main__":
    main()
