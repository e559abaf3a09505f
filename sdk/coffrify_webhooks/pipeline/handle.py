"""Handling a claimed event: call its handlers, record what finished, settle or give back."""

from __future__ import annotations

from contextlib import suppress
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, cast

from coffrify_webhooks.clock import monotonic
from coffrify_webhooks.errors import (
    ClaimLost,
    HandlerError,
    StoreUnavailable,
    WebhookError,
)
from coffrify_webhooks.event import Event, UnknownEvent
from coffrify_webhooks.handlers.order import is_older
from coffrify_webhooks.observe import LEAVING
from coffrify_webhooks.stores import Move
from coffrify_webhooks.text import quoted

from .atomic import refuse_atomic
from .effects import CallHandler, Notify, Settings, Steps, StoreCall
from .identity import conflict_key, metadata_of
from .order import (
    KeyBusy,
    Progress,
    Superseded,
    comes_back,
    notice_of_superseded,
    refuse_unordered,
)

if TYPE_CHECKING:
    from coffrify_webhooks.delivery import Delivery
    from coffrify_webhooks.handlers.handler import Handler
    from coffrify_webhooks.handlers.order import Order
    from coffrify_webhooks.http.reply import Outcome
    from coffrify_webhooks.stores import Claim, Lock, Record

__all__ = ["body_to_keep", "call_store", "keep_conflict", "releasing_on_error", "run"]

_LONGEST_REASON = 500
"""Characters that the store keeps, however many handlers failed."""
_FRESH = 6
"""A claim this part of its lease old is renewed: with half a lease until there is a place for the
handler, and a third until the first renewal, the lease has not ended."""


def run(
    settings: Settings,
    delivery: Delivery,
    event: Event,
    key: str | None,
    claim: Claim,
    asked: float,
) -> Steps[Outcome]:
    """Call each handler that has not finished yet; one that raises does not stop the others.

    asked: monotonic seconds, from before the store was asked for the claim.
    """
    handlers = settings.router.match(event)
    if not handlers:
        yield from _report_unhandled(settings, delivery, event)
        if key is not None:
            yield from call_store("release", key, claim.token)
        return "ignored"
    unfinished: list[tuple[Handler, BaseException]] = []
    skipped = 0
    pending = [settings.bound(each) for each in handlers if each.name not in claim.finished]
    for handler in pending:
        refuse_atomic(settings, handler)
        call = CallHandler(handler, event, delivery, key, claim.token)
        failure: BaseException | None
        if handler.order is None:
            failure = yield from _call(settings, call, asked)
        else:
            failure = yield from _call_in_turn(settings, call, handler.order, asked)
        if failure is not None:
            yield from _tell_failure(delivery, event, handler, failure)
            if not isinstance(failure, Superseded):
                unfinished.append((handler, failure))
                continue
            skipped += 1
        # The last of an unbroken row needs no checkpoint: `done` says as much.
        is_recorded = handler.atomic and failure is None
        if key is not None and not is_recorded and (unfinished or handler is not pending[-1]):
            _check_claim((yield from call_store("checkpoint", key, claim.token, handler.name)))
    if unfinished:
        raise _error_of(unfinished)
    if key is not None:
        _check_claim((yield from call_store("done", key, claim.token)))
    return "superseded" if skipped == len(handlers) else "handled"


def _call(
    settings: Settings, call: CallHandler, asked: float, asked_lock: float = 0.0
) -> Steps[BaseException | None]:
    """Call a handler while what it needs is held.

    A store that answers late, or a process that stands still, may cost a delivery its claim before
    the handler has begun; another has then handled the event. The time for which the whole machine
    is suspended is not seen: Linux's monotonic clock leaves it out.
    """
    if not call.handler.atomic:  # else the store checks both in the handler's transaction
        old = monotonic() - settings.lease / _FRESH
        if asked < old and call.key is not None:
            _check_claim((yield from call_store("renew", call.key, call.token, settings.lease)))
        if asked_lock < old and call.move is not None:
            _check_lock((yield from call_store("renew_lock", *call.move[:2], settings.lease)))
    failure: BaseException | None = yield call
    return failure


def _call_in_turn(
    settings: Settings, call: CallHandler, order: Order, asked: float
) -> Steps[BaseException | None]:
    """Call an ordered handler while no other event of the same object is at it.

    Returns what it raised; KeyBusy or Superseded if it was not called.
    """
    handler = call.handler
    refuse_unordered(settings.store, [handler], settings.how_to_set)
    try:
        mark = order.mark_for(settings.name, handler.name, call.event)
        version = order.version_of(handler.name, call.event, call.delivery)
    except Exception as error:  # the user's functions: the handler's failure
        return error
    asked_lock = monotonic()
    lock: Lock | None = yield from call_store("lock", mark, settings.lease)
    if lock is None:
        return KeyBusy()
    held = before = Move(mark, lock.token)
    if version is None:
        call.move = held
    else:
        progress, now = Progress.read(lock.state), settings.clock()
        refusal = yield from _check_turn(call, version, progress, now)
        if refusal is not None:
            yield from _unlock(held)
            return refusal
        before = held._replace(state=progress.without(call.key).write())
        call.move = held._replace(state=Progress(version).write())
        # Else, if the process dies, an older event could run after what this one has done.
        if call.key is not None and not handler.atomic:
            begun = progress.begin(version, call.key, now).write()
            _check_lock((yield from call_store("renew_lock", *held[:2], settings.lease, begun)))
    try:
        failure: BaseException | None = yield from _call(settings, call, asked, asked_lock)
    except (ClaimLost, StoreUnavailable):  # of an atomic one the transaction may have ended
        yield from _unlock(held if handler.atomic else before)
        raise
    except (Exception, *LEAVING):  # it did not begin, or was left
        yield from _unlock(before)
        raise
    if failure is not None:
        yield from _unlock(before)
    # Before the handler's finish is recorded: after a crash in between it runs again. The other
    # way round, an older event could run after this one.
    elif not handler.atomic:
        _check_lock((yield from call_store("unlock", *call.move)))
    return failure


def _check_turn(
    call: CallHandler, version: str, progress: Progress, now: float
) -> Steps[Exception | None]:
    """Tell why an event must not be handled now: it is older than what was, or has begun."""
    name, finished = call.handler.name, progress.finished
    try:
        if finished is not None and is_older(name, version, finished):
            return Superseded()
        newer = [each for each in progress.begun if is_older(name, version, each.version)]
    except TypeError as error:  # they cannot be compared
        return error
    for begun in newer:  # the process that had it has died: if it comes again, this one waits
        record: Record | None = yield from call_store("get", begun.key)
        if comes_back(begun, record, now):
            return KeyBusy()
    return None


def _check_lock(held: bool) -> None:  # noqa: FBT001
    if not held:
        raise ClaimLost("the lock on the event's object ended while the event was handled")


def _unlock(move: Move) -> Steps[None]:
    """Give a lock back; if that fails its lease ends by itself."""
    with suppress(StoreUnavailable):
        yield from call_store("unlock", *move)


def _tell_failure(
    delivery: Delivery, event: Event, handler: Handler, failure: BaseException
) -> Steps[None]:
    if isinstance(failure, Superseded):
        yield notice_of_superseded(delivery, event, handler)
    elif not isinstance(failure, KeyBusy):
        yield _handler_failed(delivery, event, handler, failure)


def _handler_failed(
    delivery: Delivery, event: Event, handler: Handler, error: BaseException
) -> Notify:
    failed = HandlerError("a handler raised; the log has its traceback")
    failed.__cause__ = error
    text, values = (
        "handler %s raised on %s %s",
        (handler.name, quoted(event.type), quoted(event.id)),
    )
    return Notify(
        "handler_failed", text, delivery, event, handler.name, error=failed, values=values
    )


def _error_of(unfinished: list[tuple[Handler, BaseException]]) -> WebhookError:
    """Return the error of an event that some handlers have not finished."""
    failures = [each for each in unfinished if not isinstance(each[1], KeyBusy)]
    if not failures:
        return cast("KeyBusy", unfinished[0][1])
    failed = HandlerError("a handler raised; the log has its traceback")
    failed.__cause__ = failures[0][1]
    reasons = "; ".join(_reason(handler, error) for handler, error in failures)
    failed.reason = reasons[:_LONGEST_REASON]
    failed.put_off = len(failures) < len(unfinished)
    return failed


def _reason(handler: Handler, error: BaseException) -> str:
    """Say which handler raised what, and where; never the exception's text, it may quote."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    where = ""
    if frame is not None:
        where = f" at {PurePath(frame.tb_frame.f_code.co_filename).name}:{frame.tb_lineno}"
    return f"{handler.name} raised {type(error).__name__}{where}"


def _report_unhandled(settings: Settings, delivery: Delivery, event: Event) -> Steps[None]:
    if event.type == "ping" or not settings.first_time("unhandled", event.type):
        return
    name = type(event).__name__
    home, unknown = type(event).__module__.rpartition(".")[0], ""
    if isinstance(event, UnknownEvent):
        home, unknown = "coffrify_webhooks", ", allow_unknown=True"
    on_home = "coffrify_webhooks" if home.startswith("coffrify_webhooks") else home
    yield Notify(
        "unhandled",
        "no handler is registered for %s; one would be:\n\nfrom %s import on\nfrom %s import "
        "%s\n\n\n@on(%s%s)\ndef handle(event: %s) -> None: ...\n",
        delivery,
        event,
        values=(quoted(event.type), on_home, home, name, quoted(event.type), unknown, name),
    )


def keep_conflict(
    settings: Settings, key: str, digest: str, delivery: Delivery, event: Event
) -> Steps[Outcome]:
    """Keep another body of an event that was handled, and do not run it."""
    yield from call_store(
        "conflict",
        conflict_key(key, digest),
        digest,
        metadata_of(settings, delivery, event),
        body_to_keep(settings, delivery.body),
    )
    yield Notify(
        "conflict",
        "an event that was handled arrived again with another body; the new body is kept as a "
        "dead letter and was not handled",
        delivery,
        event,
    )
    return "conflict"


def body_to_keep(settings: Settings, body: bytes) -> bytes | None:
    """Return the body if it may be kept."""
    return body if len(body) <= settings.keep_body else None


def releasing_on_error(
    work: Steps[Outcome],
    settings: Settings,
    key: str,
    token: str,
    body: bytes,
) -> Steps[Outcome]:
    """Give the claim back if the work fails, so that the next attempt need not wait for it.

    So too if the process is told to leave, and the handler has been left.
    """
    try:
        return (yield from work)
    except (ClaimLost, StoreUnavailable):
        raise  # nothing to give back, or nobody to give it to: the lease ends by itself
    except (Exception, *LEAVING) as error:
        with suppress(StoreUnavailable):
            if isinstance(error, HandlerError):
                yield from call_store(
                    "failed", key, token, error.reason, body_to_keep(settings, body)
                )
            else:
                yield from call_store("release", key, token)
        raise


def call_store(method: str, *arguments: Any, **options: Any) -> Steps[Any]:
    """Ask the store; whatever it raises that is not ours means that it is unavailable."""
    try:
        return (yield StoreCall(method, arguments, options))
    except WebhookError:
        raise
    except Exception as error:
        raise StoreUnavailable("the store failed") from error


def _check_claim(held: bool) -> None:  # noqa: FBT001
    if not held:
        raise ClaimLost("the claim on this event ended while the event was handled")
