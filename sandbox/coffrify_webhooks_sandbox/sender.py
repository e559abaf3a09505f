"""One attempt: an HTTP POST that costs bounded time and memory, whatever the receiver does."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.extras import needs

from .errors import SandboxError
from .schedule import TIMEOUT

with needs("sandbox"):
    import httpx2

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterable, Mapping

__all__ = ["Answer", "Request", "Sender", "allowed_hosts", "checked_url"]

_MOST_KEPT = 65_536
"""Bytes of an answer's body that are read."""
_LONGEST_URL = 2_000
_DRIPS = 10
_LOCAL = "localhost"
_IN_BRACKETS = re.compile(r"\[[^\[\]]+\](:[0-9]*)?")
"""`urlsplit` leaves out what comes before and after."""
_HOST_NAME = re.compile(r"[a-z0-9._-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    drip: float = 0.0
    """Seconds over which the body is sent."""
    cut: bool = False
    """Whether half of the body is kept back, and the connection closed instead."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of it: a status, or an error that says why there is none."""

    status: int | None
    error: str
    seconds: float
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class Sender:
    """Sends requests, many at a time, each to its own end within `timeout` seconds."""

    def __init__(self, *, connections: int = 50, timeout: float = TIMEOUT) -> None:
        self._timeout = timeout
        self._client = httpx2.AsyncClient(
            timeout=timeout,
            limits=httpx2.Limits(max_connections=connections, max_keepalive_connections=0),
            follow_redirects=False,  # a receiver must not send us elsewhere
            trust_env=False,  # nor a proxy
            headers={"Accept-Encoding": "identity"},  # what is answered is to be read, not unpacked
        )

    async def send(self, request: Request) -> Answer:
        """Send a request; never raises for anything that a receiver can do."""
        began = time.perf_counter()
        try:
            async with asyncio.timeout(self._timeout):
                status, headers, body = await self._exchange(request)
        except TimeoutError:
            error = f"no answer within {self._timeout:g} s"
        except _CutOffError:
            error = "cut off in the middle, as asked"
        except httpx2.ConnectError as failure:
            error = _unconnected(failure)
        except httpx2.TimeoutException:
            error = f"no answer within {self._timeout:g} s"
        except (httpx2.ReadError, httpx2.WriteError):
            error = "the connection was closed"
        except httpx2.RemoteProtocolError:
            error = "the answer broke off, or is not readable as HTTP"
        except Exception as failure:  # noqa: BLE001 - a receiver can do anything
            error = f"the connection failed ({type(failure).__name__})"
        else:
            return Answer(status, "", time.perf_counter() - began, headers, body)
        return Answer(None, error, time.perf_counter() - began)

    async def _exchange(self, request: Request) -> tuple[int, tuple[tuple[str, str], ...], bytes]:
        content: Any = _body_of(request) if request.drip or request.cut else request.body
        headers = {**request.headers, "Content-Length": str(len(request.body))}
        async with self._client.stream(
            "POST", request.url, content=content, headers=headers
        ) as response:
            kept = bytearray()
            async for chunk in response.aiter_raw():  # not unpacked: it may be a bomb
                kept += chunk[: _MOST_KEPT - len(kept)]
                if len(kept) >= _MOST_KEPT:
                    break
            found = tuple((name, value) for name, value in response.headers.multi_items())
            return response.status_code, found, bytes(kept)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()


class _CutOffError(Exception):
    """Ends a request in the middle of its body."""


async def _body_of(request: Request) -> AsyncIterator[bytes]:
    body = request.body
    if request.cut:
        yield body[: len(body) // 2]
        raise _CutOffError
    size = max(1, -(-len(body) // _DRIPS))
    for start in range(0, len(body), size):
        await asyncio.sleep(request.drip / _DRIPS)
        yield body[start : start + size]


def _unconnected(error: BaseException) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            why = getattr(cause, "verify_message", "") or cause.reason or "no TLS is spoken there"
            return f"TLS failed ({why})"
        if isinstance(cause, socket.gaierror):
            return "its host name is not known"
        cause = cause.__cause__ or cause.__context__
    return "nobody listens there"


def allowed_hosts(hosts: Iterable[str]) -> frozenset[str]:
    """Return hosts as they are compared; a text is one host.

    Raises ConfigurationError for one that no URL can have as its host.
    """
    given = (hosts,) if isinstance(hosts, str) else hosts
    return frozenset(map(_allowed_host, given))


def _allowed_host(host: str) -> str:
    found = host.strip().removeprefix("[").removesuffix("]").lower()
    if found == "*" or _HOST_NAME.fullmatch(found) or _is_address(found):
        return found
    raise ConfigurationError(
        f"{host[:100]!a} is no host to allow; give its name or address without scheme and port, as "
        "example.com, or * for all: --allow-host HOST"
    )


def checked_url(url: Any, allowed: Collection[str]) -> str:
    """Return a URL that may be sent to; raise SandboxError for any other, saying why.

    allowed: hosts beside this machine's own; "*" allows all.
    """
    if not isinstance(url, str) or not url.isascii() or not url.isprintable() or " " in url:
        raise _refused("give the address as http://host:port/path")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _refused("it cannot be read; give it as http://host:port/path") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or len(url) > _LONGEST_URL:
        raise _refused("give the address as http://host:port/path")
    if parts.username is not None or parts.password is not None or port == 0:
        raise _refused("leave user and password out, and name a port from 1 to 65535")
    host = parts.hostname
    if ("[" in parts.netloc or "]" in parts.netloc) and not _IN_BRACKETS.fullmatch(parts.netloc):
        raise _refused("after an address in brackets comes :port alone, as http://[::1]:port/path")
    if "*" not in allowed and host not in allowed and not _is_loopback(host):
        raise _refused(
            f"the sandbox sends to this machine only; start it with --allow-host {host} to widen it"
        )
    return url


def _is_loopback(host: str) -> bool:
    if host == _LOCAL:
        return True
    return _is_address(host) and ipaddress.ip_address(host).is_loopback


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _refused(why: str) -> SandboxError:
    return SandboxError(400, "invalid_url", why, "url")
