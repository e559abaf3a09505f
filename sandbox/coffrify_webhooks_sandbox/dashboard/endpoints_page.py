"""The page that lists endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coffrify_webhooks.extras import needs

from .rates import Rate

with needs("sandbox"):
    from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from coffrify_webhooks_sandbox.service import Service

    from .live import Live
    from .pages import Pages

__all__ = ["EndpointsPage"]

_SAMPLES = 200
"""Attempts of each endpoint that its rate is made of."""


class EndpointsPage:
    """Lists all endpoints, each with its latest success rate and response time."""

    def __init__(self, service: Service, pages: Pages) -> None:
        self._service = service
        self._pages = pages
        self.routes = [
            Route("/endpoints", self._show),
            Route("/live/endpoints", self._live),
        ]

    async def _show(self, request: Request) -> Response:
        return self._pages.page(request, "endpoints.html", **self._context())

    async def _live(self, _request: Request) -> Live:
        return self._pages.live("live/endpoints.html", self._context)

    def _context(self) -> dict[str, Any]:
        database = self._service.database
        return {
            "samples": _SAMPLES,
            "lines": [
                (endpoint, Rate.of(database.search.samples(endpoint.id, _SAMPLES)))
                for endpoint in database.endpoints()
            ],
        }
