"""The page of one event, or of one refused request."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from coffrify_webhooks.pipeline.identity import key_of
from coffrify_webhooks.stores import Filter
from coffrify_webhooks.stores.refused import REFUSED
from coffrify_webhooks.text import plain

from .bodies import difference, shown
from .facts import facts_of, handlers_of
from .reading import store_of
from .refusal import refusal_of

if TYPE_CHECKING:
    from coffrify_webhooks.receiver import Receiver
    from coffrify_webhooks.stores import Record

    from .pages import Pages
    from .request import InboxRequest
    from .response import Response

__all__ = ["REPLAYABLE", "EventPage", "own_record"]

REPLAYABLE = ("failed", "dead", "conflict")
_KEY = re.compile(r"[0-9a-f]{64}")
_CONFLICTS = 500
"""Conflicts that are looked at for another body of the same event."""


def own_record(receiver: Receiver, key: str) -> Record | None:
    """Return what is known of an event of this receiver; others have inboxes of their own."""
    record = store_of(receiver).get(key) if _KEY.fullmatch(key) else None
    own = (plain(receiver.name), plain(f"{receiver.name} (refused)"))
    return record if record is not None and record.receiver in own else None


class EventPage:
    """Shows all that is known of an event."""

    def __init__(self, receiver: Receiver, pages: Pages) -> None:
        self._receiver = receiver
        self._pages = pages

    def show(self, request: InboxRequest, key: str, *, see_bodies: bool) -> Response | None:
        """Show an event; None if there is none of this key."""
        record = own_record(self._receiver, key)
        if record is None:
            return None
        if record.type == REFUSED:
            refusal = refusal_of(self._receiver, record)
            body = shown(refusal.body) if see_bodies and refusal.body is not None else None
            return self._pages.page(
                request, "refusal.html", record=record, refusal=refusal, body=body
            )
        return self._pages.page(
            request,
            "event.html",
            record=record,
            facts=facts_of(record),
            handlers=handlers_of(self._receiver, record),
            can_replay=record.status in REPLAYABLE and record.body is not None,
            **self._bodies_of(record, see_bodies=see_bodies),
        )

    def _bodies_of(self, record: Record, *, see_bodies: bool) -> dict[str, Any]:
        size = None if record.body is None else len(record.body)
        if not see_bodies or record.body is None:
            return {"size": size, "see_bodies": see_bodies, "body": None, "other": None, "diff": []}
        other = self._other(record) if record.status == "conflict" else None
        return {
            "size": size,
            "see_bodies": True,
            "body": shown(record.body),
            "other": other,
            "diff": [] if other is None else difference(other.body or b"", record.body),
        }

    def _other(self, record: Record) -> Record | None:
        """Return the event that a body is in conflict with; if its body is dropped, another one."""
        store = store_of(self._receiver)
        first = store.get(key_of(self._receiver.name, record.id))
        if first is not None and first.body is not None:
            return first
        found = store.find(Filter(statuses=("conflict",)), _CONFLICTS)
        others = [
            each.key
            for each in found
            if each.key != record.key and (each.id, each.receiver) == (record.id, record.receiver)
        ]
        other = store.get(others[0]) if others else None
        return None if other is None or other.body is None else other
