"""What the demo delivers, and what is promised to come of it."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, NamedTuple

from coffrify_webhooks_codegen.catalog import load

from .sender import Sender, new_id

__all__ = ["Case", "Script", "new_event", "script"]

_HANDLERS = {
    "announce": ["transfer.created"],
    "alarm": ["transfer.scan_infected", "transfer.scan_quarantined"],
    "count": ["transfer.*"],
    "audit": ["workspace.*", "api_key.*", "webhook.*", "scim.*", "saml.*"],
    "stumble": ["demo.stumbles"],
    "steady": ["demo.stumbles"],
    "wait": ["demo.waits"],
}
"""The handlers of coffrify_webhooks_examples and their events, told here a second time: what the
router makes of them is under test."""


class Case(NamedTuple):
    """One row: what is done, what must come of it, and how many times."""

    name: str
    promise: str
    times: int = 1


@dataclass(frozen=True)
class Script:
    """Every case, in the order in which they are played."""

    cases: tuple[Case, ...]
    outcomes: Callable[[Sender], Iterator[str]]
    """Delivers everything to one server; yields what came, in the order of the cases."""

    def play(self, sender: Sender) -> Iterator[tuple[Case, str]]:
        """Deliver everything to one server; yields what came, each with its case."""
        outcomes = self.outcomes(sender)
        for case in self.cases:
            for _ in range(case.times):
                yield case, next(outcomes)


def script() -> Script:
    """Make the script from the bundled catalog."""
    examples = [event.example for event in load().events if event.type != "ping"]
    events = [example for example in examples if example is not None]
    cases = (
        Case("server is up", "200 up"),
        Case(f"{len(events)} events of the catalog", "200 handled", len(events)),
        Case("ping", "200 ignored"),
        Case("unknown type", "200 ignored"),
        Case('unknown type, for "transfer.*"', "200 handled"),
        Case("duplicate", "200 duplicate"),
        Case("forgery", "400 rejected (signature_mismatch)"),
        Case("stale", "400 rejected (timestamp_too_old)"),
        Case("handler fails", "500 failed (handler_failed)"),
        Case("... and succeeds on the retry", "200 handled"),
        Case("two at the same moment: one", "200 handled"),
        Case("... the other", "503 busy (busy, Retry-After)"),
        Case("... the other, sent again", "200 duplicate"),
        Case("handlers ran", "once each"),
    )
    return Script(cases, partial(_outcomes, events))


def _outcomes(events: list[Mapping[str, Any]], sender: Sender) -> Iterator[str]:
    """Yield what comes of each delivery; each of the events is delivered as a new one."""
    handled: list[Mapping[str, Any]] = []

    yield sender.wait_until_up()
    for example in events:
        handled.append({**example, "id": new_id()})
        yield sender.send(handled[-1])
    yield sender.send(new_event("ping"))
    yield sender.send(new_event("invoice.paid"))
    handled.append(new_event("transfer.renamed"))
    yield sender.send(handled[-1])

    yield sender.send(handled[0])
    yield sender.send(new_event("transfer.created"), secret=f"whsec_{'0' * 64}")
    yield sender.send(new_event("transfer.created"), timestamp=time.time() - 3600)

    stumbles = new_event("demo.stumbles")
    handled.append(stumbles)
    yield sender.send(stumbles)
    yield sender.send(stumbles)

    waits = new_event("demo.waits")
    handled.append(waits)
    yield from _two_at_once(sender, waits)
    yield sender.send(waits)
    yield _runs(sender, handled)


def new_event(event_type: str) -> Mapping[str, Any]:
    """Return an event that has nothing but an id and a type."""
    return {"id": new_id(), "type": event_type, "data": {}}


def _two_at_once(sender: Sender, event: Mapping[str, Any]) -> list[str]:
    """Deliver twice in parallel; the one that is handled ends when the other was answered."""
    with ThreadPoolExecutor(2) as threads:
        came: list[str] = []
        for reply in as_completed([threads.submit(sender.send, event) for _ in range(2)]):
            came.append(reply.result())
            sender.server.journal.with_name(f"{event['id']}.mark").touch()
    return sorted(came)


def _runs(sender: Sender, handled: list[Mapping[str, Any]]) -> str:
    """Compare the journal with what should be in it: each handler, once for each of its events."""
    wanted = {
        f"{event['id']} {handler}"
        for event in handled
        for handler, patterns in _HANDLERS.items()
        if any(fnmatchcase(event["type"], pattern) for pattern in patterns)
    }
    runs = Counter(sender.server.journal.read_text(encoding="utf-8").splitlines())
    wrong = sorted(run for run in {*wanted, *runs} if runs[run] != (run in wanted))
    if not wrong:
        return "once each"
    return f"not once ({len(wrong)} wrong, such as {wrong[0]}: {runs[wrong[0]]} times)"
