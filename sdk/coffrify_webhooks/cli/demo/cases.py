"""What the sandbox is asked to send, and what is promised to come of it."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from coffrify_webhooks_codegen.catalog import load

from .sender import Sender, wait_for
from .servers import Running

if TYPE_CHECKING:
    from coffrify_webhooks_sandbox import Delivery

__all__ = ["Case", "Script", "script"]

_HANDLERS = {
    "announce": ["transfer.created"],
    "alarm": ["transfer.scan_infected", "transfer.scan_quarantined"],
    "count": ["transfer.*"],
    "audit": ["workspace.*", "api_key.*", "webhook.*", "scim.*", "saml.*"],
    "failing_handler": ["demo.stumbles"],
    "steady_handler": ["demo.stumbles"],
    "waiting_handler": ["demo.waits"],
    "broken_handler": ["demo.breaks"],
}
"""The handlers of coffrify_webhooks_examples and their events, told here a second time: what the
router makes of them is under test."""
_ATTEMPTS = 12
_GRACE = 24 * 3600.0


class Case(NamedTuple):
    """One row: what is done, what must come of it, and how many times."""

    name: str
    promise: str
    times: int = 1


@dataclass(frozen=True)
class Script:
    """Every case, in the order in which they are played."""

    cases: tuple[Case, ...]
    events: tuple[str, ...]
    """The event types that are sent in it."""
    outcomes: Callable[[Sender], Iterator[Mapping[str, str]]]
    """Sends everything; yields the results at each server, in the order of the cases."""

    def play(self, sender: Sender) -> Iterator[tuple[Case, str, str]]:
        """Send everything; yields each case, server and result."""
        outcomes = self.outcomes(sender)
        for case in self.cases:
            for _ in range(case.times):
                for server, outcome in next(outcomes).items():
                    yield case, server, outcome


def script() -> Script:
    """Make the script from the bundled catalog."""
    types = [event.type for event in load().events]
    events = [event_type for event_type in types if event_type != "ping"]
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
        Case("... the other, on the retry", "200 duplicate"),
        Case(f"fails for 72 h, {_ATTEMPTS} attempts", "500 failed (handler_failed)", _ATTEMPTS),
        Case("... its last status", "dead letter"),
        Case("... repaired, and replayed", "200 handled (the same event)"),
        Case("secret rotated: both sign", "200 handled"),
        Case("... a day later, the new alone", "400 rejected (signature_mismatch)"),
        Case("handlers ran", "once each"),
    )
    more = ("demo.stumbles", "demo.waits", "demo.breaks")
    return Script(cases, (*types, *more), partial(_outcomes, events))


def _outcomes(events: list[str], sender: Sender) -> Iterator[Mapping[str, str]]:
    """Yield what comes of each step at each server."""
    yield sender.each(Running.wait_until_up)
    for event_type in events:
        yield sender.answers(sender.send(event_type))
    yield sender.answers(sender.send("ping"))
    yield sender.answers(sender.send("ping", "unknown-type"))
    yield sender.answers(sender.send("transfer.created", "unknown-type"))

    yield sender.answers(sender.send("transfer.created", "duplicate"), delivery=1)
    yield sender.answers(sender.send("transfer.created", "forged"))
    yield sender.answers(sender.send("transfer.created", "stale"))

    stumbles = sender.send("demo.stumbles")
    yield sender.answers(stumbles)
    sender.let_retry(stumbles)
    yield sender.answers(stumbles, attempt=2)

    yield from _two_at_once(sender)
    yield from _dead_letter(sender)

    sender.rotate_secrets()
    yield sender.answers(sender.send("transfer.created"))
    sender.skip(_GRACE)
    yield sender.answers(sender.send("transfer.created"))
    yield sender.each(partial(_runs, sender))


def _two_at_once(sender: Sender) -> Iterator[Mapping[str, str]]:
    """Send twice in parallel; the one that is handled ends when the other was answered."""
    waits = sender.begin("demo.waits", "concurrent")

    def free(server: Running) -> str:
        wait_for(lambda: any(map(_is_tried, sender.deliveries(waits, server))))
        server.mark(waits.id).touch()
        return ""

    def both(server: Running) -> list[str]:
        return sorted(map(sender.answer, sender.deliveries(waits, server)))

    def retried(server: Running) -> str:
        again = [each for each in sender.deliveries(waits, server) if each.attempts > 1]
        return sender.answer(again[0], 2) if again else "not tried again"

    sender.each(free)
    sender.settle()
    yield sender.each(lambda server: both(server)[0])
    yield sender.each(lambda server: both(server)[1])
    sender.let_retry(waits)
    yield sender.each(retried)


def _is_tried(delivery: "Delivery") -> bool:
    return delivery.status not in ("pending", "sending")


def _dead_letter(sender: Sender) -> Iterator[Mapping[str, str]]:
    """Let a handler fail until the sandbox gives up; repair it, and replay."""
    breaks = sender.send("demo.breaks")
    yield sender.answers(breaks)
    for number in range(2, _ATTEMPTS + 1):
        sender.let_retry(breaks)
        yield sender.answers(breaks, attempt=number)

    def status(server: Running) -> str:
        return sender.deliveries(breaks, server)[0].status.replace("_", " ")

    def replayed(server: Running) -> str:
        server.mark(breaks.id).touch()
        answer = sender.replay(breaks, server)
        ids = {sender.sent_id(each) for each in sender.deliveries(breaks, server)}
        return f"{answer} ({'the same' if len(ids) == 1 else 'another'} event)"

    yield sender.each(status)
    yield sender.each(replayed)


def _runs(sender: Sender, server: Running) -> str:
    """Compare the journal with what should be in it: each handler, once for each of its events."""
    wanted = {
        f"{event.id} {handler}"
        for event in sender.accepted_events(server)
        for handler, patterns in _HANDLERS.items()
        if any(fnmatchcase(event.type, pattern) for pattern in patterns)
    }
    runs = Counter(server.journal.read_text(encoding="utf-8").splitlines())
    wrong = sorted(run for run in {*wanted, *runs} if runs[run] != (run in wanted))
    if not wrong:
        return "once each"
    return f"not once ({len(wrong)} wrong, such as {wrong[0]}: {runs[wrong[0]]} times)"
