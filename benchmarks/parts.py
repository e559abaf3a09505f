"""Where the time of one delivery goes: a profile of `Receiver.receive` by the package's rooms.

The profiler looks every few milliseconds of CPU time at the innermost function of the package, so
that it costs the code nothing. `--json` prints JSON.
"""

import signal
import sys
import time
from collections import Counter
from pathlib import Path
from types import FrameType

# Or `requests`, which others import, would be the benchmark of that name beside this one.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.measuring import SECRET, Table, deliveries

import coffrify_webhooks
from coffrify_webhooks import Receiver, Router

HOME = f"{Path(coffrify_webhooks.__file__).parent}/"
PARTS = {  # the first that a file's path in the package begins with
    "signature/": "verify",
    "parsing/": "parse to the class",
    "event/": "parse to the class",
    "events/": "parse to the class",
    "pipeline/identity": "key and metadata",
    "dispatch/": "key and metadata",
    "text": "key and metadata",
    "stores/": "claim and settle in memory",
    "drivers/watch": "lease, patience",
    "concurrency/": "lease, patience",
    "router": "match and call the handler",
    "handlers/": "match and call the handler",
    "http/": "reply",
    "pipeline/": "steps of the pipeline",
    "drivers/": "driver",
    "receiver": "driver",
    "monitoring/": "steps of the pipeline",
    "clock": "steps of the pipeline",
}
BATCHES, EACH = 600, 100


def part_of(frame: FrameType | None) -> str:
    """Name the part that a moment belongs to."""
    while frame is not None:
        path = frame.f_code.co_filename
        if path.startswith(HOME):
            found = (name for prefix, name in PARTS.items() if path[len(HOME) :].startswith(prefix))
            return next(found, "the rest")
        frame = frame.f_back
    return "the rest"


def main() -> None:
    router, seen = Router(), Counter[str]()

    @router.on("transfer.created")
    def handle(event: object) -> None:
        pass

    receiver = Receiver(SECRET, router=router, store="memory:")
    signal.signal(signal.SIGPROF, lambda _number, frame: seen.update([part_of(frame)]))
    source, took = deliveries((BATCHES + 1) * EACH), 0.0
    for batch in range(BATCHES + 1):
        some = [next(source) for _ in range(EACH)]
        if batch:  # the first fills the caches
            signal.setitimer(signal.ITIMER_PROF, 0.001, 0.001)
        started = time.process_time()
        for body, headers in some:
            receiver.receive(body, headers)
        took += (time.process_time() - started) * bool(batch)
        signal.setitimer(signal.ITIMER_PROF, 0)
    table = Table("Parts of `receive`, memory")
    table.row("receive", took / BATCHES / EACH * 1e6, "us")
    for name in dict.fromkeys([*PARTS.values(), "the rest"]):
        table.row(name, 100 * seen[name] / seen.total(), "% of receive")
    table.row("moments looked at", seen.total(), "")
    table.end()


if __name__ == "__main__":
    main()
