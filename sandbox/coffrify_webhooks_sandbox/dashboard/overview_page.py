"""The first page, with the latest deliveries and events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coffrify_webhooks.extras import needs

from .listing import PAGE, lines

with needs("sandbox"):
    from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from coffrify_webhooks_sandbox.service import Service

    from .live import Live
    from .pages import Pages

__all__ = ["OverviewPage"]

_EVENTS = 12
_USUAL = "http://127.0.0.1:4242"


class OverviewPage:
    """Shows the latest deliveries and events, and all endpoints."""

    def __init__(self, service: Service, pages: Pages) -> None:
        self._service = service
        self._pages = pages
        self.routes = [
            Route("/", self._show),
            Route("/live/overview", self._live),
        ]

    async def _show(self, request: Request) -> Response:
        return self._pages.page(
            request,
            "overview.html",
            api=f"{request.base_url}v1",
            is_live=request.query_params.get("live") != "off",
            **self._context(request),
        )

    async def _live(self, request: Request) -> Live:
        return self._pages.live("live/overview.html", lambda: self._context(request))

    def _context(self, request: Request) -> dict[str, Any]:
        database = self._service.database
        events = database.events(_EVENTS)
        deliveries = database.deliveries(PAGE + 1)
        return {
            "command": _command(request),
            "counts": database.counts(),
            "endpoints": database.endpoints(),
            "events": events,
            "event_counts": database.delivery_counts(events),
            "lines": lines(database, deliveries[:PAGE]),
            "more": len(deliveries) > PAGE,
        }


def _command(request: Request) -> str:
    """Return the command that triggers an event in this sandbox."""
    address = str(request.base_url).rstrip("/")
    where = "" if address == _USUAL else f" --sandbox {address}"
    who = " --api-key KEY" if "authorization" in request.headers else ""  # others can reach it
    return f"coffrify-webhooks trigger transfer.created{where}{who}"
