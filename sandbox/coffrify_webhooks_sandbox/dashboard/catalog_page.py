"""The page of the catalog, by family."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coffrify_webhooks.extras import needs

with needs("sandbox"):
    from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from coffrify_webhooks_sandbox.service import Service

    from .pages import Pages

__all__ = ["CatalogPage"]


class CatalogPage:
    """Every event type, with its badges, schema and example."""

    def __init__(self, service: Service, pages: Pages) -> None:
        self._service = service
        self._pages = pages
        self.routes = [Route("/catalog", self._show)]

    async def _show(self, request: Request) -> Response:
        event_types = self._service.event_types
        return self._pages.page(
            request,
            "catalog.html",
            families=event_types.families,
            note=event_types.catalog.note,
        )
