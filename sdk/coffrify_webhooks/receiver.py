"""The settings of an endpoint, and what can be done with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Never, TypeVar, cast

from . import options
from .clock import now
from .concurrency import bridge, threads
from .dispatch.in_time import dispatch_within
from .drivers import drive as drivers
from .errors import NotReplayable, SecretsUnavailable, WebhookError
from .http.body import announced_length
from .http.reply import Outcome, Reply
from .monitoring.health import Health, read_health, read_health_async
from .monitoring.observable import Observable
from .pipeline import execute as worker
from .pipeline import receive as pipeline
from .pipeline import sweep as sweeping
from .pipeline.atomic import refuse_wrong_kinds
from .pipeline.identity import key_of
from .pipeline.order import refuse_unordered
from .retries import RETRIES, Retries
from .signature import Verifier
from .signature.secret import seal
from .signature.verifier import SCHEMES
from .signature.window import TOLERANCE
from .stores.drift import Drifts
from .stores.namesakes import refuse_namesakes
from .stores.purging import PurgeSchedule
from .stores.refused import Captures
from .stores.url import mask, mask_text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from types import ModuleType

    from .delivery import Scheme
    from .dispatch import Dispatcher, Message
    from .events._overloads import Registrar
    from .handlers.handler import Context, Handler
    from .observe import Observer
    from .router import Router
    from .signature.headers import Headers
    from .signature.keyring import Keyring
    from .signature.secret import SecretSource
    from .stores import AsyncStore, Record, Store

__all__ = ["Receiver"]

T = TypeVar("T")

_DAY = 86_400
_IN_TIME = 5.0
"""Seconds that a function of the user's, or an engine, has; the sender gives up after 15."""


class Receiver(Observable):
    """Takes deliveries and answers them: verifies, deduplicates, and calls the handlers.

    secrets:
        A str or `Secret`, a list of them, or a callable that returns either; by default, the
        variable COFFRIFY_WEBHOOK_SECRET (several separated by commas). A list is for a rotation:
        all of it is trusted alike, so give tenants that do not trust each other a Receiver each.
    name:
        Tells receivers that share a store apart: give each endpoint its own name.
    router:
        The router whose handlers are called; by default, those registered with
        `coffrify_webhooks.on`.
    events:
        A package that `coffrify-webhooks codegen` generated from your own catalog, or its name: its
        classes are used, and the handlers registered with its `on` are called too.
    handlers:
        Modules to import, so that their handlers are registered: `("myapp.webhooks",)`.
    store:
        Where claims are kept: a `Store`, an `AsyncStore` or a URL; by default, the variable
        COFFRIFY_WEBHOOKS_STORE, or the file `coffrify-webhooks.db` in the working directory.
    dispatcher:
        An engine to hand events to: a `Dispatcher`, or a URL such as "dbos+sqlite:///engine.db".
        Without one, the handlers run inline, while the sender waits.
    schemes:
        The signatures that are accepted, of "standard" and "coffrify".
    tolerance:
        Seconds by which a delivery's timestamp may differ from now.
    max_body:
        Bytes; a larger body is refused before it is hashed.
    lease:
        Seconds after which the event of a crashed process is free again. Handlers may run longer:
        the lease renews itself while they do.
    strict:
        Refuse (422) a payload that does not fit its event class, instead of salvaging it.
    observers:
        Called with each `Notice`; one may return a context manager: see `Observer`.
    retention:
        Seconds for which handled ids are remembered; 30 days, since the sender retries for 72 h
        and replays are made by hand. At least twice the tolerance: with less, a captured request
        could be handled again.
    keep_body:
        Bytes up to which the body of an event that failed, is dead or is queued is kept in the
        store, so that it can be replayed; `max_body` by default, and 0 keeps none.
    retries:
        How often an engine's worker tries an event, and how long it waits in between. Inline, the
        sender's own retries are the only ones.
    lost_after:
        Seconds beyond the longest wait after which an event that an engine has not handled is
        dispatched again; see `sweep`.
    sender_timeout:
        Seconds after which the sender gives up an attempt (the vendor's page: 15). A handler that
        is still running then is named in a warning.
    capture:
        How many of the last refused requests to keep for a day, for `doctor --last`.
    clock:
        Returns the time in seconds since 1970; by default `time.time`, looked up at each call, so
        that it follows whatever sets the time of a test.

    Raises ConfigurationError, naming the fix, for any setting that cannot be used. One Receiver
    serves any number of threads and event loops, and survives a fork.
    """

    settings_name: str = ""
    """What a framework calls the settings that this was made from; empty without a framework."""
    handler_context: Context | None = None
    """Returns what each handler runs in; adapters set it to their application's context."""

    def __init__(
        self,
        secrets: SecretSource | None = None,
        *,
        name: str = "default",
        router: Router | None = None,
        events: ModuleType | str | None = None,
        handlers: str | Iterable[str] = (),
        store: Store | AsyncStore | str | None = None,
        dispatcher: Dispatcher | str | None = None,
        schemes: Iterable[Scheme] = SCHEMES,
        tolerance: float = TOLERANCE,
        max_body: int = 1_048_576,
        lease: float = 60,
        strict: bool = False,
        observers: Iterable[Observer] = (),
        retention: float = 30 * _DAY,
        keep_body: int | None = None,
        retries: Retries = RETRIES,
        lost_after: float = 300,
        sender_timeout: float = 15,
        capture: int = 0,
        clock: Callable[[], float] | None = None,
        **unknown: Never,
    ) -> None:
        sealed, store, dispatcher = seal(secrets), mask(store), mask(dispatcher)
        del secrets
        name, events, handlers, schemes = map(mask_text, (name, events, handlers, schemes))
        options.refuse_unknown(unknown, Receiver)
        self.name: str = options.text("name", name)
        self.router: Router = options.router_for(router, events)
        self.max_body: int = options.amount("max_body", max_body)
        self.keep_body: int = options.size("keep_body", keep_body, self.max_body)
        self.retries: Retries = options.retries_of(retries)
        self.lost_after: float = options.amount("lost_after", lost_after)
        self.sender_timeout: float = options.amount("sender_timeout", sender_timeout)
        self.lease: float = options.amount("lease", lease)
        self.strict: bool = options.flag("strict", strict)
        self.verifier: Verifier = Verifier(
            cast("Any", options.secrets_of(sealed, "Receiver(secrets=...)")),
            schemes=schemes,
            tolerance=tolerance,
            clock=clock,
        )
        self.clock: Callable[[], float] = clock or now
        self.retention: float = options.retention_of(retention, self.verifier.tolerance)
        self.dispatcher: Dispatcher | None = options.dispatcher_of(dispatcher)
        super().__init__(observers)
        self.purge_schedule: PurgeSchedule = PurgeSchedule()
        self.captures: Captures = Captures(options.size("capture", capture, 0))
        self.drifts: Drifts = Drifts()
        self.store: Store = options.store_of(store)
        refuse_namesakes(self)
        options.import_handlers(handlers)
        refuse_wrong_kinds(self.store, self.router.handlers)
        refuse_unordered(self.store, self.router.handlers, self.how_to_set)
        options.warn_of_bodies_dropped(self.dispatcher, self.keep_body, self.max_body)
        attach = getattr(self.dispatcher, "attach", None)
        if attach is not None:
            attach(self)

    if TYPE_CHECKING:

        @property
        def on(self) -> Registrar:
            """Register a handler in this receiver's router; see `Router.on`."""
            ...
    else:

        @property
        def on(self) -> Any:
            """Register a handler in this receiver's router; see `Router.on`."""
            return self.router.on

    def receive(self, body: bytes, headers: Headers, *, method: str = "POST") -> Reply:
        """Take one delivery and return the reply.

        body: the raw bytes, as they arrived. headers: a mapping or pairs, of str or bytes. Never
        raises for anything that an unauthenticated sender can send.
        """
        steps = pipeline.receive(self, body, headers, method)
        return drivers.drive(self, steps, self.sender_timeout, "delivery")

    async def receive_async(self, body: bytes, headers: Headers, *, method: str = "POST") -> Reply:
        """Take one delivery and return the reply; for asyncio and trio.

        Goes on to its end even if the caller is cancelled, as some servers do when the sender
        hangs up, so that no handler stops half-way.
        """
        steps = pipeline.receive(self, body, headers, method)
        return await drivers.drive_async(self, steps, self.sender_timeout, "delivery")

    def execute(self, message: Message) -> Outcome:
        """Run the handlers for a message that a dispatcher took; what an engine's worker calls.

        Returns the outcome; "dead" after the last attempt that `retries` allows. Raises Busy,
        or HandlerError from what the handler raised, or StoreUnavailable: let the engine bring the
        message back after `error.retry_after` seconds. Busy and StoreUnavailable spend no attempt.
        Raises MessageError for what is not a message of this receiver; trying again does not help.
        """
        return drivers.drive(self, worker.execute(self, message), None, "execute")

    def replay(self, event: str | Record) -> Outcome:
        """Handle an event again that failed, is dead or in conflict, from the body that was kept.

        event: its id, or a record of the store. Runs the handlers that have not finished, or hands
        the event to the dispatcher; "ignored" if no handler wants it. Raises NotReplayable if the
        body is not kept, as of an event that was handled; HandlerError if a handler raised again;
        Busy if it is being handled.
        """
        key = key_of(self.name, event) if isinstance(event, str) else event.key
        record = self.store.get(key)
        if record is None:
            raise NotReplayable("the store does not know this event")
        return drivers.drive(self, worker.replay(self, record), None, "execute")

    def sweep(self, limit: int = 100) -> int:
        """Dispatch again what an engine seems to have lost; return how many. Workers call this.

        An event seems lost if it was handed over and not handled within the longest wait between
        its attempts and some minutes more, or if a worker died while handling it.
        """
        return drivers.drive(self, sweeping.sweep(self, limit))

    def refuse(self, error: WebhookError) -> Reply:
        """Return the reply for a request whose body could not even be read; for adapters."""
        return drivers.drive(self, pipeline.refuse(Reply.failure(error)), None, "delivery")

    def refuse_early(
        self,
        headers: Headers,
        *,
        method: str = "POST",
        content_length: str | bytes | None = None,
    ) -> Reply | None:
        """Return the reply to a request that no body could make acceptable, or None; for adapters.

        Its method is not POST, its Content-Length is over the cap, or its signature headers are
        missing, malformed or outside of the window. Ask before the body is read: a sender without
        a secret then has no part in how long that takes. The secrets are not asked for.
        """
        try:
            announced_length(content_length if pipeline.is_post(method) else None, self.max_body)
            if not self.captures.most or not pipeline.is_post(method):  # else the body is wanted
                pipeline.screen(self, headers, method)
        except WebhookError as error:
            return self.refuse(error)
        return None

    def forget(self, event_id: str) -> bool:
        """Delete an event's record, so that a replay of it runs again; False if it is unknown."""
        return self.store.forget(key_of(self.name, event_id))

    def health(self) -> Health:
        """Return the state: whether the store answers, what waits, when an event last arrived.

        Raises nothing, and takes no longer than the store does to answer or to fail.
        """
        return read_health(self)

    async def health_async(self) -> Health:
        """Return the state, without blocking the event loop; for asyncio and trio."""
        return await read_health_async(self)

    def __repr__(self) -> str:
        name, router, store = (getattr(self, each, None) for each in ("name", "router", "store"))
        return f"Receiver({name!r}, {router!r}, store={store!r})"

    # --- what the pipeline asks of its settings -----------------------------------------------

    @property
    def handlers_hint(self) -> str:
        """Say what to do if no handler is registered."""
        named = self.how_to_set("handlers", '["myapp.webhooks"]')
        return f"import the module that holds them, or name it: {named}"

    def how_to_set(self, option: str, value: str) -> str:
        """Return how the user sets an option, in a framework's settings or in Python."""
        if self.settings_name:
            return f'{self.settings_name} = {{"{option.upper()}": {value}}}'
        return f"Receiver({option}={value})"

    def bound(self, handler: Handler) -> Handler:
        """Return a handler as it is to be called: in the application's context, if there is one."""
        context = self.handler_context
        return handler if context is None else handler.in_context(context)

    # --- what the drivers ask of it; frameworks have their own ways ---------------------------

    def run_async(
        self, function: Callable[..., Awaitable[T]], *arguments: Any, begin_within: float
    ) -> T:
        """Call an async function from sync code; raise NotBegun if it could not begin in time."""
        return bridge.run(function, *arguments, begin_within=begin_within)

    async def in_thread(
        self,
        function: Callable[[T], T],
        argument: T,
        *,
        begin_within: float,
        on_abandoned: Callable[[T], object],
    ) -> T:
        """Call a sync function from async code; see `bridge.in_thread`."""
        return await bridge.in_thread(
            self.in_worker, function, argument, begin_within=begin_within, on_abandoned=on_abandoned
        )

    def in_worker(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call what may be the user's code in a thread of ours."""
        return function(*arguments)

    def load_secrets(self) -> Keyring:
        """Ask the user's callable for the secrets, within the time that the sender leaves us."""
        late = SecretsUnavailable("the callable given as secrets did not return in time")
        return threads.call_within(_IN_TIME, late, "secrets", self.verifier.keyring)

    def hand_over(self, message: Message) -> None:
        """Hand a message to the engine, within the time that the sender leaves us."""
        if self.dispatcher is None:
            raise TypeError(message)
        dispatch_within(_IN_TIME, self.dispatcher, message)
