"""Sends the live part of a page again when something has changed, as server-sent events.

However much changes, a client is sent the current state, at most a few times a second. Nothing
queues up for a slow client: it only sees fewer states.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from .clock_shown import ClockShown

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from coffrify_webhooks_sandbox.service import Service

__all__ = ["Live"]

_PAUSE = 0.3
_KEEP_ALIVE = 15.0
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
]


class Live:
    """A response that continues until the client disconnects or the server stops.

    draw: returns the live part. head: returns the parts that change on every page. clock: returns
    the clock, which is sent with both, and alone only after a jump. about: the id of the only
    delivery that the part shows, if there is one.
    """

    def __init__(
        self,
        service: Service,
        draw: Callable[[], str],
        head: Callable[[], str],
        clock: Callable[[], str],
        about: str = "",
    ) -> None:
        self._service = service
        self._draw = draw
        self._head = head
        self._clock = clock
        self._about = about

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        if scope["method"] != "HEAD":
            ends: list[asyncio.Task[Any]] = [
                asyncio.create_task(self._send_updates(send)),
                asyncio.create_task(_wait_for_disconnect(receive)),
                asyncio.create_task(self._service.stopping.wait()),
            ]
            # Cancelled by a server that is in a hurry: an end like any other, and no error.
            with suppress(asyncio.CancelledError):
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for task in ends:
                task.cancel()
            for ended in await asyncio.gather(*ends, return_exceptions=True):
                if isinstance(ended, Exception):
                    raise ended
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_updates(self, send: Send) -> None:
        news = asyncio.Event()
        news.set()
        is_old = True

        def note_change(about: str) -> None:
            nonlocal is_old
            is_old = is_old or not self._about or about in ("", self._about)
            news.set()

        forget = self._service.watch(note_change)
        shown = ClockShown(self._service.clock)
        part = sent = ""
        try:
            while True:
                try:
                    async with asyncio.timeout(_KEEP_ALIVE):
                        await news.wait()
                except TimeoutError:
                    await send(_chunk(": still here\n\n"))
                    continue
                news.clear()
                if is_old:
                    is_old = False
                    part = self._draw()
                state = self._head() + part
                if state != sent or not shown.is_right():
                    sent = state
                    shown.set()
                    await send(_chunk(_message(self._clock() + state)))
                await asyncio.sleep(_PAUSE)
        finally:
            forget()


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _message(part: str) -> str:
    lines = "".join(f"data: {line}\n" for line in part.replace("\r", "\n").split("\n"))
    return f"{lines}\n"


def _chunk(text: str) -> dict[str, object]:
    body = text.encode("utf-8", "backslashreplace")
    return {"type": "http.response.body", "body": body, "more_body": True}
