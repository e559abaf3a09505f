"""Who has already handled what: the protocol of a store, and how a URL becomes one."""

import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

from coffrify_webhooks.errors import ConfigurationError

__all__ = ["Claim", "ClaimStatus", "Store", "default_store", "open_store"]

logger: logging.Logger = logging.getLogger("coffrify_webhooks")

ClaimStatus: TypeAlias = Literal["claimed", "busy", "queued", "done", "conflict"]


class Claim(NamedTuple):
    """What a store answers to `claim`.

    status: "claimed" (it is ours, under `token`), "busy" (another holds it and its lease is
    live), "queued" (an engine has it), "done", or "conflict" (done with another body). finished:
    the names of the handlers that have already finished this event.
    """

    status: ClaimStatus
    token: str = ""
    finished: frozenset[str] = frozenset()


@runtime_checkable
class Store(Protocol):
    """Remembers which events are being handled and which are done.

    Every call is atomic, may come from any thread or process, and returns or raises
    StoreUnavailable within a few seconds. Times are the store's own clock's. A `key` is the
    sha256 hex of receiver and event id; a `digest` is the sha256 hex of the body. Calls that take
    a `token` do nothing and return False when the claim is no longer that token's.
    """

    def claim(self, key: str, digest: str, lease: float, token: str | None = None) -> Claim:
        """Take the event for `lease` seconds, if nobody has it; an expired claim may be taken.

        token: what an engine's message carries. With it a queued event can be taken too, and
        the claim that the token itself stands for; the event then counts as running on an engine.
        """
        ...

    def renew(self, key: str, token: str, lease: float) -> bool:
        """Extend the claim to `lease` seconds from now."""
        ...

    def checkpoint(self, key: str, token: str, handler: str) -> bool:
        """Record that one handler has finished; kept when the claim is released."""
        ...

    def done(self, key: str, token: str) -> bool:
        """Record that every handler has finished."""
        ...

    def queued(self, key: str, token: str) -> bool:
        """Record that an engine durably has the event: handed to it, or left to its retry."""
        ...

    def release(self, key: str, token: str) -> bool:
        """Give the claim back to anybody; leaves no trace but the checkpoints."""
        ...

    def forget(self, key: str) -> bool:
        """Drop all that is known of an event, so that a replay of it runs again."""
        ...

    def bury(self, key: str, digest: str, reason: str, body: bytes) -> None:
        """Keep a dead letter: a body that was acknowledged and not handled, and why."""
        ...

    def purge(self, older_than: float, limit: int = 1000) -> int:
        """Drop up to `limit` settled events untouched for `older_than` seconds; return how many."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


STORE_VARIABLE = "COFFRIFY_WEBHOOKS_STORE"
DEFAULT_FILE = "coffrify-webhooks.db"


def default_store(folder: Path) -> Store:
    """Return the store of the variable COFFRIFY_WEBHOOKS_STORE, else a file in `folder`."""
    url = os.environ.get(STORE_VARIABLE)
    if url:
        return open_store(url)
    with suppress(OSError):  # the store says what is wrong with it, and what to do
        folder.mkdir(parents=True, exist_ok=True)
    path = (folder / DEFAULT_FILE).absolute()
    if path not in _told:
        _told.add(path)
        logger.info("claims are kept in %s; store= or %s sets another place", path, STORE_VARIABLE)
    return open_store(f"sqlite:///{path}")


_told: set[Path] = set()
_FORMS = '"memory:" and "sqlite:///path/to/webhooks.db"'


def open_store(url: str) -> Store:
    """Return the store that a URL names.

    Known are "memory:" (this process only: for tests) and "sqlite:///relative.db" or
    "sqlite:////absolute.db" (all processes of one machine). `?synchronous=FULL` on an sqlite URL
    makes each commit survive a power cut. Raises ConfigurationError for any other.
    """
    scheme, _, rest = url.partition(":")
    if url == "memory:":
        from .memory import MemoryStore  # noqa: PLC0415 - only what is used is imported

        return MemoryStore()
    if scheme == "sqlite" and rest.startswith("///"):
        from .sqlite import SQLiteStore  # noqa: PLC0415

        path, _, query = rest[3:].partition("?")
        if query not in ("", "synchronous=FULL", "synchronous=NORMAL"):
            raise ConfigurationError(
                "an sqlite store URL takes ?synchronous=FULL or ?synchronous=NORMAL, nothing else"
            )
        if path in ("", ":memory:"):
            raise ConfigurationError('the sqlite store needs a file; in memory is "memory:"')
        return SQLiteStore(path, synchronous="FULL" if query.endswith("FULL") else "NORMAL")
    raise ConfigurationError(
        f"no store is known by a URL that begins {scheme + ':'!r}; use {_FORMS}"
    )
