"""Runs what isolated receivers have handed over, as an engine's worker would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coffrify_webhooks.dispatch.message import unpack
from coffrify_webhooks.errors import MessageError, WebhookError
from coffrify_webhooks.observe import Facts
from coffrify_webhooks.parsing.parse import parse

from .layers import open_layer
from .result import Result

if TYPE_CHECKING:
    from coffrify_webhooks.dispatch import Message
    from coffrify_webhooks.event import Event
    from coffrify_webhooks.http.reply import Outcome
    from coffrify_webhooks.observe import Notice
    from coffrify_webhooks.receiver import Receiver

    from .isolation import Isolation

__all__ = ["run_queued"]


def run_queued(isolation: Isolation) -> list[Result[Event]]:
    """Run each message that is queued now; those that failed are queued again."""
    messages, isolation.queue[:] = [*isolation.queue], []
    found = list[Result["Event"]]()
    for receiver, message in messages:
        run = _Run(receiver, message)
        with open_layer(run):
            result = run.result()
        if run.is_to_be_tried_again:
            isolation.queue.append((receiver, message))
        isolation.results.append(result)
        found.append(result)
    return found


class _Run:
    """One message under way; a layer that observes its receiver."""

    def __init__(self, receiver: Receiver, message: Message) -> None:
        self._receiver = receiver
        self._message = message
        self._notices: list[Notice] = []
        self.is_to_be_tried_again = False

    def see(self, receiver: Receiver, setting: str, value: Any, /) -> Any:
        """See `Layer.see`."""
        ours = setting == "_observers" and receiver is self._receiver
        return (*value, Facts(self._notices.append)) if ours else value

    def result(self) -> Result[Event]:
        """Run the handlers; the status is what a reply of that outcome would have."""
        delivery = unpack(self._message, self._receiver).delivery
        event = parse(delivery.body, registry=self._receiver.router.registry)
        code, status = "", 200
        outcome: Outcome
        try:
            outcome = self._receiver.execute(self._message)
        except WebhookError as error:
            code, status = error.code, error.status
            outcome = "busy" if error.outcome == "busy" else "failed"
            self.is_to_be_tried_again = not isinstance(error, MessageError)
        if outcome == "dead":
            code, status = "handler_failed", 500
        raised = [each.error for each in self._notices if each.kind == "handler_failed"]
        cause = raised[0].__cause__ if raised and raised[0] is not None else None
        sent = f"{event.type} (queued) run"
        return Result(status, outcome, code, event, {}, "", cause, (*self._notices,), sent)
