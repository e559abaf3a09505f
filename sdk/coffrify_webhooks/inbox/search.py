"""Finds events for a page, in bounded time however many are stored.

The store has an index on status and time, and none on types or errors. So a page asks for events in
the order of that index, looks at a bounded number of them, and says where to go on. An event's id
is looked up by its key.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from coffrify_webhooks.pipeline.identity import key_of
from coffrify_webhooks.stores import Filter, Record
from coffrify_webhooks.stores.refused import REFUSED
from coffrify_webhooks.text import plain

from .reading import store_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coffrify_webhooks.receiver import Receiver
    from coffrify_webhooks.stores import Status

__all__ = ["LOOKED_AT", "PAGE", "Found", "Wanted", "recent", "search"]

PAGE = 50
"""Events on a page."""
LOOKED_AT = 1000
"""Events that are looked at for one page: twice as many take 0.2 s where a million are stored."""
_AT_ONCE = 500
_PLACE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,20})?)-([0-9a-f]{64})")
_KEY = re.compile(r"[0-9a-f]{8,64}")


class Wanted(NamedTuple):
    """Which events a page is to show."""

    text: str = ""
    """An id, a key or its beginning, or a part of an id or of an error, in any case."""
    type: str = ""
    """A type, or with a `*` at its end the beginning of one."""
    status: Status | None = None
    within: float | None = None
    """Seconds since their status changed."""
    after: str = ""
    """Where to go on: the `next` of the page before."""


class Found(NamedTuple):
    """The events of a page."""

    records: list[Record]
    next: str = ""
    """Where to go on; empty at the end."""
    is_cut: bool = False
    """Whether there may be more that were not looked at, although the page is not full."""


def search(receiver: Receiver, wanted: Wanted) -> Found:
    """Return a page of the receiver's events, those whose status changed last first."""
    records: list[Record] = [] if wanted.after else _named(receiver, wanted)
    named = {each.key for each in records}
    for looked_at, record in enumerate(_walk(receiver, wanted), 1):
        if record.key not in named and _fits(record, receiver, wanted):
            if len(records) >= PAGE:
                return Found(records, _place(records[-1]))
            records.append(record)
        if looked_at >= LOOKED_AT:
            return Found(records, _place(record), is_cut=True)
    return Found(records)


def recent(receiver: Receiver, most: int) -> list[Record]:
    """Return the events of the receiver among the `most` whose status changed last."""
    wanted = Wanted()
    found = store_of(receiver).find(Filter(), most)
    return [each for each in found if _fits(each, receiver, wanted)]


def _named(receiver: Receiver, wanted: Wanted) -> list[Record]:
    """Return the events that the text names outright."""
    if not wanted.text:
        return []
    store = store_of(receiver)
    one = store.get(key_of(receiver.name, wanted.text))
    found = [] if one is None else [one._replace(body=None)]
    digits = wanted.text.lower()
    if _KEY.fullmatch(digits):
        found += store.find(Filter(key=digits), PAGE)
    rest = wanted._replace(text="")
    return [each for each in found if _fits(each, receiver, rest)]


def _walk(receiver: Receiver, wanted: Wanted) -> Iterator[Record]:
    statuses: tuple[Status, ...] = (wanted.status,) if wanted.status else ()
    filtered = Filter(statuses=statuses, recent=wanted.within)
    after, size, store = _record_at(wanted.after), PAGE + 1, store_of(receiver)
    while True:
        found = store.find(filtered, size, after)
        yield from found
        if len(found) < size:
            return
        after, size = found[-1], _AT_ONCE


def _fits(record: Record, receiver: Receiver, wanted: Wanted) -> bool:
    if record.type == REFUSED or record.receiver != plain(receiver.name):
        return False
    if wanted.status and record.status != wanted.status:
        return False
    kind = wanted.type
    if kind.endswith("*"):
        if not record.type.startswith(kind[:-1]):
            return False
    elif kind and record.type != kind:
        return False
    text = wanted.text.casefold()
    return text in record.error.casefold() or text in record.id.casefold()


def _place(record: Record) -> str:
    return f"{record.touched_at!r}-{record.key}"


def _record_at(place: str) -> Record | None:
    """Return a record at that place in the order; None for a place that makes no sense."""
    found = _PLACE.fullmatch(place)
    if found is None:
        return None
    at = float(found[1])
    return Record(found[2], "", "", "", "done", 0, at, at, 0, "", frozenset(), "", "{}")
