"""What a store keeps of an event beside the claim: for people, and to handle it once more."""

from typing import Literal, NamedTuple, TypeAlias

from coffrify_webhooks.text import plain

__all__ = ["EVERYTHING", "STATS_COUNT_TO", "About", "Filter", "Record", "Status", "plain"]

Status: TypeAlias = Literal["claimed", "queued", "running", "done", "failed", "dead", "conflict"]
"""claimed: being handled inline. queued, running: an engine has it, or runs it. done: every handler
finished. failed: a handler raised; the next delivery tries again. dead: an engine's worker has
tried for the last time. conflict: an event that was handled arrived again with this other body."""


class About(NamedTuple):
    """Which event a claim is for."""

    receiver: str
    id: str
    type: str
    delivery: str = "{}"
    """What was verified of the delivery, as JSON: what a handler may ask for, less the body."""


class Record(NamedTuple):
    """A store's record of one event. Times are seconds since 1970."""

    key: str
    receiver: str
    id: str
    type: str
    status: Status
    attempts: int
    """How often its handlers were started."""
    received_at: float
    """When it first arrived."""
    touched_at: float
    """When its status changed for the last time."""
    lease_until: float
    digest: str
    """The sha256 hex of its body."""
    finished: frozenset[str]
    """The handlers that have finished."""
    error: str
    """Why it failed last: which handler, which exception and where; never the exception's text."""
    delivery: str
    body: bytes | None = None
    """The body, if it is kept and was requested."""


class Filter(NamedTuple):
    """Which records to find; a field that is None does not matter."""

    receiver: str | None = None
    id: str | None = None
    type: str | None = None
    """A type, or with a `*` at its end the beginning of one."""
    statuses: tuple[Status, ...] = ()
    """Any of these; all if empty."""
    idle: float | None = None
    """Unchanged for at least so many seconds."""
    recent: float | None = None
    """Changed within so many seconds."""
    key: str | None = None
    """The key, or its first hexadecimal digits."""


EVERYTHING = Filter()
STATS_COUNT_TO = 1000
"""Where `Store.stats` stops counting the events of a status, unless it is told to count all."""
