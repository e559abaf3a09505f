"""Lets time pass; the form is on every page."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from coffrify_webhooks.extras import needs
from coffrify_webhooks_sandbox.errors import SandboxError

from .form import Form

with needs("sandbox"):
    from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from coffrify_webhooks_sandbox.service import Service

    from .pages import Pages

__all__ = ["TimeForm"]

_MOST_HOURS = 24 * 365
_PATIENCE = 2.0
_PAGE = re.compile(r"/(?!/)[\w./-]*")
"""A path of ours: a form must not lead to another site."""


class TimeForm:
    """Takes the form, and leads back to the page that it is on."""

    def __init__(self, service: Service, pages: Pages) -> None:
        self._service = service
        self._pages = pages
        self._passing: set[asyncio.Task[None]] = set()
        self.routes = [
            Route("/time", self._show, methods=["GET"]),
            Route("/time", self._skip, methods=["POST"]),
        ]

    async def _show(self, _request: Request) -> Response:
        return self._pages.redirect("/")

    async def _skip(self, request: Request) -> Response:
        try:
            form = await Form.of(request)
            hours = form.whole("hours")
            if not 1 <= hours <= _MOST_HOURS:
                raise SandboxError(  # noqa: TRY301
                    400, "invalid_parameter", f"hours: give 1 to {_MOST_HOURS}", "hours"
                )
        except SandboxError as error:
            return self._pages.failed(request, error)
        passing = asyncio.create_task(self._service.pass_time(hours * 3600))
        self._passing.add(passing)
        passing.add_done_callback(self._passing.discard)
        await asyncio.wait({passing}, timeout=_PATIENCE)  # a receiver may hang; the page is live
        back = form.text("back")
        return self._pages.redirect(back if _PAGE.fullmatch(back) else "/", "skipped")
