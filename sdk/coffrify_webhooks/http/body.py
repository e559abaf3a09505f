"""Reads the raw body of a request, once, capped and in time, and tells who is to blame if it fails.

What a stranger can cause is a 400; what a part of the application did to the body is a 500 that
names the remedy.
"""

import io
import os
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from functools import partial
from typing import Any

from coffrify_webhooks.concurrency.async_library import await_within
from coffrify_webhooks.concurrency.timers import Alarm, Alarms
from coffrify_webhooks.errors import (
    BodyTooLarge,
    BodyUnavailable,
    IncompleteBody,
    NotBegun,
    WebhookError,
)

from . import a2wsgi, chunked

__all__ = ["announced_length", "leave_wsgi", "read_asgi", "read_wsgi"]

_PATIENCE = 15
"""Seconds; the vendor's page: the sender gives up an attempt after as long."""

_MOST_DIGITS = 15
"""`int` of a long text is slow (CVE-2020-10735)."""

_MOST_EMPTY = 100
"""Empty messages in a row; an adapter whose sender has left may announce more for ever."""

_alarms = Alarms("bodies")


def announced_length(content_length: str | bytes | None, limit: int) -> int | None:
    """Return what Content-Length says, or None; raise BodyTooLarge before anything is read."""
    text = content_length.decode("latin-1") if isinstance(content_length, bytes) else content_length
    # Digits alone (RFC 9110, section 8.6); what is none is treated as if it were not there.
    if not text or not text.isascii() or not text.isdigit():
        return None
    if len(text) > _MOST_DIGITS or int(text) > limit:
        raise BodyTooLarge.over(limit)
    return int(text)


def _check_length(
    body: bytes, length: int | None, limit: int, remedy: str, *, senders: bool
) -> bytes:
    """Return the body if it is what was announced; else raise the error that tells why not.

    senders: what differs is the sender's doing, since it left, or announced the length twice.
    """
    if len(body) > limit:
        raise BodyTooLarge.over(limit)
    if length is None or len(body) == length:
        return body
    if (body and len(body) < length) or senders:
        raise IncompleteBody("the length of the body differs from its Content-Length")
    what = "changed" if body else "consumed"
    raise BodyUnavailable(f"the body was {what} before coffrify-webhooks saw it; {remedy}")


# --- WSGI (PEP 3333) --------------------------------------------------------------------------


def read_wsgi(
    environ: MutableMapping[str, Any],
    limit: int,
    read: Callable[[], bytes] | None = None,
    remedy: str = "wrap the WSGI app with CoffrifyWebhooksMiddleware outermost",
) -> bytes:
    """Return the body of a WSGI request.

    read: how the framework reads a body, if it keeps one that was read before.

    Raises BodyTooLarge, IncompleteBody, BodyUnavailable with the remedy, or NotBegun.
    """
    length = announced_length(environ.get("CONTENT_LENGTH"), limit)
    coding = environ.get("HTTP_TRANSFER_ENCODING", "").strip(" \t").lower()
    stream = environ["wsgi.input"]
    if length is None and not _ends(environ):
        if not coding:
            return b""
        if coding != "chunked":
            raise IncompleteBody("the body has a Transfer-Encoding other than chunked")
        if environ.get("SERVER_PROTOCOL") == "HTTP/1.0":  # RFC 9112, section 6.1
            raise IncompleteBody("the body is chunked, which HTTP/1.0 does not have")
        if (chunks := chunked.stream_of(environ)) is None:
            raise BodyUnavailable(
                "the body is chunked, without Content-Length, and this WSGI server does not pass "
                f"such bodies on; {chunked.remedy_for(environ)}"
            )
        stream = chunks

    left = a2wsgi.watch(stream)

    def work() -> bytes:
        if length is not None and read is not None:
            body = read()
            # Werkzeug takes a body that says chunked for an endless one, and reads none of it; an
            # adapter of a Lambda function has the whole, and keeps the header.
            return body or _read_stream(stream, length if coding else 0)
        body = _read_stream(stream, limit + 1 if length is None else length)
        return body or (read() if read is not None else b"")

    body = _in_time(environ, work)
    if left():
        raise _incomplete()
    # Transfer-Encoding overrides Content-Length (RFC 9112, section 6.3): who sends both, and a body
    # of another length, has sent it so.
    senders = bool(coding) or (not body and _has_left(environ))
    return _check_length(body, length, limit, remedy, senders=senders)


def leave_wsgi(environ: MutableMapping[str, Any]) -> None:
    """Leave a body unread: a server that would wait for its rest, to drop it, need not."""
    if environ.get("CONTENT_LENGTH", "0") not in ("", "0") or "HTTP_TRANSFER_ENCODING" in environ:
        _stop_reading(_connection(environ))


def _ends(environ: MutableMapping[str, Any]) -> bool:
    """Tell whether the stream ends where the body does: marked so, or no socket is behind it.

    PEP 3333 has a stream read up to Content-Length alone; the mark is Werkzeug's and gunicorn's.
    """
    marked = environ.get("wsgi.input_terminated") or "asgi.scope" in environ  # the latter: a2wsgi
    return bool(marked) or _is_whole(environ["wsgi.input"])


def _is_whole(stream: Any) -> bool:
    """Tell a buffer or a file, as adapters from ASGI or AWS Lambda hand over, from a socket."""
    seekable = getattr(stream, "seekable", None)
    return seekable is not None and bool(seekable())


def _read_stream(stream: Any, size: int) -> bytes:
    read = partial(_read_raw, stream) if isinstance(stream, io.RawIOBase) else stream.read
    chunks: list[bytes] = []
    while size > 0 and (chunk := read(size)):
        chunks.append(chunk)
        size -= len(chunk)
    return b"".join(chunks)


def _read_raw(stream: Any, size: int) -> bytes:
    """Read from a stream into a buffer that it cannot shrink.

    Werkzeug's stream of chunks shrinks the bytearray that `RawIOBase.read` lends it when a sender
    hangs up within a chunk, and then tells the old size: CPython returns memory that lies behind,
    or crashes.
    """
    buffer = bytearray(size)
    count = stream.readinto(memoryview(buffer))  # a memoryview raises ValueError instead
    return bytes(buffer[: count or 0])


def _in_time(environ: MutableMapping[str, Any], read: Callable[[], bytes]) -> bytes:
    """Call `read`; end it when the sender would have given up, if the server tells its socket.

    Whatever it raises is the sender's doing: it hung up, or broke the chunked encoding.
    """
    connection = _connection(environ)
    alarm = Alarm(partial(_stop_reading, connection))
    if connection is not None:
        try:
            _alarms.set(alarm, _PATIENCE)
        except RuntimeError as error:
            raise NotBegun("no thread could be started to time the body's arrival") from error
    try:
        return read()
    except WebhookError:
        raise
    except Exception:  # each server has errors of its own
        raise _incomplete() from None
    finally:
        _alarms.clear(alarm)


def _connection(environ: MutableMapping[str, Any]) -> Any:
    for name in ("gunicorn.socket", "werkzeug.socket"):
        if name in environ:
            return environ[name]
    return getattr(getattr(chunked.connection_of(environ), "raw", None), "_sock", None)


def _stop_reading(connection: Any) -> None:
    """Let a read that waits see the end of the stream; the reply can still be written."""
    with suppress(OSError, TypeError):
        # That of an SSLSocket would forget its encryption, and the reply go out in plain.
        socket.socket.shutdown(connection, socket.SHUT_RD)


def _has_left(environ: MutableMapping[str, Any]) -> bool:
    """Tell whether it was the sender that sent nothing, rather than a part of the application."""
    connection, stream = _connection(environ), environ["wsgi.input"]
    if connection is None:
        if _is_whole(stream):
            return not stream.seek(0, os.SEEK_END)
        return bool(getattr(stream, "remaining", 0))  # Cheroot counts what is still to come
    try:
        return not socket.socket.recv(connection, 1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except (OSError, TypeError):
        return True


# --- ASGI -------------------------------------------------------------------------------------


async def read_asgi(
    scope: MutableMapping[str, Any],
    receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
    limit: int,
) -> bytes:
    """Return the body of an ASGI request.

    Raises BodyTooLarge, IncompleteBody, or BodyUnavailable with the remedy.
    """
    named = {name.lower(): value for name, value in scope["headers"]}
    length = announced_length(named.get(b"content-length"), limit)
    if length is None and (environ := scope.get("wsgi_environ")) is not None:
        return await a2wsgi.in_thread(partial(read_wsgi, environ, limit))
    body = await _read_messages(receive, length, limit)
    if not body and length and b"upgrade" in named:  # httptools ends the request at its headers
        raise IncompleteBody(
            "the request asks for another protocol (Upgrade), and the server withholds its body; "
            "have the proxy in front remove that header"
        )
    senders = b"transfer-encoding" in named
    remedy = "add CoffrifyWebhooksMiddleware outermost"
    return _check_length(body, length, limit, remedy, senders=senders)


async def _read_messages(
    receive: Callable[[], Awaitable[MutableMapping[str, Any]]], length: int | None, limit: int
) -> bytes:
    chunks: list[bytes] = []
    size = 0

    async def read() -> bool:
        nonlocal size
        empty = 0
        while empty < _MOST_EMPTY:
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
            empty = 0 if chunk else empty + 1
        return False

    try:
        ended = await await_within(_PATIENCE, read)
    except WebhookError:
        raise
    except Exception as error:  # of whatever wraps `receive`
        if getattr(error, "status_code", None) == BodyTooLarge.status:
            raise BodyTooLarge(
                "the body is larger than the max_body_size of the application"
            ) from None
        raise _incomplete() from None
    if not ended and (size or not length or not _has_it_all(receive)):
        raise _incomplete()
    return b"".join(chunks)


def _has_it_all(receive: Any) -> bool:
    """Tell whether uvicorn knows the whole body: if we were given none, somebody else was."""
    return getattr(getattr(receive, "__self__", None), "more_body", None) is False


def _incomplete() -> IncompleteBody:
    return IncompleteBody("the body stopped arriving before its end, or was framed wrongly")
