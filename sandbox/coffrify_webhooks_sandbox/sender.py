"""Sends one HTTP POST in bounded time and memory, whatever the receiver does."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from coffrify_webhooks.extras import needs

from .schedule import TIMEOUT
from .unreachable import connection_error_reason

with needs("sandbox"):
    import httpx2

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Mapping

__all__ = ["Answer", "Request", "Sender", "Sent"]

_MOST_KEPT = 65_536
"""The most bytes of a response body that are read."""
_DRIPS = 10


@dataclass(frozen=True, slots=True)
class Request:
    """One request."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    drip: float = 0.0
    """Seconds over which the body is sent."""
    cut: bool = False
    """Whether the connection is closed after half of the body."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The result: a status, or an error that says why there is none."""

    status: int | None
    error: str
    seconds: float
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class Sent(NamedTuple):
    """A delivery that is on its way, or with its answer."""

    event_type: str
    event_id: str
    url: str
    answer: Answer | None = None


@cache
def _certificates() -> ssl.SSLContext:
    """Read the system's certificates once: that takes longer than the rest of a sandbox's start."""
    return httpx2.create_ssl_context(trust_env=False)


class Sender:
    """Sends requests concurrently, each within `timeout` seconds."""

    def __init__(self, *, connections: int = 50, timeout: float = TIMEOUT) -> None:
        self._timeout = timeout
        self._client = httpx2.AsyncClient(
            timeout=timeout,
            limits=httpx2.Limits(max_connections=connections, max_keepalive_connections=0),
            follow_redirects=False,  # a receiver must not send us elsewhere
            trust_env=False,  # nor a proxy
            verify=_certificates(),
            headers={"Accept-Encoding": "identity"},  # what is answered is to be read, not unpacked
        )

    async def send(self, request: Request) -> Answer:
        """Send a request; never raises because of anything the receiver does."""
        began = time.perf_counter()
        try:
            async with asyncio.timeout(self._timeout):
                status, headers, body = await self._post(request)
        except TimeoutError:
            error = f"no answer within {self._timeout:g} s"
        except _CutOffError:
            error = "cut off in the middle, as requested"
        except httpx2.ConnectError as failure:
            error = connection_error_reason(failure)
        except httpx2.TimeoutException:
            error = f"no answer within {self._timeout:g} s"
        except (httpx2.ReadError, httpx2.WriteError):
            error = "the connection was closed"
        except httpx2.RemoteProtocolError:
            error = "the answer was cut off, or is not valid HTTP"
        except Exception as failure:  # a receiver can do anything
            error = f"the connection failed ({type(failure).__name__})"
        else:
            return Answer(status, "", time.perf_counter() - began, headers, body)
        return Answer(None, error, time.perf_counter() - began)

    async def _post(self, request: Request) -> tuple[int, tuple[tuple[str, str], ...], bytes]:
        content: Any = _body_chunks(request) if request.drip or request.cut else request.body
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


async def _body_chunks(request: Request) -> AsyncIterator[bytes]:
    body = request.body
    if request.cut:
        yield body[: len(body) // 2]
        raise _CutOffError
    size = max(1, -(-len(body) // _DRIPS))
    for start in range(0, len(body), size):
        await asyncio.sleep(request.drip / _DRIPS)
        yield body[start : start + size]
