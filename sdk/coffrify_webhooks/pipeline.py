"""One delivery's way, as pure steps: verify, parse, claim, route, settle, reply.

Each function here is a generator of effects. It performs no I/O itself: it yields what it needs
(`Ask` the store, `Call` a handler, ...) and is sent the result, so that one text serves the sync
and the async driver in `coffrify_webhooks.receiver`, and a test can stop it at any step.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

from .dispatch.message import pack, unpack
from .errors import (
    BodyTooLarge,
    BodyUnavailable,
    Busy,
    ClaimLost,
    DispatchError,
    HandlerError,
    MethodNotAllowed,
    NoHandlers,
    StoreUnavailable,
    WebhookError,
)
from .event import Event, UnknownEvent
from .parsing import parse
from .reply import Outcome, Reply
from .stores import Claim

if TYPE_CHECKING:
    from .delivery import Delivery
    from .dispatch import Dispatcher, Message
    from .observe import Kind
    from .router import Handler, Router
    from .signature import Headers, Keyring, Verifier

__all__ = [
    "Ask",
    "Call",
    "Effect",
    "Hand",
    "LoadSecrets",
    "Settings",
    "Steps",
    "Tell",
    "execute",
    "key_of",
    "receive",
]

T = TypeVar("T")

_PURGE = 1000
"""How many old claims one delivery drops at the most."""
FAILURES = (Exception, CancelledError)
"""What counts as a handler that failed: a cancelled one, as when its loop shuts down, has ended."""


# --- effects ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LoadSecrets:
    """Ask the user's callable for the secrets; is sent a Keyring."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Call a method of the store; is sent what it returns."""

    method: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """Call one handler."""

    handler: Handler
    event: Event
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class Hand:
    """Hand a message to the engine."""

    message: Message


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell the observers; what they raise does not come back."""

    kind: Kind
    text: str
    delivery: Delivery | None = None
    event: Event | None = None
    handler: str | None = None
    reply: Reply | None = None
    error: WebhookError | None = None


Effect: TypeAlias = LoadSecrets | Ask | Call | Hand | Tell
Steps: TypeAlias = Generator[Effect, Any, T]


class Settings(Protocol):
    """What the steps need to know of a receiver; reading it does no I/O."""

    @property
    def name(self) -> str: ...
    @property
    def router(self) -> Router: ...
    @property
    def verifier(self) -> Verifier: ...
    @property
    def dispatcher(self) -> Dispatcher | None: ...
    @property
    def max_body(self) -> int: ...
    @property
    def lease(self) -> float: ...
    @property
    def strict(self) -> bool: ...
    @property
    def retention(self) -> float: ...
    @property
    def clock(self) -> Callable[[], float]: ...
    def first_time(self, *what: object) -> bool: ...
    def purge_is_due(self) -> bool: ...
    def purge_again(self) -> None: ...


# --- the web process --------------------------------------------------------------------------


def receive(settings: Settings, body: bytes, headers: Headers, method: str) -> Steps[Reply]:
    """Take one delivery from its raw body to the reply; raises nothing a stranger can cause."""
    event: Event | None = None
    delivery: Delivery | None = None
    try:
        delivery = yield from _believe(settings, body, headers, method)
        event, same_id = _read(settings, delivery)
        yield from _report_on(settings, delivery, event, same_id=same_id)
        if settings.dispatcher is None and not len(settings.router):
            raise NoHandlers(  # noqa: TRY301 - answered below like every other error
                "no handler at all is registered; import the module that holds them, or name it: "
                'Receiver(handlers=("myapp.webhooks",))'
            )
        outcome = yield from _settle(settings, delivery, event)
        reply = Reply.success(outcome, event)
    except WebhookError as error:
        reply = Reply.failure(error, event)
    except Exception as error:  # noqa: BLE001 - a fault of ours must not become a traceback for strangers
        fault = WebhookError("an error inside coffrify-webhooks; the log has its traceback")
        fault.__cause__ = error
        reply = Reply.failure(fault, event)
    yield Tell("replied", _summary(reply), delivery, event, reply=reply, error=reply.error)
    return reply


def _believe(
    settings: Settings, body: bytes | bytearray | memoryview, headers: Headers, method: str
) -> Steps[Delivery]:
    if str(method).upper() != "POST":
        raise MethodNotAllowed("webhooks are delivered by POST")
    if not isinstance(body, (bytes, bytearray, memoryview)):
        raise BodyUnavailable(
            f"the body is {type(body).__name__}, not the raw bytes; hand over what arrived, "
            "before anything parsed it"
        )
    size = body.nbytes if isinstance(body, memoryview) else len(body)
    if size > settings.max_body:
        raise BodyTooLarge.over(settings.max_body)
    keyring: Keyring | None = None
    if settings.verifier.asks_for_secrets:
        keyring = yield LoadSecrets()
    delivery = settings.verifier.verify(bytes(body), headers, keyring)
    if settings.first_time("key", delivery.key, delivery.encoding, delivery.scheme):
        yield Tell(
            "key_matched",
            f"secret {delivery.key} matched ({delivery.scheme} signature), read as "
            f'{delivery.encoding}; Secret(..., encoding="{delivery.encoding}") pins it',
            delivery,
        )
    return delivery


def _read(settings: Settings, delivery: Delivery) -> tuple[Event, bool]:
    """Parse the body, and settle which id the event goes by: one that the signature covers.

    Also tells whether the body's own id is that one.
    """
    event = parse(delivery.body, strict=settings.strict, registry=settings.router.registry)
    body_id = event.id if isinstance(event.id, str) and event.id else None
    if delivery.id is None:
        delivery.id = body_id
    if event.id != (body_id or delivery.id):
        event = event.model_copy(update={"id": body_id or delivery.id})
    return event, body_id == delivery.id


def _report_on(
    settings: Settings, delivery: Delivery, event: Event, *, same_id: bool
) -> Steps[None]:
    if delivery.id is None:
        yield Tell(
            "no_dedup",
            f"a {event.type!a} event came without an id, so a duplicate of it would run again",
            delivery,
            event,
        )
    elif not same_id and "coffrify" in settings.verifier.schemes and settings.first_time("ids"):
        yield Tell(
            "ids_differ",
            'the signed webhook-id is not the body\'s id; set schemes=("standard",), or whoever '
            "strips the standard headers makes another event of it, or one without an id",
            delivery,
            event,
        )
    if event.issues and settings.first_time("issues", event.type):
        yield Tell(
            "issues",
            f"a {event.type!a} event does not fit its class in {len(event.issues)} place(s); "
            "event.issues lists them",
            delivery,
            event,
        )


def _settle(settings: Settings, delivery: Delivery, event: Event) -> Steps[Outcome]:
    """Claim the event, then run it here or hand it over."""
    if delivery.id is None:
        if settings.dispatcher is not None:
            return (yield from _hand_over(settings, delivery, None, ""))
        return (yield from _run(settings, delivery, event, None, Claim("claimed")))
    key = key_of(settings.name, delivery.id)
    digest = sha256(delivery.body).hexdigest()
    claim: Claim = yield from _ask("claim", key, digest, settings.lease)
    if settings.purge_is_due():
        yield from _purge(settings)
    if claim.status in ("done", "queued"):
        return "duplicate"
    if claim.status == "busy":
        raise Busy("this event is being handled by another delivery right now")
    if claim.status == "conflict":
        return (yield from _bury(key, digest, delivery, event))
    if settings.dispatcher is not None:
        work = _hand_over(settings, delivery, key, claim.token)
    else:
        work = _run(settings, delivery, event, key, claim)
    return (yield from _giving_back(work, "release", key, claim.token))


def _hand_over(
    settings: Settings, delivery: Delivery, key: str | None, token: str
) -> Steps[Outcome]:
    """Claim, dispatch, mark queued: never marked first, or a crash in between would lose it."""
    message = pack(settings.name, delivery.id, token, delivery, settings.clock())
    try:
        yield Hand(message)
    except WebhookError:
        raise
    except Exception as error:
        raise DispatchError("the engine did not take the event") from error
    if key is not None:
        # False if a worker has the event already, and an error costs only a second hand-over.
        with suppress(StoreUnavailable):
            yield from _ask("queued", key, token)
    return "queued"


# --- the engine's worker ----------------------------------------------------------------------


def execute(settings: Settings, message: Any) -> Steps[Outcome]:
    """Run the handlers for a message that the web process handed to an engine.

    Raises Busy or HandlerError (or another WebhookError), so that the engine brings it back.
    """
    event_id, token, delivery = unpack(message, settings.name)
    event, _ = _read(settings, delivery)
    if not len(settings.router):
        raise NoHandlers("this worker has registered no handler; import the module that holds them")
    if event_id is None:
        outcome = yield from _run(settings, delivery, event, None, Claim("claimed"))
    else:
        key = key_of(settings.name, event_id)
        digest = sha256(delivery.body).hexdigest()
        claim: Claim = yield from _ask("claim", key, digest, settings.lease, token)
        if claim.status == "conflict":
            return (yield from _bury(key, digest, delivery, event))
        if claim.status == "done":
            return "duplicate"
        if claim.status != "claimed":
            raise Busy("this event is being handled by another worker right now")
        work = _run(settings, delivery, event, key, claim)
        # Still queued for the sender: the engine brings it back.
        outcome = yield from _giving_back(work, "queued", key, claim.token)
    yield Tell("executed", f"{event.type!a} {event.id!a}: {outcome}", delivery, event)
    return outcome


# --- both -------------------------------------------------------------------------------------


def _run(
    settings: Settings, delivery: Delivery, event: Event, key: str | None, claim: Claim
) -> Steps[Outcome]:
    """Call each handler that has not finished yet; one that raises does not stop the others."""
    handlers = settings.router.match(event)
    if not handlers:
        yield from _unhandled(settings, delivery, event)
        if key is not None:
            yield from _ask("release", key, claim.token)
        return "ignored"
    failure: HandlerError | None = None
    pending = [handler for handler in handlers if handler.name not in claim.finished]
    for handler in pending:
        try:
            yield Call(handler, event, delivery)
        except FAILURES as error:
            failed = HandlerError("a handler raised; the log has its traceback")
            failed.__cause__ = error
            failure = failure or failed
            yield Tell(
                "handler_failed",
                f"handler {handler.name} raised on {event.type!a} {event.id!a}",
                delivery,
                event,
                handler.name,
                error=failed,
            )
            continue
        # The last of an unbroken row needs no checkpoint: `done` says as much.
        if key is not None and (failure or handler is not pending[-1]):
            _ours((yield from _ask("checkpoint", key, claim.token, handler.name)))
    if failure is not None:
        raise failure
    if key is not None:
        _ours((yield from _ask("done", key, claim.token)))
    return "handled"


def _bury(key: str, digest: str, delivery: Delivery, event: Event) -> Steps[Outcome]:
    yield from _ask("bury", key, digest, "conflict", delivery.body)
    yield Tell(
        "conflict",
        "an event that was handled came again with another body; the new body is kept as a "
        "dead letter and was not handled",
        delivery,
        event,
    )
    return "conflict"


def _unhandled(settings: Settings, delivery: Delivery, event: Event) -> Steps[None]:
    if event.type == "ping" or not settings.first_time("unhandled", event.type):
        return
    name = type(event).__name__
    home, unknown = type(event).__module__.rpartition(".")[0], ""
    if isinstance(event, UnknownEvent):
        home, unknown = "coffrify_webhooks", ", allow_unknown=True"
    on_home = "coffrify_webhooks" if home.startswith("coffrify_webhooks") else home
    yield Tell(
        "unhandled",
        f"no handler wants {event.type!a}; one would be:\n\n"
        f"from {on_home} import on\nfrom {home} import {name}\n\n\n"
        f"@on({event.type!a}{unknown})\n"
        f"def handle(event: {name}) -> None: ...\n",
        delivery,
        event,
    )


def _giving_back(work: Steps[Outcome], how: str, key: str, token: str) -> Steps[Outcome]:
    """Give the claim back if the work fails, so that the next attempt need not wait for it.

    Not when the process itself is being stopped: a handler may still be running then, and the
    lease ends by itself.
    """
    try:
        return (yield from work)
    except (ClaimLost, StoreUnavailable):
        raise  # nothing to give back, or nobody to give it to: the lease ends by itself
    except Exception:
        with suppress(StoreUnavailable):
            yield from _ask(how, key, token)
        raise


def _purge(settings: Settings) -> Steps[None]:
    with suppress(StoreUnavailable):
        if (yield from _ask("purge", settings.retention, _PURGE)) >= _PURGE:
            settings.purge_again()


def _ask(method: str, *arguments: Any) -> Steps[Any]:
    try:
        return (yield Ask(method, arguments))
    except WebhookError:
        raise
    except Exception as error:
        raise StoreUnavailable("the store failed") from error


def _ours(held: bool) -> None:  # noqa: FBT001
    if not held:
        raise ClaimLost("the claim on this event ended while it was handled")


def key_of(receiver: str, event_id: str) -> str:
    """Hash the id: databases fold case, cut at NUL or pad, and two events would become one."""
    return sha256(f"{receiver}\0{event_id}".encode(errors="surrogatepass")).hexdigest()


def _summary(reply: Reply) -> str:
    event = f"{reply.event.type!a} {reply.event.id!a}: " if reply.event else ""
    reason = f" ({reply.error.code}: {reply.error})" if reply.error else ""
    return f"{event}{reply.outcome}, {reply.status}{reason}"
