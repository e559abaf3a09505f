"""The page of one event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coffrify_webhooks.extras import needs
from coffrify_webhooks_sandbox.errors import SandboxError

from .copies import pytest_code
from .listing import PAGE, lines
from .submitted_form import SubmittedForm

with needs("sandbox"):
    from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from coffrify_webhooks_sandbox.records import Delivery
    from coffrify_webhooks_sandbox.service import Service

    from .live import Live
    from .pages import Pages

__all__ = ["EventPage"]


class EventPage:
    """Shows an event and its deliveries, and sends it again to each endpoint that had it."""

    def __init__(self, service: Service, pages: Pages) -> None:
        self._service = service
        self._pages = pages
        self.routes = [
            Route("/events/{id}", self._show, methods=["GET"]),
            Route("/events/{id}", self._act, methods=["POST"]),
            Route("/live/events/{id}", self._live),
        ]

    async def _show(self, request: Request) -> Response:
        try:
            context = self._context(request.path_params["id"])
        except SandboxError as missing:
            return self._pages.error_page(request, missing)
        code = pytest_code(context["event"])
        return self._pages.page(request, "event.html", pytest_code=code, **context)

    async def _act(self, request: Request) -> Response:
        try:
            event = self._service.event(request.path_params["id"])
            (await SubmittedForm.of(request)).action("replay")
            latest: dict[str, Delivery] = {}
            for each in self._deliveries(event.id):
                latest.setdefault(each.endpoint_id, each)
            made = self._service.replay_several(latest.values())
        except SandboxError as error:
            return self._pages.error_page(request, error)
        return self._pages.redirect(f"/events/{event.id}", "replayed_some", len(made))

    async def _live(self, request: Request) -> Live:
        event_id = request.path_params["id"]
        return self._pages.live("live/event.html", lambda: self._context(event_id))

    def _deliveries(self, event_id: str) -> list[Delivery]:
        return self._service.database.deliveries(PAGE + 1, event_id=event_id)

    def _context(self, event_id: str) -> dict[str, Any]:
        service = self._service
        event = service.event(event_id)
        found = self._deliveries(event.id)
        shown = lines(service.database, found[:PAGE])
        return {
            "event": event,
            "lines": shown,
            "more": len(found) > PAGE,
            "can_replay": any(line.can_replay for line in shown),
            "can_edit": event.type in service.event_types.names,
        }
