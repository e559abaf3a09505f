"""Sends one request with the standard library, bounded in size and in time.

It follows no redirects, decodes nothing, and returns responses of any status.
"""

import io
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from socket import SOCK_STREAM, getaddrinfo, socket
from typing import Any
from urllib.request import HTTPHandler, HTTPSHandler, OpenerDirector, ProxyHandler, Request

from .address import is_loopback

__all__ = ["Answer", "BrokenError", "LargeError", "Limits", "send"]

_CHUNK = 65_536


class BrokenError(Exception):
    """There was no complete response; the text says what happened."""


class LargeError(Exception):
    """The body is larger than is allowed."""


@dataclass(frozen=True)
class Answer:
    """The response."""

    status: int
    headers: Message
    body: bytes = field(repr=False)  # it may repeat the key, and crash reporters keep it


@dataclass(frozen=True)
class Limits:
    """The limits of one request in time and size."""

    timeout: float
    """Seconds for connecting, and for each wait for data."""
    end: float
    """The latest time by `clock` at which the response must be complete."""
    size: int
    """The most bytes of a body."""
    clock: Callable[[], float] = time.monotonic

    def patience(self) -> float:
        """Return how many seconds to wait now; raise BrokenError when the time is up."""
        left = self.end - self.clock()
        if left <= 0:
            raise BrokenError("it took too long")
        return min(self.timeout, left)


def send(
    url: str, headers: Mapping[str, str], limits: Limits, method: str = "GET", body: bytes = b""
) -> Answer:
    """Send a request and read the whole response; raises BrokenError or LargeError."""
    request = Request(  # noqa: S310 - the opener knows http(s) alone
        url, body or None, dict(headers), method=method
    )
    try:
        with _opener(url, limits).open(request, timeout=limits.patience()) as response:
            return Answer(response.status, response.headers, _body(response, limits))
    except (OSError, HTTPException) as error:
        raise BrokenError(_describe_error(error)) from None


def _body(response: HTTPResponse, limits: Limits) -> bytes:
    length = response.length
    if length is not None and length > limits.size:
        raise LargeError
    body = bytearray()
    while chunk := response.read(_CHUNK):
        body += chunk
        if len(body) > limits.size:
            raise LargeError
    if length is not None and len(body) < length:
        raise BrokenError("the answer was cut off")
    return bytes(body)


def _opener(url: str, limits: Limits) -> OpenerDirector:
    opener = OpenerDirector()
    opener.addheaders = []
    # A proxy from the environment is not used for requests to this machine.
    opener.add_handler(ProxyHandler({} if is_loopback(url) else None))
    opener.add_handler(_PlainHandler(limits))
    opener.add_handler(_SecureHandler(limits))
    return opener


class _PlainHandler(HTTPHandler):
    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self._limits = limits

    def http_open(self, req: Request) -> HTTPResponse:
        return self.do_open(partial(_connection, HTTPConnection, self._limits), req)


class _SecureHandler(HTTPSHandler):
    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self._limits = limits

    def https_open(self, req: Request) -> HTTPResponse:
        return self.do_open(partial(_connection, HTTPSConnection, self._limits), req)


def _connection(
    kind: type[HTTPConnection], limits: Limits, host: str, /, **options: Any
) -> HTTPConnection:
    connection = kind(host, **options)
    # What http.client looks up on the connection; the second has no public name.
    vars(connection).update(
        response_class=partial(_TimedResponse, limits),
        _create_connection=partial(_connect, limits),
    )
    return connection


def _connect(limits: Limits, place: tuple[str, int], *_: object) -> socket:
    """Try one address after another until the deadline: a host may have many that do not answer."""
    failure = OSError("the host has no address")
    for family, kind, protocol, _name, address in getaddrinfo(*place, type=SOCK_STREAM):
        patience = limits.patience()
        connected = socket(family, kind, protocol)
        try:
            connected.settimeout(patience)
            connected.connect(address)
        except OSError as error:
            connected.close()
            failure = error
        else:
            return connected
    raise failure


class _TimedResponse(HTTPResponse):
    """Checks the deadline before each read: a timeout alone lets a slow drip go on forever."""

    def __init__(self, limits: Limits, sock: socket, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        self.fp: io.BufferedReader = io.BufferedReader(_TimedReader(limits, sock, self.fp))


class _TimedReader(io.RawIOBase):
    def __init__(self, limits: Limits, sock: socket, file: io.BufferedReader) -> None:
        self._limits = limits
        self._sock = sock
        self._file = file.detach()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        self._sock.settimeout(self._limits.patience())
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


def _describe_error(error: OSError | HTTPException) -> str:
    """Describe an error in our own words: an exception's text may repeat what was sent."""
    reason = getattr(error, "reason", error)
    if isinstance(reason, TimeoutError):
        return "it took too long"
    if isinstance(reason, OSError):
        return str(reason.strerror or type(reason).__name__)
    return f"the answer is not HTTP, or was cut off ({type(error).__name__})"
