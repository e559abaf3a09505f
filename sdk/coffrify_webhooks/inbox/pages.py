"""Renders the inbox's pages from templates, in which all values are escaped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from coffrify_webhooks.extras import needs
from coffrify_webhooks.web import wording

from .response import Response

with needs("inbox"):
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

if TYPE_CHECKING:
    from collections.abc import Callable

    from .request import InboxRequest

__all__ = ["Pages"]

_TEMPLATES = Path(__file__).with_name("templates")


class Pages:
    """Renders templates; clock: the receiver's, for times such as "5 min ago"."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._environment = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(
            age=self._age,
            duration=wording.length,
            moment=_moment,
            visible=wording.visible,
        )

    def page(
        self, request: InboxRequest, template: str, *, status: int = 200, **context: Any
    ) -> Response:
        """Return a page."""
        text = self._environment.get_template(template).render(
            base=request.base, path=request.path, **context
        )
        return Response(status, text.encode("utf-8", "backslashreplace"))

    def error(self, request: InboxRequest, status: int, title: str, message: str) -> Response:
        """Return a page that shows an error."""
        return self.page(request, "error.html", status=status, title=title, message=message)

    def _age(self, seconds: float) -> str:
        return wording.age(self._clock() - seconds)


def _moment(seconds: float) -> str:
    try:
        return wording.moment(seconds)
    except (OverflowError, ValueError, OSError):  # of a damaged row
        return "unknown"
