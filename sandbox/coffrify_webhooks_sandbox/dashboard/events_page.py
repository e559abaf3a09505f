"""The page that lists events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coffrify_webhooks.extras import needs
from coffrify_webhooks_sandbox.errors import SandboxError

from .filters import Filters
from .listing import PAGE

with needs("sandbox"):
    from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from coffrify_webhooks_sandbox.service import Service

    from .live import Live
    from .pages import Pages

__all__ = ["EventsPage"]

_PATH = "/events"


class EventsPage:
    """Lists the events that a search finds, each with what became of its deliveries."""

    def __init__(self, service: Service, pages: Pages) -> None:
        self._service = service
        self._pages = pages
        self.routes = [
            Route(_PATH, self._show),
            Route(f"/live{_PATH}", self._live),
        ]

    async def _show(self, request: Request) -> Response:
        try:
            context = self._context(Filters(self._service, request.query_params))
        except SandboxError as error:
            return self._pages.error_page(request, error)
        return self._pages.page(request, "events.html", **context)

    async def _live(self, request: Request) -> Live:
        return self._pages.live(
            "live/events.html",
            lambda: self._context(Filters(self._service, request.query_params)),
        )

    def _context(self, filters: Filters) -> dict[str, Any]:
        database = self._service.database
        if filters.before:
            self._service.event(filters.before)
        found = database.search.events(filters.wanted, PAGE)
        return {
            **filters.context(_PATH, found.older),
            "endpoints": database.endpoints(),
            "events": found.records,
            "event_counts": database.delivery_counts(found.records),
            "is_cut": found.is_cut,
        }
