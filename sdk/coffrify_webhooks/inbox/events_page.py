"""The page that lists events, and its live part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args
from urllib.parse import urlencode

from coffrify_webhooks.stores import Status

from .event_page import REPLAYABLE
from .search import LOOKED_AT, Wanted, search

if TYPE_CHECKING:
    from collections.abc import Mapping

    from coffrify_webhooks.receiver import Receiver

    from .pages import Pages
    from .request import InboxRequest
    from .response import Response

__all__ = ["EventsPage"]

_STATUSES: tuple[Status, ...] = get_args(Status)
_WITHIN: Mapping[str, tuple[str, float]] = {
    "1h": ("the last hour", 3600.0),
    "24h": ("the last 24 hours", 86_400.0),
    "7d": ("the last 7 days", 604_800.0),
}


class EventsPage:
    """Lists events, newest first: all, or those that a search finds."""

    def __init__(self, receiver: Receiver, pages: Pages) -> None:
        self._receiver = receiver
        self._pages = pages

    def show(self, request: InboxRequest) -> Response:
        """Show the whole page."""
        return self._pages.page(request, "events.html", **self._context(request))

    def rows(self, request: InboxRequest) -> Response:
        """Show the list alone, for the page that is open."""
        return self._pages.page(request, "parts/rows.html", **self._context(request))

    def _context(self, request: InboxRequest) -> dict[str, Any]:
        asked = {name: request.asked.get(name, "").strip() for name in _FIELDS}
        status = asked["status"] if asked["status"] in _STATUSES else None
        _, within = _WITHIN.get(asked["within"], ("", None))
        wanted = Wanted(asked["q"], asked["type"], status, within, asked["after"])
        found = search(self._receiver, wanted)
        here = {name: value for name, value in asked.items() if value and name != "after"}
        return {
            "receiver": self._receiver.name,
            "asked": asked,
            "statuses": _STATUSES,
            "spans": {key: text for key, (text, _) in _WITHIN.items()},
            "found": found,
            "replayable": REPLAYABLE,
            "looked_at": LOOKED_AT,
            "is_live": not asked["after"] and asked["live"] != "off",
            "here": urlencode(here),
            "live_off": urlencode({**here, "live": "off"}),
            "live_on": urlencode({k: v for k, v in here.items() if k != "live"}),
            "next": urlencode({**here, "after": found.next}) if found.next else "",
        }


_FIELDS = ("q", "type", "status", "within", "after", "live")
