"""What the steps of the pipeline ask for: each effect, and what they need to know."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

from coffrify_webhooks.observe import Notice

if TYPE_CHECKING:
    from coffrify_webhooks.delivery import Delivery
    from coffrify_webhooks.dispatch import Dispatcher, Message
    from coffrify_webhooks.errors import WebhookError
    from coffrify_webhooks.event import Event
    from coffrify_webhooks.handlers.handler import Handler
    from coffrify_webhooks.http.reply import Reply
    from coffrify_webhooks.monitoring.keys import KeyUse
    from coffrify_webhooks.observe import Kind, Operation
    from coffrify_webhooks.retries import Retries
    from coffrify_webhooks.router import Router
    from coffrify_webhooks.signature import Verifier
    from coffrify_webhooks.stores import Move, Store
    from coffrify_webhooks.stores.drift import Drifts
    from coffrify_webhooks.stores.purging import PurgeSchedule
    from coffrify_webhooks.stores.refused import Captures

__all__ = [
    "Begin",
    "CallHandler",
    "Compute",
    "Dispatch",
    "Effect",
    "End",
    "Identify",
    "LoadSecrets",
    "Notify",
    "Operate",
    "Settings",
    "Steps",
    "StoreCall",
]

T = TypeVar("T")

# The effects are not frozen: a delivery makes several, and frozen each takes 0.6 us more.


@dataclass(slots=True, eq=False)
class LoadSecrets:
    """Ask the user's callable for the secrets; is sent a Keyring."""


@dataclass(slots=True, eq=False)
class StoreCall:
    """Call a method of the store; is sent what it returns."""

    method: str
    arguments: tuple[Any, ...]
    options: Mapping[str, Any]


@dataclass(slots=True, eq=False)
class CallHandler:
    """Call one handler; is sent what it raised, or None."""

    handler: Handler
    event: Event
    delivery: Delivery
    key: str | None
    token: str
    """The claim under which an atomic handler's finish is recorded."""
    move: Move | None = None
    """The lock under which an ordered handler runs; an atomic one gives it back itself."""


@dataclass(slots=True, eq=False)
class Compute:
    """Call a function that takes long, though it does no I/O; is sent what it returns."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]


@dataclass(slots=True, eq=False)
class Dispatch:
    """Hand a message to the engine."""

    message: Message


@dataclass(slots=True, eq=False)
class Notify:
    """Tell the observers; what they raise does not come back."""

    kind: Kind
    text: str
    delivery: Delivery | None = None
    event: Event | None = None
    handler: str | None = None
    reply: Reply | None = None
    error: WebhookError | None = None
    values: tuple[object, ...] = ()
    """What belongs in `text`, a template with a `%s` or the like for each; a log groups by it."""

    def notice(self, receiver: str) -> Notice:
        """Return this as observers see it."""
        return Notice(
            self.kind,
            receiver,
            self.text,
            self.delivery,
            self.event,
            self.handler,
            self.reply,
            self.error,
            self.values,
            outcome=None if self.reply is None else self.reply.outcome,
        )


class Operate:
    """What only observers of operations need; not asked for where there are none."""

    __slots__ = ()


@dataclass(slots=True, eq=False)
class Begin(Operate):
    """Tell that an operation starts which is more than one effect."""

    kind: Operation


@dataclass(slots=True, eq=False)
class End(Operate):
    """Tell that the operation has ended which began last."""

    error: BaseException | None = None
    result: object = None


@dataclass(slots=True, eq=False)
class Identify(Operate):
    """Say which delivery it is that all of this is about, and which event, once that is known."""

    delivery: Delivery
    event: Event | None = None


Effect: TypeAlias = LoadSecrets | StoreCall | CallHandler | Compute | Dispatch | Notify | Operate
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
    def store(self) -> Store: ...
    @property
    def dispatcher(self) -> Dispatcher | None: ...
    @property
    def max_body(self) -> int: ...
    @property
    def keep_body(self) -> int: ...
    @property
    def lease(self) -> float: ...
    @property
    def strict(self) -> bool: ...
    @property
    def retries(self) -> Retries: ...
    @property
    def retention(self) -> float: ...
    @property
    def lost_after(self) -> float: ...
    @property
    def clock(self) -> Callable[[], float]: ...
    @property
    def handlers_hint(self) -> str: ...
    def is_heard(self, level: int) -> bool: ...
    @property
    def tells_operations(self) -> bool: ...
    def how_to_set(self, option: str, value: str) -> str: ...
    def bound(self, handler: Handler) -> Handler: ...
    @property
    def first_time(self) -> Callable[..., bool]: ...
    @property
    def key_use(self) -> KeyUse: ...
    @property
    def purge_schedule(self) -> PurgeSchedule: ...
    @property
    def captures(self) -> Captures: ...
    @property
    def drifts(self) -> Drifts: ...
