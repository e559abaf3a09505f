"""The inbox's addresses, and who may ask for them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from coffrify_webhooks.errors import StoreUnavailable
from coffrify_webhooks.observe import logger

from .access import is_own_page, place_of
from .actions import Actions
from .event_page import EventPage
from .events_page import EventsPage
from .overview_pages import OverviewPages
from .pages import Pages
from .request import MOST_FIELDS
from .response import Response
from .static_files import static_file

if TYPE_CHECKING:
    from coffrify_webhooks.receiver import Receiver

    from .access import Granted
    from .request import InboxRequest

__all__ = ["Site"]

_FORM = "application/x-www-form-urlencoded"
_TEXT = "text/plain; charset=utf-8"
_SAFE = "!$%&'()*+,/:;=?@[]"


class Site:
    """Answers requests: refuses, or shows a page, or performs an action."""

    def __init__(self, receiver: Receiver) -> None:
        self._pages = Pages(receiver.clock)
        self._event = EventPage(receiver, self._pages)
        events = EventsPage(receiver, self._pages)
        overview = OverviewPages(receiver, self._pages)
        actions = Actions(receiver, self._pages)
        self._shown = {
            "/": events.show,
            "/rows": events.rows,
            "/health": overview.health,
            "/handlers": overview.handlers,
            "/refused": overview.refused,
            "/drift": overview.drift,
        }
        self._performed = {"/replay": actions.replay, "/forget": actions.forget}

    def answer(self, request: InboxRequest, granted: Granted) -> Response:
        """Answer a request; raises nothing."""
        try:
            if not granted.enter:
                return Response(403, b"You may not see this inbox.\n", _TEXT)
            return self._unread(request) or self._answer(request, see_bodies=granted.see_bodies)
        except StoreUnavailable:
            return self._pages.error(
                request, 503, "The store does not answer", "Try again in a moment."
            )
        except Exception as error:  # a fault of ours; its text may hold what is secret
            logger.error("the inbox failed: %s", place_of(error))
            return Response(500, b"The inbox failed; the log says how.\n", _TEXT)

    def _answer(self, request: InboxRequest, *, see_bodies: bool) -> Response:
        if request.method in ("GET", "HEAD"):
            return self._show(request, see_bodies=see_bodies)
        if request.method == "POST":
            return self._perform(request)
        return self._pages.error(request, 405, "Not allowed", "Use GET or POST.")

    def _show(self, request: InboxRequest, *, see_bodies: bool) -> Response:
        path = request.path
        if not path:  # without the slash, links of the page's own would lead beside it
            return Response(302, location=f"{request.base}/{_query_of(request)}")
        page = self._shown.get(path)
        if page is not None:
            return page(request)
        head, _, rest = path[1:].partition("/")
        found = None
        if head == "static":
            found = static_file(rest)
        elif head == "event":
            found = self._event.show(request, rest, see_bodies=see_bodies)
        return found or self._pages.error(
            request, 404, "Not found", "There is no such page, or the event has been forgotten."
        )

    def _perform(self, request: InboxRequest) -> Response:
        if not is_own_page(request):
            return self._pages.error(
                request,
                403,
                "Refused",
                "This form was not sent by a page of this inbox. Behind a proxy, have it pass the "
                "Host header on unchanged.",
            )
        sent = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if sent != _FORM:
            return self._pages.error(request, 415, "Refused", f"Send a form as {_FORM}.")
        action = self._performed.get(request.path)
        if action is None:
            return self._pages.error(request, 404, "Not found", "There is no such action.")
        return action(request)

    def _unread(self, request: InboxRequest) -> Response | None:
        """Refuse a request whose fields cannot all be read: what was left out would count too."""
        try:
            _ = request.asked, request.form
        except ValueError:
            return self._pages.error(
                request,
                400,
                "Refused",
                f"The query or the form has more than {MOST_FIELDS} fields.",
            )
        return None

    def too_large(self) -> Response:
        """Refuse a form."""
        return Response(413, b"The form is too large.\n", _TEXT)

    def unavailable(self) -> Response:
        """Say that there is no thread to answer in."""
        return Response(503, b"The application is busy; try again in a moment.\n", _TEXT)


def _query_of(request: InboxRequest) -> str:
    """Return the query to go on with, as no more than a header may hold."""
    return f"?{quote(request.query, safe=_SAFE, errors='replace')}" if request.query else ""
