"""One delivery: what was sent, what was answered, and what comes next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coffrify_webhooks.extras import needs
from coffrify_webhooks_sandbox.errors import SandboxError
from coffrify_webhooks_sandbox.manners import manner_of

from .chart import chart
from .form import Form

with needs("sandbox"):
    from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from coffrify_webhooks_sandbox.service import Service

    from .live import Live
    from .pages import Pages

__all__ = ["DeliveryPage"]


class DeliveryPage:
    """A delivery's event, attempts and schedule, with what can be done about it."""

    def __init__(self, service: Service, pages: Pages) -> None:
        self._service = service
        self._pages = pages
        self.routes = [
            Route("/deliveries/{id}", self._show, methods=["GET"]),
            Route("/deliveries/{id}", self._act, methods=["POST"]),
            Route("/live/deliveries/{id}", self._live),
        ]

    async def _show(self, request: Request) -> Response:
        return self._page(request)

    async def _act(self, request: Request) -> Response:
        delivery_id = request.path_params["id"]
        try:
            if (await Form.of(request)).action("replay", "retry") == "retry":
                self._service.retry(delivery_id)
                return self._pages.redirect(f"/deliveries/{delivery_id}", "retried")
            replay = self._service.replay(delivery_id)
            return self._pages.redirect(f"/deliveries/{replay.id}", "replayed")
        except SandboxError as error:
            return self._page(request, error)

    def _page(self, request: Request, error: SandboxError | None = None) -> Response:
        status = error.status if error else 200
        try:
            context = self._context(request.path_params["id"])
        except SandboxError as missing:
            return self._pages.failed(request, missing)
        return self._pages.page(request, "delivery.html", status=status, error=error, **context)

    async def _live(self, request: Request) -> Live:
        delivery_id = request.path_params["id"]
        return self._pages.live(
            "live/delivery.html", lambda: self._context(delivery_id), delivery_id
        )

    def _context(self, delivery_id: str) -> dict[str, Any]:
        database = self._service.database
        delivery = self._service.delivery(delivery_id)
        attempts = database.attempts(delivery.id)
        return {
            "delivery": delivery,
            "event": database.event(delivery.event_id),
            "endpoint": database.endpoint(delivery.endpoint_id),
            "attempts": attempts,
            "manner": manner_of(delivery.manner),
            "replay": database.replays([delivery]).get(delivery.id),
            "chart": chart(delivery, attempts, self._service.clock.now()),
        }
