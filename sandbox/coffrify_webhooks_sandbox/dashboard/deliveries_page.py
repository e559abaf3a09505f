"""The pages that list deliveries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args
from urllib.parse import urlencode

from coffrify_webhooks.extras import needs
from coffrify_webhooks_sandbox.errors import SandboxError
from coffrify_webhooks_sandbox.records import Status

from .listing import PAGE, lines

with needs("sandbox"):
    from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from coffrify_webhooks_sandbox.service import Service

    from .live import Live
    from .pages import Pages

__all__ = ["DeliveriesPage"]

_STATUSES: tuple[str, ...] = get_args(Status)


class DeliveriesPage:
    """Lists deliveries: of one status, endpoint or event, or all."""

    def __init__(self, service: Service, pages: Pages) -> None:
        self._service = service
        self._pages = pages
        self.routes = [
            Route("/deliveries", self._show),
            Route("/live/deliveries", self._live),
        ]

    async def _show(self, request: Request) -> Response:
        try:
            context = self._context(request)
        except SandboxError as error:
            return self._pages.error_page(request, error)
        return self._pages.page(request, "deliveries.html", **context)

    async def _live(self, request: Request) -> Live:
        return self._pages.live("live/deliveries.html", lambda: self._context(request))

    def _context(self, request: Request) -> dict[str, Any]:
        """Return the requested deliveries; raise SandboxError for an unknown filter."""
        database = self._service.database
        asked = {name: request.query_params.get(name) or None for name in _FILTERS}
        endpoint = self._service.endpoints.get(asked["endpoint"]) if asked["endpoint"] else None
        if asked["before"]:
            self._service.delivery(asked["before"])
        if asked["status"] not in (None, *_STATUSES):
            message = f"there is no status {(asked['status'] or '')[:100]!a}"
            raise SandboxError(404, "not_found", message)
        event = database.event(asked["event"]) if asked["event"] else None
        found = database.deliveries(
            PAGE + 1,
            endpoint_id=asked["endpoint"],
            event_id=asked["event"],
            status=asked["status"],
            before=asked["before"],
        )
        shown = found[:PAGE]
        here = {name: value for name, value in asked.items() if value}
        query = {name: value for name, value in here.items() if name != "before"}
        older = urlencode({**query, "before": shown[-1].id}) if len(found) > PAGE else ""
        return {
            "asked": asked,
            "endpoint": endpoint,
            "event": event,
            "statuses": _STATUSES,
            "lines": lines(database, shown),
            "here": urlencode(here),
            "newest": urlencode(query),
            "older": older,
        }


_FILTERS = ("status", "endpoint", "event", "before")
