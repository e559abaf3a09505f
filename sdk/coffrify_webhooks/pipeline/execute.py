"""The other end of an engine, and of a replay: an event that was believed before is handled."""

from __future__ import annotations

from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from coffrify_webhooks.clock import monotonic
from coffrify_webhooks.dispatch.message import handlers_in, restore, unpack
from coffrify_webhooks.errors import (
    Busy,
    ClaimLost,
    HandlerError,
    MessageError,
    NoHandlers,
    NotReplayable,
    PayloadError,
    StoreUnavailable,
    WebhookError,
)
from coffrify_webhooks.observe import LEAVING
from coffrify_webhooks.parsing.parse import LARGE
from coffrify_webhooks.text import quoted

from .effects import Compute, Identify, Notify, Settings, Steps
from .handle import body_to_keep, call_store, keep_conflict, run
from .identity import key_for, metadata_of, read
from .receive import hand_over

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coffrify_webhooks.delivery import Delivery
    from coffrify_webhooks.event import Event
    from coffrify_webhooks.http.reply import Outcome
    from coffrify_webhooks.retries import Retries
    from coffrify_webhooks.stores import Claim, Record

__all__ = ["execute", "replay"]

_SOME = ("any handler for it",)


def execute(settings: Settings, message: Any) -> Steps[Outcome]:
    """Run the handlers for a message that the web process handed to an engine.

    Raises Busy or HandlerError (or another WebhookError), so that the engine brings it back after
    `retry_after` seconds; returns "dead" once the last attempt has failed.
    """
    try:
        return (yield from _execute(settings, message))
    except (Busy, HandlerError, MessageError):
        raise  # in order, or told by whoever catches it
    except WebhookError as error:
        text = f"an event from the engine was postponed ({error.code}: %s)"
        yield Notify("put_off", text, error=error, values=(error,))
        raise


def _execute(settings: Settings, message: Any) -> Steps[Outcome]:
    key, token, delivery, known_handlers = unpack(message, settings)
    try:
        event, _ = yield from _read(settings, delivery)
    except PayloadError:  # it was readable in the web process; trying again will not help
        raise MessageError(
            "this worker cannot read the body of the engine's message: it is damaged, or the web "
            f"process and the worker do not have the same {settings.how_to_set('strict', '...')}"
        ) from None
    _refuse_without_handlers(settings)
    digest = sha256(delivery.body).hexdigest()
    known = metadata_of(settings, delivery, event, known_handlers)
    body = body_to_keep(settings, delivery.body)
    asked = monotonic()
    claim: Claim = yield from call_store("claim", key, digest, settings.lease, token, known, body)
    if claim.status == "conflict":
        return (yield from keep_conflict(settings, key, digest, delivery, event))
    if claim.status == "done":
        return "duplicate"
    if claim.status != "claimed":
        raise Busy("this event is being handled by another worker right now")
    loaded = {handler.name for handler in settings.router.match(event)}
    missing = [name for name in known_handlers if name not in loaded]
    if missing and not loaded:
        work = _fail_unloaded(settings, event, missing)
    else:
        if missing and settings.first_time("missing", *missing):
            yield _notice_of_missing(delivery, event, missing)
        work = run(settings, delivery, event, key, claim, asked)
    outcome, reason = yield from _run_attempt(settings.retries, work, key, claim)
    if outcome == "dead":
        yield _notice_of_dead_letter(delivery, event, claim, reason)
    values = (quoted(event.type), quoted(event.id), outcome)
    yield Notify("executed", "%s %s: %s", delivery, event, values=values)
    return outcome


def _read(settings: Settings, delivery: Delivery) -> Steps[tuple[Event, bool]]:
    found: tuple[Event, bool]
    if len(delivery.body) > LARGE:
        found = yield Compute(read, (settings, delivery))
    else:
        found = read(settings, delivery)
    if settings.tells_operations:
        yield Identify(delivery, found[0])
    return found


def replay(settings: Settings, record: Record) -> Steps[Outcome]:
    """Handle an event again whose body was kept: inline, or through the engine."""
    if record.body is None:
        raise NotReplayable(
            "its body was not kept; forget the event, and replay it from the Coffrify dashboard"
        )
    delivery = restore(record.delivery, record.body)
    event, _ = yield from _read(settings, delivery)
    if settings.dispatcher is None:
        _refuse_without_handlers(settings)
        if not settings.router.match(event):
            return "ignored"  # and still on record, for when a handler is there
    key, digest = record.key, record.digest
    over = record.status == "conflict"  # from now on this body is the one that counts
    if over:
        key = key_for(settings.name, delivery, digest)
    wanted = handlers_in(record.delivery)
    known = metadata_of(settings, delivery, event, wanted)
    asked = monotonic()
    claim: Claim = yield from call_store(
        "claim", key, digest, settings.lease, "", known, record.body, over=over
    )
    if claim.status in ("done", "conflict"):
        return "duplicate"
    if claim.status != "claimed":
        raise Busy("this event is being handled right now")
    if settings.dispatcher is not None:
        if record.status in ("dead", "failed", "conflict"):
            wanted = wanted or _SOME  # or it would not have been tried
        work = hand_over(settings, delivery, event, key, claim.token, handlers=wanted)
    else:
        work = run(settings, delivery, event, key, claim, asked)
    outcome = yield from _run_replay(work, record, key, claim)
    if over:
        yield from call_store("forget", record.key)
    values = (quoted(event.type), quoted(event.id), outcome)
    yield Notify("executed", "replay of %s %s: %s", delivery, event, values=values)
    return outcome


def _run_replay(work: Steps[Outcome], record: Record, key: str, claim: Claim) -> Steps[Outcome]:
    """Do the work; if it fails, put the event back where it was: nobody may send it again."""
    try:
        return (yield from work)
    except (ClaimLost, StoreUnavailable):
        raise
    except (Exception, *LEAVING) as error:
        failed = isinstance(error, HandlerError)
        reason = error.reason if isinstance(error, HandlerError) else record.error
        with suppress(StoreUnavailable):
            if record.status in ("queued", "running", "claimed") and not failed:
                yield from call_store("queued", key, claim.token)
            elif record.status == "failed":
                yield from call_store("failed", key, claim.token, reason, record.body)
            else:
                reason = reason or type(error).__name__
                yield from call_store("dead", key, claim.token, reason, record.body)
        raise


def _refuse_without_handlers(settings: Settings) -> None:
    if not len(settings.router):
        raise NoHandlers(f"this process has registered no handler; {settings.handlers_hint}")


def _fail_unloaded(settings: Settings, event: Event, handlers: Sequence[str]) -> Steps[Outcome]:
    """Fail an event that handlers elsewhere want: as while a new release is rolled out."""
    error = NoHandlers(
        f"this worker has not loaded {', '.join(handlers)}, which {quoted(event.type)} is for; "
        f"{settings.handlers_hint}"
    )
    error.reason = f"not loaded: {', '.join(handlers)}"
    raise error
    yield  # a generator, as its like


def _run_attempt(
    retries: Retries, work: Steps[Outcome], key: str, claim: Claim
) -> Steps[tuple[Outcome, str]]:
    """Run one attempt; if it fails leave the event queued, or dead after the last, with why."""
    if claim.attempts > retries.attempts:
        # Each attempt so far took its worker along, or could not be recorded.
        reason = "its worker died while handling it, or could not record the result"
        yield from call_store("dead", key, claim.token, reason)
        return "dead", reason
    try:
        return (yield from work), ""
    except (ClaimLost, StoreUnavailable):
        raise
    except Busy:  # of an object: no attempt is spent
        with suppress(StoreUnavailable):
            yield from call_store("queued", key, claim.token)
        raise
    except Exception as error:
        reason = getattr(error, "reason", "") or type(error).__name__
        if claim.attempts >= retries.attempts and not getattr(error, "put_off", False):
            yield from call_store("dead", key, claim.token, reason)
            return "dead", reason
        with suppress(StoreUnavailable):
            yield from call_store("queued", key, claim.token, reason)
        if isinstance(error, WebhookError):
            error.retry_after = retries.wait(claim.attempts)
        raise
    except LEAVING:
        with suppress(StoreUnavailable):
            yield from call_store("queued", key, claim.token, "its worker was stopped")
        raise


def _notice_of_dead_letter(delivery: Delivery, event: Event, claim: Claim, reason: str) -> Notify:
    text = (
        "%s %s is a dead letter after %d attempts (%s); `coffrify-webhooks events replay` handles "
        "it again"
    )
    values = (quoted(event.type), quoted(event.id), claim.attempts, reason)
    return Notify("dead", text, delivery, event, values=values)


def _notice_of_missing(delivery: Delivery, event: Event, missing: Sequence[str]) -> Notify:
    text = (
        "this worker has not loaded %s, which the web process has for %s; the other handlers run, "
        "and these do not"
    )
    return Notify(
        "handlers_missing", text, delivery, event, values=(", ".join(missing), quoted(event.type))
    )
