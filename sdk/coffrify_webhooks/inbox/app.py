"""The inbox as one object: an ASGI application, whose `wsgi` is a WSGI application."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from coffrify_webhooks.concurrency import bridge
from coffrify_webhooks.errors import ConfigurationError, NotBegun
from coffrify_webhooks.receiver import Receiver

from . import asgi, wsgi
from .access import Access
from .site import Site

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

    from coffrify_webhooks.asgi import Receive, Scope, Send

    from .access import Granted, Permission
    from .request import InboxRequest
    from .response import Response

__all__ = ["Inbox", "inbox_app"]

_BEGIN_WITHIN = 5.0


def inbox_app(
    receiver: Receiver, *, authorize: Permission, bodies: Permission | None = None
) -> Inbox:
    """Return the inbox of a receiver: pages of its events, which can be mounted anywhere.

    The object is an ASGI application, and its `wsgi` is a WSGI application. authorize: a function
    of the `InboxRequest`, sync or async, that returns True for those who may see the pages, replay
    events and forget them; whatever else it returns or raises refuses. bodies: one for those who
    may see the bodies of events too; without it nobody does.

    Raises ConfigurationError if `authorize` is no function, or if the extra `inbox` is missing.
    """
    return Inbox(receiver, authorize=authorize, bodies=bodies)


class Inbox:
    """What `inbox_app` returns."""

    def __init__(
        self, receiver: Receiver, *, authorize: Permission, bodies: Permission | None = None
    ) -> None:
        if not isinstance(receiver, Receiver):
            raise ConfigurationError("inbox_app takes your Receiver: inbox_app(receiver, ...)")
        self._receiver = receiver
        self._access = Access(receiver, authorize, bodies)
        self._site = Site(receiver)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request of ASGI; the store is asked, and handlers run, in a thread."""
        if scope["type"] != "http":
            raise RuntimeError(f"the inbox speaks HTTP, not {scope['type']}")
        request = await asgi.read(scope, receive)
        await asgi.send_response(await self._answer_async(request), scope, send)

    def wsgi(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request of WSGI."""
        response = self.answer(wsgi.read(environ))
        start_response(f"{response.status} {response.reason}", list(response.headers.items()))
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [response.body]

    def answer(self, request: InboxRequest | None, granted: Granted | None = None) -> Response:
        """Answer a request that an adapter has read; None is one that is too large."""
        if request is None:
            return self._site.too_large()
        return self._site.answer(request, granted or self._access.ask(request))

    async def _answer_async(self, request: InboxRequest | None) -> Response:
        granted = None
        if request is not None and self._access.is_async:
            granted = await self._access.ask_async(request)

        async def answer() -> Response:
            work = partial(self._receiver.in_worker, self.answer, request, granted)
            found: Response = await bridge.in_thread(work, begin_within=_BEGIN_WITHIN)
            return found

        try:
            return await bridge.shielded(answer)
        except NotBegun:
            return self._site.unavailable()
