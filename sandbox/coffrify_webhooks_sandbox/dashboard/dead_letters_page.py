"""The page of dead letters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coffrify_webhooks.extras import needs
from coffrify_webhooks_sandbox.errors import SandboxError

from .listing import PAGE, lines
from .submitted_form import SubmittedForm

with needs("sandbox"):
    from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from coffrify_webhooks_sandbox.service import Service

    from .live import Live
    from .pages import Pages

__all__ = ["DeadLettersPage"]

_PATH = "/dead-letters"


class DeadLettersPage:
    """Shows the dead letters with their reasons, and replays one or all."""

    def __init__(self, service: Service, pages: Pages) -> None:
        self._service = service
        self._pages = pages
        self.routes = [
            Route(_PATH, self._show, methods=["GET"]),
            Route(_PATH, self._act, methods=["POST"]),
            Route(f"/live{_PATH}", self._live),
        ]

    async def _show(self, request: Request) -> Response:
        return self._page(request)

    async def _act(self, request: Request) -> Response:
        try:
            form = await SubmittedForm.of(request)
            if form.action("replay", "replay_all") == "replay_all":
                made = self._service.replay_dead()
            else:
                made = [self._service.replay(form.text("delivery"))]
            return self._pages.redirect(_PATH, "replayed_all", len(made))
        except SandboxError as error:
            return self._page(request, error)

    def _page(self, request: Request, error: SandboxError | None = None) -> Response:
        return self._pages.page(
            request,
            "dead_letters.html",
            status=error.status if error else 200,
            error=error,
            **self._context(),
        )

    async def _live(self, _request: Request) -> Live:
        return self._pages.live("live/dead_letters.html", self._context)

    def _context(self) -> dict[str, Any]:
        database = self._service.database
        found = database.deliveries(PAGE + 1, status="dead_letter")
        return {
            "count": database.counts().get("dead_letter", 0),
            "lines": lines(database, found[:PAGE]),
            "more": len(found) > PAGE,
            "can_replay": bool(database.dead_letters(1)),
        }
