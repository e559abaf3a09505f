"""Handing a message to an engine, within the time that the sender waits."""

from inspect import isawaitable, iscoroutine

from coffrify_webhooks.concurrency import threads
from coffrify_webhooks.errors import DispatchError

from .protocol import Dispatcher, Message

__all__ = ["dispatch_within"]


def dispatch_within(seconds: float, dispatcher: Dispatcher, message: Message) -> None:
    """Call `dispatch`; raise DispatchError if it takes longer, or is async."""
    late = DispatchError("the engine did not take the event in time")
    result: object = threads.call_within(seconds, late, "engines", dispatcher.dispatch, message)
    if isawaitable(result):
        if iscoroutine(result):
            result.close()  # or Python would say, elsewhere, that nobody awaited it
        raise DispatchError(
            "dispatch() is async, so the event was not handed over; make it a plain method"
        )
