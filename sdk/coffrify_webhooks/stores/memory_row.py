"""An event of the store in memory that is not finished, and who may take it."""

from dataclasses import dataclass

from .finished import Finished
from .protocol import ClaimStatus
from .record import About, Record, Status

__all__ = ["Row", "finished_record", "may_take", "record_of", "refusal", "reopen"]


@dataclass(slots=True)
class Row:
    """An event that is not finished."""

    about: About
    digest: str
    received_at: float
    touched_at: float
    status: Status = "failed"
    token: str = ""
    lease_until: float = 0.0
    attempts: int = 0
    finished: frozenset[str] = frozenset()
    error: str = ""
    body: bytes | None = None


def may_take(row: Row, now: float, token: str | None) -> bool:
    expired = row.lease_until <= now
    if row.status == "failed" or (row.status == "claimed" and expired):
        return True
    if row.status == "dead" and not token:
        return True
    if token is None:
        return False
    return (
        row.status == "queued"
        or (row.status == "running" and expired)
        or (row.status == "claimed" and row.token == token)
    )


def refusal(row: Row, digest: str) -> ClaimStatus:
    if row.status == "conflict":
        return "done" if row.digest == digest else "conflict"
    if row.status == "dead":
        return "done"
    return "queued" if row.status in ("queued", "running") else "busy"


def reopen(done: Finished) -> Row:
    about = About(done.receiver, done.id, done.type, done.delivery)
    return Row(about, done.digest, done.received_at, done.touched_at, attempts=done.attempts)


def finished_record(key: str, done: Finished) -> Record:
    times = done.received_at, done.touched_at, 0.0
    names = frozenset(done.finished)
    about = done.receiver, done.id, done.type
    return Record(key, *about, "done", done.attempts, *times, done.digest, names, "", done.delivery)


def record_of(key: str, row: Row) -> Record:
    return Record(
        key,
        row.about.receiver,
        row.about.id,
        row.about.type,
        row.status,
        row.attempts,
        row.received_at,
        row.touched_at,
        row.lease_until,
        row.digest,
        row.finished,
        row.error,
        row.about.delivery,
    )
