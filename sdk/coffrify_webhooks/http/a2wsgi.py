"""What the adapter a2wsgi, between WSGI and ASGI, does not tell: a sender that left, chunks."""

import asyncio
from collections.abc import Callable, MutableMapping
from typing import Any

__all__ = ["in_thread", "watch"]


def watch(stream: Any) -> Callable[[], bool]:
    """Return a function that tells whether the sender left while `stream` was read.

    a2wsgi takes the message of that for the end of the body.
    """
    receive = getattr(stream, "receive", None)
    if receive is None or not hasattr(stream, "has_more"):
        return bool
    has_left = False

    async def watched() -> MutableMapping[str, Any]:
        nonlocal has_left
        message: MutableMapping[str, Any] = await receive()
        has_left = has_left or message["type"] == "http.disconnect"
        return message

    stream.receive = watched
    return lambda: has_left


async def in_thread(read: Callable[[], bytes]) -> bytes:
    """Read the WSGI server's stream, of which an ASGI application gets no chunked body.

    a2wsgi's own thread for the request waits meanwhile; its loop is asyncio's, always.
    """
    return await asyncio.to_thread(read)
