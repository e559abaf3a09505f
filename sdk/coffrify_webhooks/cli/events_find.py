"""Finds the records that a user means."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from coffrify_webhooks.stores.record import EVERYTHING, Filter, plain

from .failure import Failed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coffrify_webhooks.stores import Record, Store

__all__ = ["display_name", "find_named", "pages"]

_PAGE = 500
_WHOLE = 64
_KEY = re.compile(r"[0-9a-fA-F]{8,64}")


def pages(store: Store, wanted: Filter = EVERYTHING, limit: int | None = None) -> Iterator[Record]:
    """Yield the records of a filter, all of them or `limit`, asking for a page at a time."""
    from coffrify_webhooks.stores.refused import REFUSED  # not for a help

    after: Record | None = None
    left = limit
    while left is None or left > 0:
        size = _PAGE if left is None else min(left, _PAGE)
        found = store.find(wanted, size, after)
        # Refused requests are listed by a command of their own.
        yield from (each for each in found if each.type != REFUSED)
        if len(found) < size:
            return
        after = found[-1]
        left = None if left is None else left - size


def find_named(store: Store, name: str) -> list[Record]:
    """Return what `name` names: every record of an event id, or one by its key or its beginning.

    An id comes before a key. Raises Failed if there is none, or if several keys begin so.
    """
    found = [each for each in pages(store, Filter(id=plain(name))) if _has_name(each, name)]
    if not found and len(name) == _WHOLE and _KEY.fullmatch(name):
        whole = store.get(name.lower())
        found = [] if whole is None else [whole._replace(body=None)]
    elif not found and _KEY.fullmatch(name):
        found = list(pages(store, Filter(key=name.lower())))
        if len(found) > 1:
            raise Failed(f"{len(found)} keys begin with {name}; give more of the key")
    if not found:
        raise Failed(
            f"the store has no event {plain(name)}; give its id, or its key or the first 8 or more "
            "digits of that, as `events list --json` has them"
        )
    return found


def _has_name(record: Record, name: str) -> bool:
    """Tell an id from another of the same beginning, or one that a database pads."""
    if record.status == "conflict":
        return record.id == plain(name)
    from coffrify_webhooks.pipeline.identity import key_of  # not for a help

    as_shown = "\\" in name and record.id == name
    return as_shown or record.key == key_of(record.receiver, name)


def display_name(record: Record) -> str:
    """Return what to call a record in a sentence."""
    return record.id if record.id and record.status != "conflict" else record.key[:12]
