"""The page that lists deliveries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coffrify_webhooks.extras import needs
from coffrify_webhooks_sandbox.errors import SandboxError

from .filters import FIELDS, Filters
from .list_page import ListPage
from .listing import PAGE, lines
from .submitted_form import SubmittedForm

with needs("sandbox"):
    from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from coffrify_webhooks_sandbox.records import Delivery
    from coffrify_webhooks_sandbox.service import Service

    from .pages import Pages

__all__ = ["DeliveriesPage"]

_PATH = "/deliveries"
_MOST_REPLAYED = 1000


class DeliveriesPage:
    """Lists the deliveries that a search finds, and replays those that are chosen, or all."""

    def __init__(self, service: Service, pages: Pages) -> None:
        self._service = service
        self._pages = pages
        self.routes = [
            *ListPage(service, pages, _PATH, self._context).routes,
            Route(_PATH, self._replay, methods=["POST"]),
        ]

    async def _replay(self, request: Request) -> Response:
        try:
            form = await SubmittedForm.of(request)
            filters = Filters(self._service, {name: form.text(name) for name in FIELDS})
            if form.action("replay", "replay_found") == "replay":
                chosen = [self._service.delivery(each) for each in form.all("delivery")]
            else:
                chosen = self._found(filters)
            made = self._service.replay_several(chosen)
        except SandboxError as error:
            return self._pages.error_page(request, error)
        return self._pages.redirect(_PATH, "replayed_some", len(made))

    def _found(self, filters: Filters) -> list[Delivery]:
        return self._service.database.search.deliveries(filters.wanted, _MOST_REPLAYED).records

    def _context(self, filters: Filters) -> dict[str, Any]:
        """Return the requested deliveries; raise SandboxError for an unknown one to go on from."""
        service = self._service
        if filters.before:
            service.delivery(filters.before)
        found = service.database.search.deliveries(filters.wanted, PAGE)
        event = filters.asked["event"]
        return {
            **filters.context(_PATH, found.older),
            "event": service.database.event(event) if event else None,
            "endpoints": service.database.endpoints(),
            "lines": lines(service.database, found.records),
            "is_cut": found.is_cut,
            "most_replayed": _MOST_REPLAYED,
        }
