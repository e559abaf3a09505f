"""Reads a chunked body where the WSGI server leaves that to us: development servers and uWSGI."""

import sys
from collections.abc import Mapping
from typing import Any, Protocol

__all__ = ["connection_of", "remedy_for", "stream_of"]

_LONGEST_LINE = 1024
"""Bytes of a chunk's size with its extensions, or of a trailer."""
_MOST_DIGITS = 15
"""Of a size; RFC 9112, section 7.1, warns of long ones."""
_HEX_DIGITS = b"0123456789abcdefABCDEF"

_REMEDIES = {
    "mod_wsgi.version": "set WSGIChunkedRequest On",
    "uwsgi.version": "add `http-chunked-input = true` to the settings of uWSGI",
}


def remedy_for(environ: Mapping[str, Any]) -> str:
    """Say what to do under a server that does not pass a chunked body on."""
    for mark, remedy in _REMEDIES.items():
        if mark in environ:
            return remedy
    return (
        "have the proxy in front buffer requests (nginx: proxy_request_buffering on), or use a "
        "server that passes them on, such as gunicorn or waitress"
    )


def connection_of(environ: Mapping[str, Any]) -> Any:
    """Return the file of the connection under wsgiref and Django's runserver; None elsewhere."""
    if not str(environ.get("SERVER_SOFTWARE", "")).startswith("WSGIServer/"):
        return None
    stream = environ.get("wsgi.input")
    # Django wraps it in a stream that ends at Content-Length: at once, if there is none.
    return getattr(getattr(stream, "_read", None), "__self__", stream)


class _Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...


def stream_of(environ: Mapping[str, Any]) -> _Stream | None:
    """Return the body of a chunked request as a stream, or None if the server keeps it."""
    if "uwsgi.version" in environ:
        uwsgi = sys.modules.get("uwsgi")
        return _ChunksOfUwsgi(uwsgi) if uwsgi is not None and _passes_chunks(uwsgi) else None
    file = connection_of(environ)
    return _Chunks(file) if hasattr(file, "readline") else None


def _passes_chunks(uwsgi: Any) -> bool:
    """Tell whether uWSGI's own HTTP router, if it is in front, passes chunked bodies on."""
    names = {name.decode() if isinstance(name, bytes) else name for name in uwsgi.opt}
    has_router = not names.isdisjoint(("http", "https"))
    return not has_router or not names.isdisjoint(("http-chunked-input", "http-raw-body"))


class _ChunksOfUwsgi:
    """The body as uWSGI gives it to those that ask for its chunks."""

    def __init__(self, uwsgi: Any) -> None:
        self._uwsgi = uwsgi

    def read(self, _size: int, /) -> bytes:
        """Return one chunk, none at the end; raises OSError for broken framing and late chunks."""
        chunk: bytes = self._uwsgi.chunked_read()
        return chunk


class _Chunks:
    """The body within a chunked transfer coding (RFC 9112, section 7.1)."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._left = 0
        self._begun = self._over = False

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, none at the end; raises ValueError for broken framing."""
        if not self._left and not self._over:
            self._next()
        data: bytes = self._file.read(min(size, self._left))
        if not data and self._left:
            raise ValueError
        self._left -= len(data)
        return data

    def _next(self) -> None:
        if self._begun and self._line():
            raise ValueError  # more bytes than the chunk was to have
        self._begun = True
        # Extensions that are not known are ignored (RFC 9112, section 7.1.1).
        text = self._line().partition(b";")[0].strip()
        if not text or len(text) > _MOST_DIGITS or text.strip(_HEX_DIGITS):
            raise ValueError
        self._left = int(text, 16)
        if not self._left:
            self._over = True
            while self._line():  # the trailers
                pass

    def _line(self) -> bytes:
        line: bytes = self._file.readline(_LONGEST_LINE)
        # Never a bare LF: a proxy in front may see other chunks then, and so other requests.
        if not line.endswith(b"\r\n"):
            raise ValueError
        return line[:-2]
