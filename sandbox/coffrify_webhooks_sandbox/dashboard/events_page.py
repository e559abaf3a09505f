"""The page that lists events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .list_page import ListPage
from .listing import PAGE

if TYPE_CHECKING:
    from coffrify_webhooks_sandbox.service import Service

    from .filters import Filters
    from .pages import Pages

__all__ = ["EventsPage"]


class EventsPage:
    """Lists the events that a search finds, each with what became of its deliveries."""

    def __init__(self, service: Service, pages: Pages) -> None:
        self._service = service
        self.routes = ListPage(service, pages, "/events", self._context).routes

    def _context(self, filters: Filters) -> dict[str, Any]:
        database = self._service.database
        if filters.before:
            self._service.event(filters.before)
        found = database.search.events(filters.wanted, PAGE)
        return {
            **filters.context("/events", found.older),
            "endpoints": database.endpoints(),
            "events": found.records,
            "event_counts": database.delivery_counts(found.records),
            "is_cut": found.is_cut,
        }
