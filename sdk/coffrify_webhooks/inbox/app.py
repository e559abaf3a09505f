"""The inbox as one object: an ASGI application, whose `wsgi` is a WSGI application."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from coffrify_webhooks.concurrency import bridge
from coffrify_webhooks.concurrency.async_library import await_within
from coffrify_webhooks.errors import ConfigurationError, NotBegun
from coffrify_webhooks.receiver import Receiver

from . import asgi, wsgi
from .access import Access
from .site import Site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

    from coffrify_webhooks.asgi import Receive, Scope, Send

    from .access import Granted, Permission
    from .request import InboxRequest
    from .response import Response

__all__ = ["Inbox", "inbox_app"]

_BEGIN_WITHIN = 5.0
_FORM_WITHIN = 15.0
"""Seconds; as for the body of a delivery."""

T = TypeVar("T")


def inbox_app(
    receiver: Receiver, *, authorize: Permission, bodies: Permission | None = None
) -> Inbox:
    """Return the inbox of a receiver: pages of its events, which can be mounted anywhere.

    The object is an ASGI application, and its `wsgi` is a WSGI application. authorize: a function
    of the `InboxRequest`, sync or async, that returns True for those who may see the pages, replay
    events and forget them; anything else that it returns or raises refuses. bodies: such a function
    for those who may also see the bodies of events; without it, nobody may.

    Raises ConfigurationError if `authorize` is not a function, or if the extra `inbox` is missing.
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
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            raise RuntimeError(f"the inbox speaks HTTP, not {scope['type']}")
        try:
            response = await self._respond(asgi.request_of(scope), receive)
        except NotBegun:
            response = self._site.unavailable()
        await asgi.send_response(response, scope, send)

    async def _respond(self, request: InboxRequest, receive: Receive) -> Response:
        granted: Granted | None = None
        if self._access.is_async:
            granted = await self._access.ask_async(request)
        if request.method != "POST":
            return await self._in_thread(partial(self.answer, request, granted))
        if granted is None:
            granted = await self._in_thread(partial(self._access.ask, request))
        if granted.enter:  # a stranger's form is not waited for
            form = await await_within(_FORM_WITHIN, partial(asgi.read_form, receive))
            if form is None:
                return self._site.too_large()
            request = replace(request, body=form)
        return await self._in_thread(partial(self.answer, request, granted))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        async def run() -> T:
            found: T = await bridge.in_thread(
                partial(self._receiver.in_worker, work), begin_within=_BEGIN_WITHIN
            )
            return found

        return await bridge.shield(run)

    def wsgi(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request of WSGI."""
        response = self.respond(wsgi.request_of(environ), partial(wsgi.read_form, environ))
        start_response(f"{response.status} {response.reason}", list(response.headers.items()))
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [response.body]

    def respond(self, request: InboxRequest, read_form: Callable[[], bytes | None]) -> Response:
        """Answer a request of sync code; a stranger's form is not waited for."""
        if request.method != "POST":
            return self.answer(request)
        granted = self._access.ask(request)
        form = read_form() if granted.enter else b""
        return self.answer(None if form is None else replace(request, body=form), granted)

    def answer(self, request: InboxRequest | None, granted: Granted | None = None) -> Response:
        """Answer a request that an adapter has read; None is one that is too large."""
        if request is None:
            return self._site.too_large()
        return self._site.answer(request, granted or self._access.ask(request))
