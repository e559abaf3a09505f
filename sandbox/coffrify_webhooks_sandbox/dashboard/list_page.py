"""A page that lists what a search finds, and its live part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from coffrify_webhooks.extras import needs
from coffrify_webhooks_sandbox.errors import SandboxError

from .filters import Filters

with needs("sandbox"):
    from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from coffrify_webhooks_sandbox.service import Service

    from .live import Live
    from .pages import Pages

    Context: TypeAlias = Callable[[Filters], dict[str, Any]]

__all__ = ["ListPage"]


class ListPage:
    """Shows the list at `path`, from the template of its name.

    context: returns what the template needs; raises SandboxError for a record that is not there.
    """

    def __init__(self, service: Service, pages: Pages, path: str, context: Context) -> None:
        self._service = service
        self._pages = pages
        self._template = f"{path[1:]}.html"
        self._context = context
        self.routes = [
            Route(path, self._show, methods=["GET"]),
            Route(f"/live{path}", self._live),
        ]

    async def _show(self, request: Request) -> Response:
        try:
            context = self._asked(request)
        except SandboxError as error:
            return self._pages.error_page(request, error)
        return self._pages.page(request, self._template, **context)

    async def _live(self, request: Request) -> Live:
        return self._pages.live(f"live/{self._template}", lambda: self._asked(request))

    def _asked(self, request: Request) -> dict[str, Any]:
        return self._context(Filters(self._service, request.query_params))
