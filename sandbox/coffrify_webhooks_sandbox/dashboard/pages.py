"""Renders pages from templates, in which all values are escaped."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from coffrify_webhooks.extras import needs
from coffrify_webhooks.web import wording
from coffrify_webhooks.web.json_tokens import json_tokens
from coffrify_webhooks_sandbox.errors import SandboxError

from .live import Live
from .notices import notice

with needs("sandbox"):
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from starlette.responses import HTMLResponse, RedirectResponse

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from coffrify_webhooks_sandbox.service import Service

__all__ = ["Pages"]

_TEMPLATES = Path(__file__).with_name("templates")
_SEE_OTHER = 303


class Pages:
    """Renders the dashboard's templates."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._environment = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(
            age=self._age,
            json_text=wording.json_text,
            length_of_time=wording.length,
            moment=wording.moment,
            ms=wording.ms,
            of_bytes=wording.of_bytes,
            pretty=wording.pretty,
            quoted=wording.quote_part,
            sentence=wording.sentence,
            visible=wording.visible,
        )
        functions: dict[str, Any] = self._environment.globals
        functions["json_tokens"] = json_tokens

    def page(
        self, request: Request, template: str, *, status: int = 200, **context: Any
    ) -> Response:
        """Return a whole page."""
        context |= self._frame_of(request)
        return self._response(request, self.part(template, **context), status)

    async def page_in_thread(
        self, request: Request, template: str, *, status: int = 200, **context: Any
    ) -> Response:
        """Return a whole page that may take long to render; it holds no live parts."""
        context |= self._frame_of(request)
        text = await asyncio.to_thread(self.part, template, **context)
        return self._response(request, text, status)

    def _frame_of(self, request: Request) -> dict[str, Any]:
        url = request.url
        return {
            "path": url.path,
            "back": f"{url.path}?{url.query}" if url.query else url.path,
            "host": url.netloc,
            "dead_letters": self._dead_letters(),
            "notice": notice(request.query_params),
        }

    @staticmethod
    def _response(request: Request, text: str, status: int) -> Response:
        # A lone surrogate in a payload cannot be encoded otherwise.
        body = text.encode("utf-8", "backslashreplace")
        headers: dict[str, str] = {}
        if "hx-boosted" in request.headers and "done" in request.query_params:
            headers["HX-Push-Url"] = quote(request.scope["path"])  # the notice is shown once
        return HTMLResponse(body, status, headers)

    def part(self, template: str, **context: Any) -> str:
        """Return a part of a page."""
        clock = self._service.clock
        return self._environment.get_template(template).render(
            now=clock.now(), speed=clock.speed, **context
        )

    def live(self, template: str, context: Callable[[], dict[str, Any]], about: str = "") -> Live:
        """Return the live part of a page together with its frame; about: see `Live`."""

        def draw() -> str:
            try:
                return self.part(template, **context())
            except SandboxError:  # it was deleted
                return self.part("live/gone.html")

        return Live(self._service, draw, self._count, self._clock, about)

    def frame(self) -> Live:
        """Return what changes on every page: the time, and the number of dead letters."""
        return Live(self._service, str, self._count, self._clock)

    def message(self, notice: str = "", error: SandboxError | None = None) -> Response:
        """Return a notice or an error for a page that stays as it is."""
        part = self.part("live/message.html", notice=notice, error=error)
        return HTMLResponse(self._clock() + self._count() + part, error.status if error else 200)

    def _age(self, moment: float) -> str:
        return wording.age(self._service.clock.now() - moment)

    def _clock(self) -> str:
        return self.part("live/clock.html")

    def _count(self) -> str:
        return self.part("live/dead_count.html", dead_letters=self._dead_letters())

    def _dead_letters(self) -> int:
        return self._service.database.counts().get("dead_letter", 0)

    def error_page(self, request: Request, error: SandboxError) -> Response:
        """Return a page that shows an error."""
        return self.page(request, "error.html", status=error.status, error=error)

    def not_found(self, request: Request) -> Response:
        """Return a page for a path that does not exist."""
        message = f"there is nothing at {request.url.path[:200]!a}"
        return self.error_page(request, SandboxError(404, "not_found", message))

    @staticmethod
    def redirect(path: str, done: str = "", count: int | None = None) -> Response:
        """Redirect to a page that shows what was done."""
        query = f"{'&' if '?' in path else '?'}done={done}" if done else ""
        if count is not None:
            query += f"&count={count}"
        return RedirectResponse(path + query, _SEE_OTHER)
