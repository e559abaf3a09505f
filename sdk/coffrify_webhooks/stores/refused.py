"""Requests that a receiver refused, kept for a day in its store for the doctor: only when asked.

They use what every store has: each is a record of status "conflict", with the request as its body,
under one of so many keys as are to be kept. So they stay few however many are refused, no store
needs anything for them, and no claim or handler ever meets one: their body is no event.
"""

from __future__ import annotations

import json
from binascii import b2a_base64
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from coffrify_webhooks.clock import monotonic
from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.text import plain

from .record import About, Filter, Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .protocol import Store
    from .record import Status

__all__ = [
    "KEPT_FOR",
    "LARGEST_BODY",
    "MOST_CAPTURED",
    "REFUSED",
    "Captures",
    "free_key",
    "refused_in",
    "refused_of",
    "request",
    "without_refused",
]

REFUSED = "(refused request)"
"""The type under which they are stored."""
_OF_ALL = Filter(type=REFUSED, statuses=("conflict",))
"""By their status, for which stores have an index; without it all events would be read."""
KEPT_FOR = 86_400.0
"""Seconds."""
MOST_CAPTURED = 1000
"""Of one receiver; whoever wants all requests wants an access log."""
LARGEST_BODY = 65_536
"""Bytes; of a larger body only its length is kept."""

_EVERY = 1.0
"""Seconds between two in one process: a flood costs three calls of the store each."""
_AFTER_AN_ERROR = 60.0
"""Seconds for which a store that failed is left alone."""
_MOST_HEADERS = 100
_LONGEST_VALUE = 2048
_REMOVED = "(removed)"
_PRIVATE = (
    "auth",
    "cookie",
    "credential",
    "csrf",
    "key",
    "passw",
    "secret",
    "session",
    "token",
)
"""Headers with one of these in their names say who somebody is, and nothing of a signature."""


class Captures:
    """Tells which refusals to keep: the last `most`, and not more than one a second."""

    def __init__(self, most: int) -> None:
        if most > MOST_CAPTURED:
            raise ConfigurationError(f"capture={most}: give {MOST_CAPTURED} at most, or 0 for none")
        self.most: int = most
        self._next = 0.0

    def is_due(self) -> bool:
        """Tell whether one may be stored now; the next may a second later."""
        now = monotonic()
        if not self.most or now < self._next:
            return False
        self._next = now + _EVERY
        return True

    def rest(self) -> None:
        """Leave a store alone that does not answer."""
        self._next = monotonic() + _AFTER_AN_ERROR


class Refused(NamedTuple):
    """A refused request as it is stored."""

    digest: str
    about: About
    body: bytes


def refused_of(receiver: str) -> Filter:
    """Return what finds the refused requests of a receiver."""
    return _OF_ALL._replace(receiver=_name_for(receiver))


def refused_in(store: Store, receiver: str | None = None) -> list[Record]:
    """Return the refused requests of a receiver, or of all, with their bodies: the newest first."""
    wanted = _OF_ALL if receiver is None else refused_of(receiver)
    found = (
        store.get(each.key) for each in store.find(wanted._replace(recent=KEPT_FOR), MOST_CAPTURED)
    )
    return [each for each in found if each is not None and each.body is not None]


def without_refused(store: Store, counts: Mapping[Status, int]) -> dict[Status, int]:
    """Return counts of events, without the refused requests that a store counts as conflicts."""
    found = dict(counts)
    if found.get("conflict"):
        refused = len(store.find(_OF_ALL, MOST_CAPTURED))
        found["conflict"] = max(0, found["conflict"] - refused)
    return found


def request(
    receiver: str,
    code: str,
    method: str,
    body: bytes,
    headers: Iterable[tuple[str, str]],
    received_at: float,
) -> Refused:
    """Return a refused request as it is stored: the doctor reads its body as a request in JSON."""
    told: dict[str, object] = {
        "received_at": received_at,
        "code": code,
        "method": str(method)[:20],
        "headers": [[name, _mask(name, value)] for name, value in [*headers][:_MOST_HEADERS]],
        "body_bytes": len(body),
    }
    if len(body) <= LARGEST_BODY:
        told["body_base64"] = b2a_base64(body, newline=False).decode()
    text = json.dumps(told).encode()
    return Refused(sha256(text).hexdigest(), About(_name_for(receiver), code, REFUSED), text)


def free_key(found: list[Record], receiver: str, most: int) -> str:
    """Return the key to store under: one that is free, else that of the oldest."""
    taken = {each.key for each in found}
    keys = (sha256(f"{_name_for(receiver)}\0{n}".encode()).hexdigest() for n in range(most))
    return next((each for each in keys if each not in taken), found[-1].key if found else "")


def _name_for(receiver: str) -> str:
    return plain(f"{receiver} (refused)")


def _mask(name: str, value: str) -> str:
    private = any(each in name.lower() for each in _PRIVATE) and "signature" not in name.lower()
    return _REMOVED if private or "whsec_" in value else value[:_LONGEST_VALUE]
