"""How the events that arrive differ from the catalog package, for each type.

It is kept in marks of the store: a few for each receiver, under fixed keys, so that it stays small
whatever arrives.
"""

from __future__ import annotations

import json
from hashlib import sha256
from threading import Lock as Mutex
from typing import TYPE_CHECKING, Any, NamedTuple

from coffrify_webhooks.clock import monotonic
from coffrify_webhooks.text import plain

from .marks import has_marks, read_mark

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .protocol import Store

__all__ = [
    "SLOTS",
    "Drift",
    "Drifts",
    "drift_in",
    "mark_of",
    "merge",
    "read",
    "slot_of",
    "write",
]

SLOTS = 8
"""Marks of one receiver, among which the types are divided."""
_MOST_TYPES = 16
"""In one mark."""
_MOST_FIELDS = 10
_LONGEST_TYPE, _LONGEST_FIELD = 100, 60
_LONGEST_STATE = 5000
"""Characters of a mark's state."""
_BURST = 20
"""How many writes may follow each other at once; then one a second, in each process."""
_AFTER_AN_ERROR = 60.0
"""Seconds for which a store that failed is left alone."""
_MOST_PENDING = 256
"""Types that wait to be written; the sender chooses how many there are."""


class Drift(NamedTuple):
    """What is known of one type whose events do not fit the catalog package."""

    type: str
    is_known: bool
    """Whether the package has a class for it, which the events do not fit."""
    first_seen: float
    last_seen: float
    deliveries: int
    """Deliveries; in a flood those of the last second may not be counted yet."""
    fields: tuple[str, ...]
    """Places in the body that do not fit, each with what is off: `data.size: int_type`.

    In a flood those of one or two deliveries in each second.
    """

    def and_(self, other: Drift) -> Drift:
        """Return what is known from both."""
        return Drift(
            self.type,
            self.is_known if self.last_seen > other.last_seen else other.is_known,
            min(self.first_seen, other.first_seen),
            max(self.last_seen, other.last_seen),
            self.deliveries + other.deliveries,
            tuple(dict.fromkeys((*self.fields, *other.fields)))[:_MOST_FIELDS],
        )


class Drifts:
    """What one process has seen and not written yet, and whether it may write now."""

    def __init__(self) -> None:
        self._mutex = Mutex()
        self._pending: dict[str, Drift] = {}
        self._allowed: float = _BURST
        self._at = monotonic()
        self._asked: tuple[object, bool] = (None, False)

    def are_kept_by(self, store: object) -> bool:
        """Tell whether a store has marks; asked once, since it takes 12 us."""
        if self._asked[0] is not store:
            self._asked = store, has_marks(store)
        return self._asked[1]

    def add(
        self,
        event_type: str,
        fields: Callable[[], Iterable[tuple[str, str]]],
        now: float,
        *,
        is_known: bool,
    ) -> list[Drift]:
        """Note a delivery; return what to write with it now, all of one slot, else nothing.

        fields: asked for what is written now, or is the first of its type since the last writing;
        to name what is off takes longer than all else does for a small event.
        """
        name = plain(event_type, _LONGEST_TYPE)
        with self._mutex:
            moment = monotonic()
            self._allowed = min(_BURST, self._allowed + moment - self._at)
            self._at = moment
            is_due = self._allowed >= 1
            if is_due:
                self._allowed -= 1
            is_first = name not in self._pending
        places = dict.fromkeys(_place(*each) for each in fields()) if is_due or is_first else ()
        seen = Drift(name, is_known, now, now, 1, (*places,)[:_MOST_FIELDS])
        with self._mutex:
            self._put(seen)
            if not is_due:
                return []
            slot = slot_of(name)
            found = [each for each in self._pending.values() if slot_of(each.type) == slot]
            for each in found:
                del self._pending[each.type]
            return found

    def put_back(self, drifts: Iterable[Drift]) -> None:
        """Keep for the next time what could not be written, because another process was at it."""
        with self._mutex:
            for each in drifts:
                self._put(each)

    def rest(self) -> None:
        """Leave a store alone that does not answer."""
        with self._mutex:
            self._allowed = -_AFTER_AN_ERROR

    def _put(self, drift: Drift) -> None:
        before = self._pending.get(drift.type)
        if before is not None or len(self._pending) < _MOST_PENDING:
            self._pending[drift.type] = drift if before is None else before.and_(drift)


def slot_of(event_type: str) -> int:
    """Return which of a receiver's marks a type belongs to."""
    return sha256(event_type.encode()).digest()[0] % SLOTS


def mark_of(receiver: str, slot: int) -> str:
    """Return the key of a mark."""
    text = f"{receiver}\0(catalog drift)\0{slot}"
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def read(state: str | None) -> dict[str, Drift]:
    """Return what a mark says, by type; what cannot be read is left out."""
    found: dict[str, Drift] = {}
    try:
        document: Any = json.loads(state or "{}")
        for name, (is_known, first, last, count, fields) in document.items():
            found[name] = Drift(
                name, bool(is_known), float(first), float(last), int(count), tuple(map(str, fields))
            )
    except (ValueError, TypeError, AttributeError, RecursionError):
        pass
    return found


def merge(known: Mapping[str, Drift], new: Iterable[Drift]) -> dict[str, Drift]:
    """Return what is known with what is new."""
    found = dict(known)
    for each in new:
        before = found.get(each.type)
        found[each.type] = each if before is None else before.and_(each)
    return found


def write(drifts: Mapping[str, Drift]) -> str:
    """Return what to write to a mark: the types that were seen last, as many as fit."""
    newest = sorted(drifts.values(), key=lambda each: each.last_seen, reverse=True)[:_MOST_TYPES]
    while True:
        text = json.dumps({each.type: each[1:] for each in newest})
        if len(text) <= _LONGEST_STATE:
            return text
        newest.pop()


def drift_in(store: Store, receiver: str, *, clear: bool = False) -> list[Drift]:
    """Return what is known of a receiver's types, those seen last first; clear: and forget it.

    Raises StoreUnavailable.
    """
    found: list[Drift] = []
    for slot in range(SLOTS):
        found += read(read_mark(store, mark_of(receiver, slot), clear=clear)).values()
    return sorted(found, key=lambda each: each.last_seen, reverse=True)


def _place(path: str, problem: str) -> str:
    """Spell a place, without the numbers of a list's entries: `data.files.*.size: missing`."""
    keys = ("*" if each.isdigit() else each for each in path.split("."))
    return plain(f"{'.'.join(keys)}: {problem}", _LONGEST_FIELD)
