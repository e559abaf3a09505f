"""The page that creates an endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coffrify_webhooks.extras import needs
from coffrify_webhooks_sandbox.errors import SandboxError

from .submitted_form import SubmittedForm
from .subscription import subscription

with needs("sandbox"):
    from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from coffrify_webhooks_sandbox.service import Service

    from .pages import Pages
    from .secrets_shown import SecretsShown

__all__ = ["NewEndpointPage"]

_PATH = "/endpoints/new"
_EMPTY = SubmittedForm([("which", "all"), ("url", "http://127.0.0.1:8000/webhooks/coffrify")])


class NewEndpointPage:
    """Shows the form for a new endpoint, and redirects to the page that shows its secret."""

    def __init__(self, service: Service, pages: Pages, shown: SecretsShown) -> None:
        self._service = service
        self._pages = pages
        self._shown = shown
        self.routes = [
            Route(_PATH, self._show, methods=["GET"]),
            Route(_PATH, self._create, methods=["POST"]),
        ]

    async def _show(self, request: Request) -> Response:
        return self._page(request, _EMPTY, None)

    async def _create(self, request: Request) -> Response:
        form = _EMPTY
        try:
            form = await SubmittedForm.of(request)
            endpoint = self._service.endpoints.create(
                form.text("url").strip(),
                subscription(form),
                name=form.text("name").strip() or None,
                description=form.text("description").strip(),
            )
        except SandboxError as error:
            return self._page(request, form, error)
        self._shown.show(endpoint.id)
        return self._pages.redirect(f"/endpoints/{endpoint.id}", "created")

    def _page(self, request: Request, form: SubmittedForm, error: SandboxError | None) -> Response:
        return self._pages.page(
            request,
            "new_endpoint.html",
            status=error.status if error else 200,
            error=error,
            values={name: form.text(name) for name in ("name", "url", "description")},
            chosen=subscription(form),
            families=self._service.event_types.families,
        )
