"""The form that advances time, which is on every page."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

from coffrify_webhooks.extras import needs
from coffrify_webhooks_sandbox.errors import SandboxError

from .notices import notice
from .submitted_form import SubmittedForm

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
"""A path of the dashboard: a form must not redirect to another site."""
_NOTICE_FIELDS = ("done", "count")
"""Query parameters of a notice, which is shown only once."""


class TimeForm:
    """Advances time, and redirects back to the page of the form.

    A page with JavaScript stays as it is, with everything typed into it: only the parts that have
    changed are sent.
    """

    def __init__(self, service: Service, pages: Pages) -> None:
        self._service = service
        self._pages = pages
        self._passing: set[asyncio.Task[None]] = set()
        self.routes = [
            Route("/time", self._show, methods=["GET"]),
            Route("/time", self._act, methods=["POST"]),
        ]

    async def _show(self, _request: Request) -> Response:
        return self._pages.redirect("/")

    async def _act(self, request: Request) -> Response:
        stays = "hx-request" in request.headers
        try:
            form = await SubmittedForm.of(request)
            done = "skipped" if await self._advance(_hours_of(form)) else "passing"
        except SandboxError as error:
            return (
                self._pages.message(error=error)
                if stays
                else self._pages.error_page(request, error)
            )
        if stays:
            return self._pages.message(notice({"done": done}))
        return self._pages.redirect(_own_page(form.text("back")), done)

    async def _advance(self, hours: int) -> bool:
        """Advance time; False if it is still advancing because a receiver does not answer."""
        passing = asyncio.create_task(self._service.time.advance(hours * 3600))
        self._passing.add(passing)
        passing.add_done_callback(self._passing.discard)
        stopping = asyncio.create_task(self._service.stopping.wait())
        ends = asyncio.FIRST_COMPLETED
        # It goes on; the page is live.
        await asyncio.wait({passing, stopping}, timeout=_PATIENCE, return_when=ends)
        stopping.cancel()
        if passing.done():
            passing.result()  # raises what has gone wrong
        return passing.done()


def _hours_of(form: SubmittedForm) -> int:
    hours = form.whole_number("hours")
    if not 1 <= hours <= _MOST_HOURS:
        raise SandboxError(400, "invalid_parameter", f"hours: give 1 to {_MOST_HOURS}", "hours")
    return hours


def _own_page(back: str) -> str:
    """Return the dashboard page of the form, with its query; "/" for any other address."""
    path, _, query = back.partition("?")
    if not _PAGE.fullmatch(path):
        return "/"
    asked = [pair for pair in parse_qsl(query) if pair[0] not in _NOTICE_FIELDS]
    return f"{path}?{urlencode(asked)}" if asked else path
