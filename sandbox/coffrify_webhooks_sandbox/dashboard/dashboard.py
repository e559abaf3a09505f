"""The dashboard's routes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from coffrify_webhooks.extras import needs

from .catalog_page import CatalogPage
from .dead_letters_page import DeadLettersPage
from .deliveries_page import DeliveriesPage
from .delivery_page import DeliveryPage
from .doctor_page import DoctorPage
from .endpoint_page import EndpointPage
from .endpoints_page import EndpointsPage
from .event_page import EventPage
from .events_page import EventsPage
from .new_endpoint_page import NewEndpointPage
from .overview_page import OverviewPage
from .pages import Pages
from .secrets_shown import SecretsShown
from .signatures_page import SignaturesPage
from .time_form import TimeForm
from .trigger_page import TriggerPage

with needs("sandbox"):
    from starlette.routing import Mount, Route
    from starlette.staticfiles import StaticFiles

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from coffrify_webhooks_sandbox.service import Service

    from .live import Live

__all__ = ["Dashboard"]

_STATIC = Path(__file__).with_name("static")


class Dashboard:
    """The routes of all pages; GET shows a page, and POST performs its actions."""

    def __init__(self, service: Service) -> None:
        self._pages = Pages(service)
        shown = SecretsShown()
        self.routes: list[BaseRoute] = [
            *OverviewPage(service, self._pages).routes,
            *DeliveriesPage(service, self._pages).routes,
            *DeliveryPage(service, self._pages).routes,
            *EventsPage(service, self._pages).routes,
            *EventPage(service, self._pages).routes,
            *EndpointsPage(service, self._pages).routes,
            *NewEndpointPage(service, self._pages, shown).routes,
            *EndpointPage(service, self._pages, shown).routes,
            *DeadLettersPage(service, self._pages).routes,
            *CatalogPage(service, self._pages).routes,
            *TriggerPage(service, self._pages).routes,
            *DoctorPage(service, self._pages).routes,
            *SignaturesPage(service, self._pages).routes,
            *TimeForm(service, self._pages).routes,
            Route("/live/frame", self._frame),
            Mount(
                "/static",
                StaticFiles(directory=_STATIC, packages=[("coffrify_webhooks.web", "static")]),
            ),
        ]

    async def _frame(self, _request: Request) -> Live:
        """Return the live frame of pages that have no other live part."""
        return self._pages.frame()

    def not_found(self, request: Request) -> Response:
        """Return a readable page for a path that does not exist."""
        return self._pages.not_found(request)
