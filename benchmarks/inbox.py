"""How long each page of the inbox takes, whatever the store holds.

    python benchmarks/inbox.py [--events 1000000] [--postgresql]

The store is filled by one statement; the median of some requests of each page, in milliseconds,
rendering included. The target at 10^6 events is 200 ms.
"""

import argparse
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

from coffrify_webhooks import Receiver, Router
from coffrify_webhooks.inbox import InboxRequest, inbox_app
from coffrify_webhooks.stores import open_store
from coffrify_webhooks.stores.sql import SQLStore

ROUNDS = 7
TARGET_MS = 200
PAGES = {
    "newest events": ("/", ""),
    "live part": ("/rows", ""),
    "search: an id": ("/", "q=evt_000000000000000000000000077"),
    "search: a text that no error has": ("/", "q=nothing-has-this"),
    "filter: a type that none has": ("/", "type=payout.created"),
    "filter: status": ("/", "status=failed"),
    "filter: the last hour": ("/", "within=1h"),
    "health": ("/health", ""),
    "handlers": ("/handlers", ""),
    "refused requests": ("/refused", ""),
}


def time_of(inbox: Any, path: str, query: str) -> float:
    """Return the median time of a page in milliseconds."""
    request = InboxRequest("GET", path, "", query, {}, None)
    times: list[float] = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        response = inbox.answer(request)
        times.append((time.perf_counter() - began) * 1e3)
        if response.status != 200:  # noqa: PLR2004
            raise SystemExit(f"{path}?{query}: {response.status}")
    return median(times)


def measure(name: str, store: Any, events: int) -> None:
    """Fill a store, and print each page's time."""
    Counted(store).grow(events)
    router = Router()
    router.on("*")(lambda _event: None)
    receiver = Receiver("whsec_" + "ab" * 16, router=router, store=store, capture=20)
    inbox = inbox_app(receiver, authorize=lambda _request: True)
    pages = dict(PAGES)
    pages["one event"] = (f"/event/{store.find(limit=1)[0].key}", "")
    print(f"\n{name}, {events:,} events")
    for title, (path, query) in pages.items():
        found = time_of(inbox, path, query)
        print(
            f"  {title:<34}{found:>9.1f} ms{'' if found < TARGET_MS else '  TOO LONG'}", flush=True
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--postgresql", action="store_true")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        store: Any = open_store(f"sqlite:///{folder}/inbox.db")
        measure("sqlite", store, arguments.events)
        store.close()
        if arguments.postgresql:
            store = SQLStore(stack.enter_context(Postgres()).url, timeout=120)
            measure("postgresql", store, arguments.events)
            store.close()


if __name__ == "__main__":
    main()
