"""The other end of an engine, and of a replay: an event that was believed before is handled."""

from __future__ import annotations

from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from .dispatch.message import restore, unpack
from .effects import Settings, Steps, Tell
from .errors import Busy, ClaimLost, HandlerError, NoHandlers, NotReplayable, StoreUnavailable
from .handling import ask, bury, giving_back, run
from .identity import about, key_of, read
from .pipeline import hand_over
from .stores import Claim

if TYPE_CHECKING:
    from .reply import Outcome
    from .stores import Record

__all__ = ["execute", "replay"]


def execute(settings: Settings, message: Any) -> Steps[Outcome]:
    """Run the handlers for a message that the web process handed to an engine.

    Raises Busy or HandlerError (or another WebhookError), so that the engine brings it back.
    """
    event_id, token, delivery = unpack(message, settings.name)
    event, _ = read(settings, delivery)
    _refuse_without_handlers(settings)
    if event_id is None:
        outcome = yield from run(settings, delivery, event, None, Claim("claimed"))
    else:
        key = key_of(settings.name, event_id)
        digest = sha256(delivery.body).hexdigest()
        kept = about(settings, delivery, event)
        claim: Claim = yield from ask("claim", key, digest, settings.lease, token, kept)
        if claim.status == "conflict":
            return (yield from bury(settings, key, digest, delivery, event))
        if claim.status == "done":
            return "duplicate"
        if claim.status != "claimed":
            raise Busy("this event is being handled by another worker right now")
        work = run(settings, delivery, event, key, claim)
        outcome = yield from _leaving_queued(work, key, claim.token)
    yield Tell("executed", f"{event.type!a} {event.id!a}: {outcome}", delivery, event)
    return outcome


def replay(settings: Settings, record: Record) -> Steps[Outcome]:
    """Handle an event again whose body was kept: inline, or through the engine."""
    if record.body is None:
        raise NotReplayable(
            "its body is not kept; forget the event, and replay it from the Coffrify dashboard"
        )
    delivery = restore(record.delivery, record.body)
    event, _ = read(settings, delivery)
    if settings.dispatcher is None:
        _refuse_without_handlers(settings)
        if not settings.router.match(event):
            return "ignored"  # and still on record, for when a handler is there
    key, digest = record.key, record.digest
    over = record.status == "conflict"  # from now on this body is the one that counts
    if over:
        key = key_of(settings.name, delivery.id or "")
    known = about(settings, delivery, event)
    claim: Claim = yield from ask(
        "claim", key, digest, settings.lease, "", known, record.body, over=over
    )
    if claim.status in ("done", "conflict"):
        return "duplicate"
    if claim.status != "claimed":
        raise Busy("this event is being handled right now")
    if settings.dispatcher is not None:
        work = hand_over(settings, delivery, key, claim.token)
    else:
        work = run(settings, delivery, event, key, claim)
    outcome = yield from giving_back(
        work,
        settings,
        key,
        claim.token,
        record.body,
        failed="failed" if record.status == "failed" else "dead",  # its sender has given up
    )
    if over:
        yield from ask("forget", record.key)
    yield Tell("executed", f"replay of {event.type!a} {event.id!a}: {outcome}", delivery, event)
    return outcome


def _refuse_without_handlers(settings: Settings) -> None:
    if not len(settings.router):
        raise NoHandlers(
            "this process has registered no handler; import the module that holds them"
        )


def _leaving_queued(work: Steps[Outcome], key: str, token: str) -> Steps[Outcome]:
    """Leave the event queued if the work fails: the engine brings it back."""
    try:
        return (yield from work)
    except (ClaimLost, StoreUnavailable):
        raise
    except Exception as error:
        reason = error.reason if isinstance(error, HandlerError) else type(error).__name__
        with suppress(StoreUnavailable):
            yield from ask("queued", key, token, reason)
        raise
