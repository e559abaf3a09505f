"""What it costs a delivery that catalog drift is watched: the check alone, beside `receive`.

    python -P benchmarks/drift.py

An event that fits its class is checked once, and nothing else is done. CPU time, in us.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measuring import SECRET, deliveries, take_turns

from coffrify_webhooks import Receiver, Router
from coffrify_webhooks.pipeline.drift import is_drift
from coffrify_webhooks.testing import make_event


def main() -> None:
    """Measure and print."""
    router = Router()
    router.on("*")(lambda _event: None)
    receiver = Receiver(SECRET, router=router, store="memory:")
    sent = deliveries(1_000_000)
    event, reply = make_event("transfer.created"), receiver.receive(*next(sent))
    if is_drift(receiver, event, reply):
        raise SystemExit("the event does not fit its class")
    times = take_turns(
        {
            "receive, store in memory": lambda: receiver.receive(*next(sent)),
            "of that, signing it first": lambda: next(sent),
            "the check for drift": lambda: is_drift(receiver, event, reply),
        }
    )
    for name, found in times.items():
        print(f"{name:<30}{found:>10.3f} us")
    whole = times["receive, store in memory"] - times["of that, signing it first"]
    print(f"{'the check, of receive':<30}{times['the check for drift'] / whole:>10.2%}")


if __name__ == "__main__":
    main()
