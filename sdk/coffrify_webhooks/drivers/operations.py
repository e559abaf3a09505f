"""The one point that every operation goes through: told when it starts, and when it has ended."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from coffrify_webhooks.clock import monotonic
from coffrify_webhooks.errors import (
    DispatchError,
    HandlerError,
    StoreUnavailable,
    WebhookError,
)
from coffrify_webhooks.http.reply import Reply
from coffrify_webhooks.observe import LEAVING, Notice, logger, start_all, tell_all
from coffrify_webhooks.pipeline.effects import (
    Begin,
    CallHandler,
    Dispatch,
    End,
    Identify,
    StoreCall,
)
from coffrify_webhooks.stores import Claim

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from contextlib import AbstractContextManager

    from coffrify_webhooks.delivery import Delivery
    from coffrify_webhooks.event import Event
    from coffrify_webhooks.http.reply import Outcome
    from coffrify_webhooks.observe import Observer, Operation
    from coffrify_webhooks.pipeline.effects import Effect

    from .hooks import Hooks

__all__ = ["Operations"]

_ERRORS: dict[str, tuple[type[WebhookError], str]] = {
    "store": (StoreUnavailable, "the store failed"),
    "dispatch": (DispatchError, "the engine did not take the event"),
}
"""What an error of another library means in each."""


class Operations:
    """Tells observers of the operations of one delivery.

    What an observer returns for a start is entered where the operation begins and left where it
    ends, in one context: so an operation must not begin on one thread and end on another.
    """

    __slots__ = ("_attempt", "_delivery", "_event", "_listeners", "_open", "_receiver")

    def __init__(self, receiver: Hooks, listeners: Sequence[Observer]) -> None:
        self._receiver = receiver
        self._listeners = listeners
        self._delivery: Delivery | None = None
        self._event: Event | None = None
        self._attempt: int | None = None
        self._open: list[_Open] = []

    def perform(self, effect: Effect, perform: Callable[[Any], Any]) -> Any:
        """Perform an effect; as an operation, if it is one."""
        match effect:
            case Begin(kind):
                self._open.append(self._begin(kind))
                return None
            case End(error, result):
                self._open.pop().end(error, *_outcome_of(error, result))
                return None
            case Identify(delivery, event):
                self._delivery, self._event = delivery, event
                return None
            case StoreCall() | CallHandler() | Dispatch():
                pass
            case _:
                return perform(effect)
        operation = self._begin_effect(effect)
        try:
            result = perform(effect)
        except BaseException as error:
            operation.end(error)
            raise
        self._end_effect(effect, operation, result)
        return result

    async def perform_async(
        self, effect: CallHandler | StoreCall, perform: Callable[[Any], Awaitable[Any]]
    ) -> Any:
        """Await an effect as an operation."""
        operation = self._begin_effect(effect)
        try:
            result = await perform(effect)
        except BaseException as error:
            operation.end(error)
            raise
        self._end_effect(effect, operation, result)
        return result

    def _begin_effect(self, effect: StoreCall | CallHandler | Dispatch) -> _Open:
        match effect:
            case StoreCall():
                return self._begin("store", method=effect.method)
            case CallHandler():
                return self._begin("handler", handler=effect.handler.name)
            case Dispatch():
                return self._begin("dispatch")

    def _end_effect(self, effect: Effect, operation: _Open, result: Any) -> None:
        if isinstance(effect, CallHandler):
            operation.end(_handler_error(result))
            return
        if isinstance(result, Claim) and result.status == "claimed":
            self._attempt = max(1, result.attempts)
        operation.end()

    def _begin(
        self, kind: Operation, *, handler: str | None = None, method: str | None = None
    ) -> _Open:
        what = handler or method or ""
        notice = self.current(
            Notice(
                kind,
                self._receiver.name,
                f"{kind} %s: started" if what else f"{kind}: started",
                handler=handler,
                values=(what,) if what else (),
                phase="started",
                method=method,
            )
        )
        return _Open(self, self._listeners, notice)

    def current(self, notice: Notice, **more: Any) -> Notice:
        """Return a notice with what is known by now."""
        delivery = self._delivery
        age = None if delivery is None else self._receiver.clock() - delivery.timestamp
        return replace(
            notice,
            delivery=delivery,
            event=self._event,
            attempt=self._attempt,
            age=age,
            **more,
        )


class _Open:
    """An operation under way."""

    __slots__ = ("_entered", "_listeners", "_notice", "_operations", "_started")

    def __init__(
        self, operations: Operations, listeners: Sequence[Observer], notice: Notice
    ) -> None:
        self._operations = operations
        self._listeners = listeners
        self._notice = notice
        self._entered: list[AbstractContextManager[object, Any]] = start_all(listeners, notice)
        self._started = monotonic()  # not before: what observers take is not the operation's

    def end(
        self,
        raised: BaseException | None = None,
        outcome: Outcome | None = None,
        reply: Reply | None = None,
    ) -> None:
        """Tell of the end, then leave the contexts, the last one first."""
        seconds = monotonic() - self._started
        notice = self._notice
        failure = raised or (reply.error if reply is not None else None)
        error = None if failure is None else _as_ours(notice.kind, failure)
        if error is not None and notice.kind == "handler":
            failure = error.__cause__ or error
        phase = "completed" if failure is None and outcome != "dead" else "failed"
        ended = self._operations.current(
            notice,
            template=notice.template.replace("started", phase),
            phase=phase,
            seconds=seconds,
            error=error,
            outcome=outcome,
            reply=reply,
        )
        tell_all(self._listeners, ended)
        trace = None if failure is None else failure.__traceback__
        for context in reversed(self._entered):
            try:
                context.__exit__(None if failure is None else type(failure), failure, trace)
            except LEAVING:
                raise
            except BaseException:
                logger.exception("an observer raised on %r", notice.kind)


def _handler_error(raised: BaseException | None) -> HandlerError | None:
    if raised is None:
        return None
    error = HandlerError("a handler raised; the log has its traceback")
    error.__cause__ = raised
    return error


def _as_ours(kind: str, failure: BaseException) -> WebhookError:
    if isinstance(failure, WebhookError):
        return failure
    error_class, text = _ERRORS.get(kind, (WebhookError, "an error inside coffrify-webhooks"))
    error = error_class(text)
    error.__cause__ = failure
    return error


def _outcome_of(error: BaseException | None, result: Any) -> tuple[Outcome | None, Reply | None]:
    if isinstance(error, WebhookError):
        return cast("Outcome", error.outcome), None
    if isinstance(result, Reply):
        return result.outcome, result
    return (cast("Outcome", result), None) if isinstance(result, str) else (None, None)
