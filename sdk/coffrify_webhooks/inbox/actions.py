"""Replay and forget: what can be done with events, each confirmed first and told to observers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from coffrify_webhooks.clock import monotonic
from coffrify_webhooks.errors import HandlerError, WebhookError
from coffrify_webhooks.pipeline.effects import Notify
from coffrify_webhooks.stores.refused import REFUSED
from coffrify_webhooks.text import plain, quoted

from .event_page import REPLAYABLE, own_record
from .search import PAGE

if TYPE_CHECKING:
    from collections.abc import Callable

    from coffrify_webhooks.http.reply import Outcome
    from coffrify_webhooks.observe import Kind
    from coffrify_webhooks.receiver import Receiver
    from coffrify_webhooks.stores import Record

    from .pages import Pages
    from .request import InboxRequest
    from .response import Response

__all__ = ["Actions"]

_LONGEST = 20.0
"""Seconds after which no further event of a selection is begun: a browser, or a proxy, waits."""
_TEXTS: dict[Outcome, str] = {
    "handled": "handled",
    "queued": "queued for the engine",
    "ignored": "skipped: no handler wants it",
    "superseded": "skipped: a newer event of its object was handled",
}


class Result(NamedTuple):
    """What became of one event."""

    record: Record
    text: str
    is_good: bool = True


class Actions:
    """Performs an action on the events that a form names, once it has been confirmed."""

    def __init__(self, receiver: Receiver, pages: Pages) -> None:
        self._receiver = receiver
        self._pages = pages

    def replay(self, request: InboxRequest) -> Response:
        """Handle events again, oldest first."""
        return self._act(request, "replay", self._replay)

    def forget(self, request: InboxRequest) -> Response:
        """Drop all that is known of events."""
        return self._act(request, "forget", self._forget)

    def _act(
        self, request: InboxRequest, action: str, perform: Callable[[Record], Result]
    ) -> Response:
        keys = list(dict.fromkeys(request.form.get("key", [])))
        if len(keys) > PAGE:
            return self._pages.error(
                request, 400, "Too many events were chosen", f"Choose at most {PAGE} events."
            )
        found = (own_record(self._receiver, key) for key in keys)
        # Without their bodies, which may be large.
        records = [each._replace(body=None) for each in found if each is not None]
        if not records:
            return self._pages.error(
                request, 400, "No event was chosen", "Choose at least one event of the list."
            )
        if request.form.get("confirmed") != ["yes"]:
            return self._pages.page(request, "confirm.html", action=action, records=records)
        began, results = monotonic(), list[Result]()
        for record in sorted(records, key=lambda each: each.received_at):
            if results and monotonic() - began > _LONGEST:
                results.append(
                    Result(record, "not tried: the events before it took too long", is_good=False)
                )
            else:
                results.append(perform(record))
        return self._pages.page(request, "done.html", action=action, results=results)

    def _replay(self, record: Record) -> Result:
        if record.type == REFUSED:
            return Result(record, "a refused request cannot be replayed", is_good=False)
        if record.status not in REPLAYABLE:
            return Result(record, f"skipped: it is {record.status}", is_good=False)
        try:
            outcome = self._receiver.replay(record)
        except HandlerError as error:
            result = Result(record, f"failed: {plain(error.reason, 1000)}", is_good=False)
        except WebhookError as error:
            result = Result(record, f"not replayed: {error}", is_good=False)
        else:
            result = Result(record, _TEXTS.get(outcome, outcome))
        self._tell("replayed", "somebody replayed %s in the inbox: %s", record, result.text)
        return result

    def _forget(self, record: Record) -> Result:
        gone = self._receiver.store.forget(record.key)
        text = "forgotten" if gone else "it was already forgotten"
        self._tell("forgotten", "somebody forgot %s in the inbox: %s", record, text)
        return Result(record, text, gone)

    def _tell(self, kind: Kind, template: str, record: Record, text: str) -> None:
        name = quoted(record.id) if record.id else record.key[:12]
        self._receiver.tell(Notify(kind, template, values=(name, text)))
