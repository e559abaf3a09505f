"""The page of one delivery."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coffrify_webhooks.extras import needs
from coffrify_webhooks.web.wording import of_bytes, pretty
from coffrify_webhooks_sandbox.errors import SandboxError
from coffrify_webhooks_sandbox.misbehaviors import misbehavior_of

from .chart import chart
from .copies import curl_of, pytest_code
from .submitted_form import SubmittedForm

with needs("sandbox"):
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from coffrify_webhooks_sandbox.records import Delivery, Endpoint, Event
    from coffrify_webhooks_sandbox.service import Service

    from .live import Live
    from .pages import Pages

__all__ = ["DeliveryPage"]


class DeliveryPage:
    """Shows a delivery's event, attempts and schedule, and replays or retries it."""

    def __init__(self, service: Service, pages: Pages) -> None:
        self._service = service
        self._pages = pages
        self.routes = [
            Route("/deliveries/{id}", self._show, methods=["GET"]),
            Route("/deliveries/{id}", self._act, methods=["POST"]),
            Route("/deliveries/{id}/answers/{attempt}", self._answer),
            Route("/live/deliveries/{id}", self._live),
        ]

    async def _show(self, request: Request) -> Response:
        return self._page(request)

    async def _act(self, request: Request) -> Response:
        delivery_id = request.path_params["id"]
        try:
            if (await SubmittedForm.of(request)).action("replay", "retry") == "retry":
                self._service.retry(delivery_id)
                return self._pages.redirect(f"/deliveries/{delivery_id}", "retried")
            replay = self._service.replay(delivery_id)
            return self._pages.redirect(f"/deliveries/{replay.id}", "replayed")
        except SandboxError as error:
            return self._page(request, error)

    async def _answer(self, request: Request) -> Response:
        """Return the response of one attempt as text; the page shortens older ones."""
        wanted = request.path_params["attempt"]
        try:
            delivery = self._service.delivery(request.path_params["id"])
        except SandboxError as missing:
            return self._pages.error_page(request, missing)
        for attempt in self._service.database.attempts(delivery.id):
            if str(attempt.id) == wanted:
                return PlainTextResponse(pretty(attempt.reply) or of_bytes(attempt.reply))
        return self._pages.not_found(request)

    def _page(self, request: Request, error: SandboxError | None = None) -> Response:
        status = error.status if error else 200
        try:
            context = self._context(request.path_params["id"])
        except SandboxError as missing:
            return self._pages.error_page(request, missing)
        return self._pages.page(
            request,
            "delivery.html",
            status=status,
            error=error,
            **context,
            **self._copies(context["delivery"], context["event"], context["endpoint"]),
        )

    def _copies(
        self, delivery: Delivery, event: Event | None, endpoint: Endpoint | None
    ) -> dict[str, Any]:
        """Return what the page offers to copy; "" for what it cannot."""
        if event is None:
            return {"curl": "", "pytest_code": ""}
        courier = self._service.courier
        return {
            "curl": curl_of(courier.sign_request(delivery, endpoint, event)) if endpoint else "",
            "pytest_code": pytest_code(event),
        }

    async def _live(self, request: Request) -> Live:
        delivery_id = request.path_params["id"]
        return self._pages.live(
            "live/delivery.html", lambda: self._context(delivery_id), delivery_id
        )

    def _context(self, delivery_id: str) -> dict[str, Any]:
        database = self._service.database
        delivery = self._service.delivery(delivery_id)
        attempts = database.attempts(delivery.id)
        event = database.event(delivery.event_id)
        return {
            "delivery": delivery,
            "event": event,
            "can_edit": event is not None and event.type in self._service.event_types.names,
            "endpoint": database.endpoint(delivery.endpoint_id),
            "attempts": attempts,
            "manner": misbehavior_of(delivery.manner),
            "replay": database.replays([delivery]).get(delivery.id),
            "chart": chart(delivery, attempts, self._service.clock.now()),
        }
