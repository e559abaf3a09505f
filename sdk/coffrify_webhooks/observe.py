"""What a receiver tells: notices to observers, and to the `coffrify_webhooks` logger.

There are facts, each told once, and operations, which are told when they start and when they end.
A notice holds ids, codes and handler names; its text never holds a secret or a payload.
"""

import logging
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, cast, get_args

from .errors import HandlerError, NotBegun
from .text import plain

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from typing import Any

    from .delivery import Delivery
    from .errors import WebhookError
    from .event import Event
    from .http.reply import Outcome, Reply

__all__ = [
    "LEAVING",
    "OPERATIONS",
    "Facts",
    "Kind",
    "Notice",
    "Observer",
    "Once",
    "Operation",
    "Others",
    "Phase",
    "everywhere",
    "start_all",
    "tell_all",
]

_MOST_REMEMBERED = 10_000
"""The most that is remembered as said once; strangers' texts are among it, so there is a limit."""
_FAULTS = 500
"""From here on a status is a fault of ours, not of the sender's (RFC 9110, section 15.6)."""

LEAVING = (KeyboardInterrupt, SystemExit)
"""With these the process leaves: the steps are given them once no handler is running any more."""

TOLD_BEFORE = (HandlerError, NotBegun)
"""Errors of a reply that `handler_failed` and `overloaded` have told of before."""

logger: logging.Logger = logging.getLogger("coffrify_webhooks")

Phase: TypeAlias = Literal["started", "completed", "failed"]

Operation: TypeAlias = Literal[
    "delivery",  # one HTTP attempt, from its arrival to the reply; also one that is refused early
    "verify",  # the check of its signature
    "store",  # one call of the store; `Notice.method` names it
    "handler",  # one call of a handler
    "dispatch",  # handing the event to an engine
    "execute",  # one attempt of an engine's worker, or a replay
]
OPERATIONS: tuple[Operation, ...] = get_args(Operation)

Kind: TypeAlias = Literal[
    "delivery",
    "verify",
    "store",
    "handler",
    "dispatch",
    "execute",
    "key_matched",  # which secret matched, and how it was read (once for each)
    "old_key_used",  # signed with a secret that is not the first, or ends soon (once an hour)
    "ids_differ",  # the signed webhook-id is not the body's id (once)
    "no_dedup",  # the event has no id: only the same request again is a duplicate (once)
    "unhandled",  # no handler wants this type (once for each type)
    "issues",  # the payload does not fit its class and was salvaged (once for each type)
    "unknown_type",  # a type that the event classes know nothing of (once for each type)
    "superseded",  # a handler skipped an event that is older than what it handled for the object
    "conflict",  # the same id with another body, after it was handled
    "handler_failed",  # a handler raised; `handler` names it, `error.__cause__` is what it raised
    "slow_handler",  # a handler is still running when the sender has given up (`sender_timeout`)
    "overloaded",  # a handler could not begin: others hold every place
    "replied",  # every delivery, last
    "executed",  # an engine's worker has run an event
    "put_off",  # an engine's worker cannot handle an event now, for a reason of its own
    "handlers_missing",  # an engine's worker has not loaded all of the handlers (once for each)
    "dead",  # an engine's worker has tried an event for the last time
    "swept",  # an event that an engine seems to have lost was dispatched again, or could not be
    "replayed",  # somebody had an event handled again in the inbox
    "forgotten",  # somebody had an event forgotten in the inbox
]

_LEVELS: dict[str, int] = {
    "key_matched": logging.INFO,
    "old_key_used": logging.WARNING,
    "ids_differ": logging.WARNING,
    "no_dedup": logging.WARNING,
    "unhandled": logging.WARNING,
    "issues": logging.WARNING,
    "unknown_type": logging.WARNING,
    "superseded": logging.INFO,
    "conflict": logging.ERROR,
    "handler_failed": logging.ERROR,
    "slow_handler": logging.WARNING,
    "overloaded": logging.ERROR,
    "replied": logging.INFO,
    "executed": logging.INFO,
    "put_off": logging.ERROR,
    "handlers_missing": logging.WARNING,
    "dead": logging.ERROR,
    "swept": logging.WARNING,
    "replayed": logging.INFO,
    "forgotten": logging.INFO,
}


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that happened in a receiver: a fact, or the start or end of an operation."""

    kind: Kind
    receiver: str
    """The receiver's name."""
    template: str
    """The text with a `%s` or similar for each of `values`: the same for all of its kind."""
    delivery: "Delivery | None" = None
    event: "Event | None" = None
    handler: str | None = None
    reply: "Reply | None" = None
    error: "WebhookError | None" = None
    values: tuple[object, ...] = ()
    phase: Phase | None = None
    """Of an operation; None for a fact."""
    seconds: float | None = None
    """How long an operation took that has completed or failed."""
    attempt: int | None = None
    """Which attempt at the event this is, from 1 on, once it has been claimed."""
    age: float | None = None
    """Seconds from when the sender signed the delivery to now; below 0 if its clock is ahead."""
    method: str | None = None
    """The store's method: "claim", "done", ..."""
    outcome: "Outcome | None" = None
    """The outcome of a delivery, or of an `execute`."""

    @property
    def text(self) -> str:
        """For people; free of secrets and payloads."""
        return self.template % self.values if self.values else self.template

    @property
    def level(self) -> int:
        """The logging level; operations are not logged."""
        if self.phase is not None:
            return logging.DEBUG
        if self.error is not None:
            if self.kind == "replied" and isinstance(self.error, TOLD_BEFORE):
                return logging.INFO  # each failure was told once, by a notice of its own
            return logging.WARNING if self.error.status < _FAULTS else logging.ERROR
        return _LEVELS.get(self.kind, logging.DEBUG)


class Observer(Protocol):
    """Called with each `Notice`: `observers=[tell]`, where `tell` is a function that takes one.

    It runs in the thread (or on the event loop) that handles the delivery, so it must be quick.
    What it raises is logged and goes no further.

    For the start of an operation it may return a context manager, which is entered then and exited
    after the end of the operation was reported. What it sets in a context variable is seen by all
    that the operation calls, also on another thread or event loop.
    """

    def __call__(self, notice: Notice, /) -> object:
        """Take one notice."""
        ...


class Facts:
    """An observer that is told of facts alone."""

    __slots__ = ("tell",)

    def __init__(self, tell: Observer) -> None:
        self.tell: Observer = tell

    def __call__(self, notice: Notice, /) -> object:
        """Take one notice."""
        return self.tell(notice)


class Others:
    """An observer for `everywhere`, of the receivers that have none of its kind of their own."""

    __slots__ = ("has_own", "tell")

    def __init__(self, tell: Observer, has_own: Callable[[object], bool]) -> None:
        self.tell: Observer = tell
        self.has_own: Callable[[object], bool] = has_own

    def __call__(self, notice: Notice, /) -> object:
        """Take one notice."""
        return self.tell(notice)


everywhere: list[Observer] = []
"""Observers of every receiver in this process."""


def tell_all(observers: Iterable[Observer], notice: Notice) -> None:
    """Call each observer; what one raises is logged, and changes nothing."""
    for observer in observers:
        try:
            if (found := observer(notice)) is not None:
                _refuse_coroutine(found)
        except LEAVING:
            raise
        except BaseException:  # as a cancellation of something that the observer waited for
            logger.exception("an observer raised on %r", notice.kind)


def start_all(
    observers: Iterable[Observer], notice: Notice
) -> "list[AbstractContextManager[object, Any]]":
    """Tell each observer that an operation starts; return the contexts that were entered."""
    entered: list[AbstractContextManager[object, Any]] = []
    for observer in observers:
        try:
            found = observer(notice)
            if hasattr(type(found), "__enter__") and hasattr(type(found), "__exit__"):
                context = cast("AbstractContextManager[object, Any]", found)
                context.__enter__()
                entered.append(context)
            elif found is not None:
                _refuse_coroutine(found)
        except LEAVING:
            raise
        except BaseException:
            logger.exception("an observer raised on %r", notice.kind)
    return entered


def _refuse_coroutine(found: object) -> None:
    if isinstance(found, Coroutine):
        found.close()
        raise TypeError("an observer returned a coroutine, which nobody awaits; write `def`")


class Once:
    """Remembers what was said before, within bounds; for what is worth saying once."""

    def __init__(self) -> None:
        self._said: set[tuple[object, ...]] = set()

    def first_time(self, *what: object) -> bool:
        """Tell whether this was never asked before."""
        if what in self._said:
            return False
        what = tuple(plain(each) if isinstance(each, str) else each for each in what)
        if what in self._said or len(self._said) >= _MOST_REMEMBERED:
            return False
        self._said.add(what)
        return True
