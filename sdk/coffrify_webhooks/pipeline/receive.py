"""One delivery's way, as pure steps: verify, parse, claim, route, settle, reply.

Each function here is a generator of effects. It performs no I/O itself: it yields what it needs
(`StoreCall`, `CallHandler`, ...) and is sent the result, so that one text serves the sync and the
async driver in `coffrify_webhooks.drivers`, and a test can stop it at any step.
"""

from __future__ import annotations

import json
from contextlib import suppress
from hashlib import sha256
from logging import INFO
from typing import TYPE_CHECKING

from coffrify_webhooks.clock import monotonic
from coffrify_webhooks.dispatch.message import pack
from coffrify_webhooks.errors import (
    BodyTooLarge,
    BodyUnavailable,
    Busy,
    CompressedBody,
    DispatchError,
    MethodNotAllowed,
    NoHandlers,
    PayloadError,
    SecretsUnavailable,
    StoreUnavailable,
    VerificationError,
    WebhookError,
)
from coffrify_webhooks.event import count_issues
from coffrify_webhooks.http.reply import Outcome, Reply
from coffrify_webhooks.http.trace_context import trace_context
from coffrify_webhooks.parsing.parse import LARGE
from coffrify_webhooks.signature.headers import compression, pick
from coffrify_webhooks.stores.purging import PURGED_AT_ONCE
from coffrify_webhooks.text import quoted

from .drift import is_drift, record
from .effects import Compute, Dispatch, Identify, LoadSecrets, Notify, Settings, Steps
from .handle import body_to_keep, call_store, keep_conflict, releasing_on_error, run
from .identity import key_for, metadata_of, read, wanted_by
from .old_keys import report_old_key, store_key_use
from .operation import as_operation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from coffrify_webhooks.delivery import Delivery
    from coffrify_webhooks.event import Event
    from coffrify_webhooks.signature.headers import Headers
    from coffrify_webhooks.signature.keyring import Keyring
    from coffrify_webhooks.stores import Claim

__all__ = ["hand_over", "is_post", "notice_of_reply", "receive", "refuse", "screen"]


def receive(settings: Settings, body: bytes, headers: Headers, method: str) -> Steps[Reply]:
    """Take one delivery from its raw body to the reply; raises nothing a stranger can cause."""
    event: Event | None = None
    delivery: Delivery | None = None
    told = settings.tells_operations
    try:
        verify = _verify_as_operation if told else _verify
        delivery, found = yield from verify(settings, body, headers, method)
        pair: tuple[Event, bool]
        if len(delivery.body) > LARGE:
            pair = yield Compute(_read, (settings, delivery, found))
        else:
            pair = _read(settings, delivery, found)
        event, same_id = pair
        if told:
            yield Identify(delivery, event)
        if not same_id or delivery.id is None or count_issues(event):
            yield from _report_on(settings, delivery, event, same_id=same_id)
        outcome = yield from _claim_and_handle(settings, delivery, event)
        reply = Reply.success(outcome, event)
    except VerificationError as error:
        _explain(error, settings, body, headers)
        reply = Reply.failure(error)
        if settings.captures.is_due():
            from .capture import capture  # only where it is asked for

            yield from capture(settings, error.code, body, headers, method)
    except WebhookError as error:
        reply = Reply.failure(error, event)
    except Exception as error:  # a fault of ours must not become a traceback for strangers
        fault = WebhookError("an error inside coffrify-webhooks; the log has its traceback")
        fault.__cause__ = error
        reply = Reply.failure(fault, event)
    if delivery is not None and (settings.key_use.unnoted or is_drift(settings, event, reply)):
        yield from _keep_notes(settings, delivery, event, reply)
    if reply.error is not None or settings.is_heard(INFO):  # else 5 us for nobody
        yield notice_of_reply(reply, delivery)
    return reply


def _keep_notes(
    settings: Settings, delivery: Delivery, event: Event | None, reply: Reply
) -> Steps[None]:
    """Store what a delivery shows of the catalog and of the secrets."""
    if is_drift(settings, event, reply):
        yield from record(settings, delivery, event, reply)
    if reply.outcome != "unavailable":  # a store that does not answer is not asked once more
        yield from store_key_use(settings)


def refuse(reply: Reply) -> Steps[Reply]:
    """Tell of a request that is refused before it is read."""
    yield notice_of_reply(reply)
    return reply


def screen(settings: Settings, headers: Headers, method: str) -> None:
    """Raise the error of a request that no body could make acceptable; asks for no secret."""
    if not is_post(method):
        raise MethodNotAllowed("webhooks are delivered by POST")
    try:
        settings.verifier.screen(pick(headers))
    except VerificationError as error:
        _explain(error, settings, None, headers)
        raise


def _explain(
    error: VerificationError, settings: Settings, body: bytes | None, headers: Headers
) -> None:
    """Add what the request shows, for the log; only a refusal pays for it."""
    from coffrify_webhooks.doctor.hints import hints_for_log

    error.reason = hints_for_log(body, headers, settings.clock())


def is_post(method: str) -> bool:
    """Tell whether a request is a POST; some other texts become one in capitals."""
    return str(method).isascii() and str(method).upper() == "POST"


def _verify(
    settings: Settings, body: bytes | bytearray | memoryview, headers: Headers, method: str
) -> Steps[tuple[Delivery, Mapping[str, str]]]:
    if method != "POST" and not is_post(method):
        raise MethodNotAllowed("webhooks are delivered by POST")
    if not isinstance(body, (bytes, bytearray, memoryview)):
        raise BodyUnavailable(
            f"the body is {type(body).__name__}, not the raw bytes; pass the bytes that arrived, "
            "before anything parses them"
        )
    size = body.nbytes if isinstance(body, memoryview) else len(body)
    if size > settings.max_body:
        raise BodyTooLarge.over(settings.max_body)
    found = pick(headers)
    keyring: Keyring | None = None
    large = size > LARGE
    if large or settings.verifier.asks_for_secrets:
        settings.verifier.screen(found)  # nobody is asked, no thread taken for what is refused
    if settings.verifier.asks_for_secrets:
        keyring = yield LoadSecrets()
    if large:
        delivery: Delivery = yield Compute(settings.verifier.check, (bytes(body), found, keyring))
    else:
        delivery = settings.verifier.check(bytes(body), found, keyring)
    if settings.first_time("key", delivery.key, delivery.encoding, delivery.scheme):
        yield Notify(
            "key_matched",
            'secret %d matched (%s signature), read as %s; Secret(..., encoding="%s") pins it',
            delivery,
            values=(delivery.key, delivery.scheme, delivery.encoding, delivery.encoding),
        )
    ring = keyring or settings.verifier.static_keyring
    if ring is not None and (ring.tells_uses or settings.key_use.has_names):
        yield from report_old_key(settings, delivery, ring)
    else:
        settings.key_use.latest = delivery.timestamp
    return delivery, found


def _verify_as_operation(
    settings: Settings, body: bytes, headers: Headers, method: str
) -> Steps[tuple[Delivery, Mapping[str, str]]]:
    work = _verify(settings, body, headers, method)
    delivery, found = yield from as_operation("verify", work)
    delivery.trace_context = trace_context(headers)
    yield Identify(delivery)
    return delivery, found


def _read(settings: Settings, delivery: Delivery, found: Mapping[str, str]) -> tuple[Event, bool]:
    try:
        return read(settings, delivery)
    except PayloadError:
        encoding = compression(found, delivery.body)
        if encoding and not _is_json(delivery.body):
            raise CompressedBody.by(encoding) from None
        raise


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True


def _report_on(
    settings: Settings, delivery: Delivery, event: Event, *, same_id: bool
) -> Steps[None]:
    if delivery.id is None:
        if settings.first_time("no_id"):
            yield Notify(
                "no_dedup",
                "a %s event has no id; a repeat of the same request is a duplicate, but an attempt "
                "that the sender signs again counts as another event",
                delivery,
                event,
                values=(quoted(event.type),),
            )
    elif not same_id and "coffrify" in settings.verifier.schemes and settings.first_time("ids"):
        yield Notify(
            "ids_differ",
            'the signed webhook-id is not the body\'s id; set schemes=("standard",): otherwise '
            "whoever strips the standard headers turns it into another event, or one without an id",
            delivery,
            event,
        )
    if (misfits := count_issues(event)) and settings.first_time("issues", event.type):
        yield Notify(
            "issues",
            "a %s event does not fit its class in %d place(s); event.issues lists them",
            delivery,
            event,
            values=(quoted(event.type), misfits),
        )


def _claim_and_handle(settings: Settings, delivery: Delivery, event: Event) -> Steps[Outcome]:
    """Claim the event, then run it here or hand it over."""
    if settings.dispatcher is None and not len(settings.router):
        raise NoHandlers(f"no handler is registered; {settings.handlers_hint}")
    digest = sha256(delivery.body).hexdigest()
    key = key_for(settings.name, delivery, digest)
    # An engine may lose it: kept from before it is handed over, until it is done.
    body = None if settings.dispatcher is None else body_to_keep(settings, delivery.body)
    asked = monotonic()
    claim: Claim = yield from call_store(
        "claim", key, digest, settings.lease, None, metadata_of(settings, delivery, event), body
    )
    if settings.purge_schedule.is_due():
        yield from _purge(settings)
        if settings.captures.most:
            from .capture import forget_old

            yield from forget_old(settings)
    if claim.status in ("done", "queued"):
        return "duplicate"
    if claim.status == "busy":
        raise Busy("this event is being handled by another delivery right now")
    if claim.status == "conflict":
        return (yield from keep_conflict(settings, key, digest, delivery, event))
    if settings.dispatcher is not None:
        work = hand_over(settings, delivery, event, key, claim.token)
    else:
        work = run(settings, delivery, event, key, claim, asked)
    return (yield from releasing_on_error(work, settings, key, claim.token, delivery.body))


def hand_over(
    settings: Settings,
    delivery: Delivery,
    event: Event,
    key: str,
    token: str,
    *,
    handlers: Sequence[str] = (),
) -> Steps[Outcome]:
    """Dispatch, then mark queued: never marked first, or a crash in between would lose it.

    handlers: who is known to want the event, beside those that this process has loaded.
    """
    wanted = wanted_by(settings, event, handlers)
    message = pack(settings.name, key, token, delivery, settings.clock(), wanted)
    if settings.tells_operations:  # an observer puts its own context there, for the worker's
        message["dispatch_context"] = delivery.dispatch_context = {}
    try:
        yield Dispatch(message)
    except WebhookError:
        raise
    except Exception as error:
        raise DispatchError("the engine did not take the event") from error
    # False if a worker has the event already, and an error costs only a second hand-over.
    with suppress(StoreUnavailable):
        yield from call_store("queued", key, token)
    return "queued"


def _purge(settings: Settings) -> Steps[None]:
    if settings.purge_schedule.purge_beside(settings.store, settings.retention):
        return
    with suppress(StoreUnavailable):
        purged: int = yield from call_store("purge", settings.retention, PURGED_AT_ONCE)
        if purged >= PURGED_AT_ONCE:
            settings.purge_schedule.again()


def notice_of_reply(reply: Reply, delivery: Delivery | None = None) -> Notify:
    """Tell of a reply, by a template for each outcome and code."""
    event, error = reply.event, reply.error
    template, values = f"{reply.outcome}, {reply.status}", list[object]()
    if event is not None:
        template, values = f"%s %s: {template}", [quoted(event.type), quoted(event.id)]
    if error is not None:
        told = isinstance(error, (SecretsUnavailable, VerificationError))
        reason = str(getattr(error, "reason", "")) if told else ""
        template += f" ({error.code}: %s)" if not reason else f" ({error.code}: %s: %s)"
        values += [error, reason] if reason else [error]
    return Notify(
        "replied", template, delivery, event, reply=reply, error=error, values=tuple(values)
    )
