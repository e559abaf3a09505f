"""Reads the raw body of a request, once and capped, and names what took it away before us."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from . import bridge
from .errors import BodyTooLarge, BodyUnavailable, IncompleteBody

__all__ = ["announced", "checked", "read_asgi", "read_wsgi"]

_PATIENCE = 15
"""Seconds; the vendor's page: the sender gives up an attempt after as long."""


def announced(content_length: str | bytes | None, limit: int) -> int | None:
    """Return what Content-Length says, or None; raise BodyTooLarge before anything is read."""
    text = content_length.decode("latin-1") if isinstance(content_length, bytes) else content_length
    if not text or not text.isascii() or not text.isdigit():
        return None
    if len(text) > 15 or int(text) > limit:  # noqa: PLR2004 - int() of a long text is slow
        raise BodyTooLarge.over(limit)
    return int(text)


def checked(body: bytes, length: int | None, limit: int, remedy: str) -> bytes:
    """Return the body if it is what was announced; else raise the error that tells why not."""
    if len(body) > limit:
        raise BodyTooLarge.over(limit)
    if length and not body:
        raise BodyUnavailable(
            "a body was announced and none came: something consumed it before coffrify-webhooks "
            f"saw it, or the sender hung up; if this recurs, {remedy}"
        )
    if length is not None and len(body) > length:
        raise BodyUnavailable(f"the body was changed before coffrify-webhooks saw it; {remedy}")
    if length is not None and len(body) < length:
        raise IncompleteBody("the body ended before its Content-Length")
    return body


def read_wsgi(environ: MutableMapping[str, Any], limit: int) -> bytes:
    """Return the body of a WSGI request (PEP 3333).

    Raises BodyTooLarge, IncompleteBody, or BodyUnavailable with the remedy.
    """
    length = announced(environ.get("CONTENT_LENGTH"), limit)
    if length is None and not environ.get("wsgi.input_terminated"):
        if "chunked" not in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
            return b""
        raise BodyUnavailable(
            "the body came chunked, without Content-Length, and this WSGI server does not "
            "pass such bodies on; serve with gunicorn, or have the proxy in front buffer "
            "requests (nginx: proxy_request_buffering on)"
        )
    body = _read_stream(environ["wsgi.input"], limit + 1 if length is None else length)
    return checked(
        body, length, limit, "wrap the WSGI app with CoffrifyWebhooksMiddleware outermost"
    )


def _read_stream(stream: Any, size: int) -> bytes:
    chunks: list[bytes] = []
    try:
        while size > 0 and (chunk := stream.read(size)):
            chunks.append(chunk)
            size -= len(chunk)
    except (OSError, ValueError):  # the sender hung up, or broke the chunked encoding
        raise IncompleteBody("the body stopped arriving before its end") from None
    return b"".join(chunks)


async def read_asgi(
    headers: Iterable[tuple[bytes, bytes]],
    receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
    limit: int,
) -> bytes:
    """Return the body of an ASGI request.

    Raises BodyTooLarge, IncompleteBody, or BodyUnavailable with the remedy.
    """
    named = {name.lower(): value for name, value in headers}
    length = announced(named.get(b"content-length"), limit)
    chunks: list[bytes] = []
    size = 0

    async def read() -> bool:
        nonlocal size
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return False
            chunk = message.get("body", b"")
            chunks.append(chunk)
            size += len(chunk)
            if size > limit:
                raise BodyTooLarge.over(limit)
            if not message.get("more_body", False):
                return True

    ended = await bridge.within(_PATIENCE, read)
    if not ended and (size or not length):
        raise IncompleteBody("the body stopped arriving before its end")
    return checked(b"".join(chunks), length, limit, "add CoffrifyWebhooksMiddleware outermost")
