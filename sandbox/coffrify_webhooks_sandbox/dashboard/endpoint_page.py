"""The page of one endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coffrify_webhooks.extras import needs
from coffrify_webhooks_sandbox.errors import SandboxError
from coffrify_webhooks_sandbox.misbehaviors import MISBEHAVIORS
from coffrify_webhooks_sandbox.schedule import DISABLED_AFTER

from .listing import PAGE, lines
from .rates import periods
from .snippets import event_type_for, snippets
from .submitted_form import SubmittedForm
from .subscription import subscription

with needs("sandbox"):
    from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from coffrify_webhooks_sandbox.service import Service

    from .live import Live
    from .pages import Pages
    from .secrets_shown import SecretsShown

__all__ = ["EndpointPage"]

_SAMPLES = 2000
"""Attempts that the rates over time are made of."""


class EndpointPage:
    """Shows an endpoint's settings, secret and deliveries, and changes it."""

    def __init__(self, service: Service, pages: Pages, shown: SecretsShown) -> None:
        self._service = service
        self._pages = pages
        self._shown = shown
        self.routes = [
            Route("/endpoints/{id}", self._show, methods=["GET"]),
            Route("/endpoints/{id}", self._act, methods=["POST"]),
            Route("/live/endpoints/{id}", self._live),
        ]

    async def _show(self, request: Request) -> Response:
        return self._page(request)

    async def _act(self, request: Request) -> Response:
        form = SubmittedForm([])
        try:
            form = await SubmittedForm.of(request)
            return await self._perform(request.path_params["id"], form)
        except SandboxError as error:
            return self._page(request, form, error)

    async def _perform(self, endpoint_id: str, form: SubmittedForm) -> Response:
        """Perform the action of a button, and redirect to a page that shows the result."""
        service, path = self._service, f"/endpoints/{endpoint_id}"
        done = form.action(*_NOTICES)
        match done:
            case "save":
                changes: dict[str, Any] = {
                    "name": form.text("name").strip(),
                    "url": form.text("url").strip(),
                    "description": form.text("description").strip(),
                    "events": subscription(form),
                }
                service.endpoints.update(endpoint_id, changes)
            case "enable" | "disable":
                service.endpoints.update(endpoint_id, {"is_active": done == "enable"})
            case "rotate":
                service.endpoints.rotate_secret(endpoint_id, form.whole_number("grace_hours"))
                self._shown.show(endpoint_id)
            case "test":
                await service.test(endpoint_id)
            case "misbehave":
                endpoint = service.endpoints.get(endpoint_id)
                manner = form.text("manner")
                await service.trigger(event_type_for(endpoint), endpoint=endpoint.id, manner=manner)
            case "show":
                self._shown.show(service.endpoints.get(endpoint_id).id)
            case _:
                service.endpoints.delete(endpoint_id)
                self._shown.take(endpoint_id)
                path = "/"
        return self._pages.redirect(path, _NOTICES[done])

    def _page(
        self, request: Request, form: SubmittedForm | None = None, error: SandboxError | None = None
    ) -> Response:
        try:
            endpoint = self._service.endpoints.get(request.path_params["id"])
        except SandboxError as missing:
            return self._pages.error_page(request, missing)
        values = {
            "name": endpoint.name,
            "url": endpoint.url,
            "description": endpoint.description,
            "grace_hours": "24",
        }
        chosen = list(endpoint.events)
        if form is not None and form.text("do") == "save":
            values |= {name: form.text(name) for name in values if name in form.last}
            chosen = subscription(form)
        elif form is not None and form.text("do") == "rotate":
            values["grace_hours"] = form.text("grace_hours")
        is_look = request.method == "GET"  # not HEAD, of which nobody sees a page
        return self._pages.page(
            request,
            "endpoint.html",
            status=error.status if error else 200,
            error=error,
            values=values,
            chosen=chosen,
            families=self._service.event_types.families,
            snippets=snippets(endpoint),
            secret=endpoint.secret if is_look and self._shown.take(endpoint.id) else "",
            **self._context(endpoint.id),
        )

    async def _live(self, request: Request) -> Live:
        endpoint_id = request.path_params["id"]
        return self._pages.live("live/endpoint_with_head.html", lambda: self._context(endpoint_id))

    def _context(self, endpoint_id: str) -> dict[str, Any]:
        endpoint = self._service.endpoints.get(endpoint_id)
        database = self._service.database
        deliveries = database.deliveries(PAGE + 1, endpoint_id=endpoint.id)
        return {
            "endpoint": endpoint,
            "lines": lines(database, deliveries[:PAGE]),
            "more": len(deliveries) > PAGE,
            "manners": MISBEHAVIORS,
            "event_type": event_type_for(endpoint),
            "periods": periods(database.search.samples(endpoint.id, _SAMPLES)),
            "samples": _SAMPLES,
            "disabled_after": DISABLED_AFTER,
        }


_NOTICES = {
    "save": "saved",
    "enable": "enabled",
    "disable": "disabled",
    "rotate": "rotated",
    "test": "tested",
    "misbehave": "misbehaved",
    "show": "",
    "delete": "deleted",
}
