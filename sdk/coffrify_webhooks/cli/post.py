"""One HTTP POST by the standard library: to just this address, by no proxy, without redirects."""

import http.client
import time
from collections.abc import Mapping
from contextlib import closing
from threading import Thread
from typing import NamedTuple
from urllib.parse import urlsplit

from coffrify_webhooks_sandbox.unreachable import connection_error_reason

__all__ = ["Response", "post"]

_MOST_READ = 65_536
"""Bytes of a response's body."""


class Response(NamedTuple):
    """A status and a body; or an error that says why there is none."""

    status: int | None
    body: bytes
    error: str
    seconds: float = 0.0
    date: str = ""
    """The Date header, as the server sent it."""


def post(url: str, headers: Mapping[str, str], body: bytes, *, timeout: float = 15.0) -> Response:
    """Send a request; never raises for what a server can do, and takes `timeout` seconds at most.

    url: as `checked_url` of the sandbox returns it.
    """
    found = [Response(None, b"", f"no answer within {timeout:g} s")]

    def exchange() -> None:
        found.append(_exchange(url, headers, body, timeout))

    began = time.perf_counter()
    # The socket's timeout starts anew with each byte; a server that drips is left to a thread.
    thread = Thread(target=exchange, name="coffrify-webhooks-send", daemon=True)
    thread.start()
    thread.join(timeout)
    return found[-1]._replace(seconds=time.perf_counter() - began)


def _exchange(url: str, headers: Mapping[str, str], body: bytes, timeout: float) -> Response:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    target = f"{parts.path or '/'}{'?' * bool(parts.query)}{parts.query}"
    late = f"no answer within {timeout:g} s"
    with closing(kind(parts.hostname or "", parts.port, timeout=timeout)) as connection:
        try:
            connection.connect()
        except TimeoutError:
            return Response(None, b"", late)
        except OSError as error:
            return Response(None, b"", connection_error_reason(error))
        try:
            connection.request("POST", target, body, {**headers})
            with connection.getresponse() as response:
                date = response.headers.get("Date", "")
                return Response(response.status, response.read(_MOST_READ), "", date=date)
        except TimeoutError:
            return Response(None, b"", late)
        except OSError:
            return Response(None, b"", "the connection was closed")
        except (http.client.HTTPException, ValueError):
            return Response(None, b"", "the answer was cut off, or is not valid HTTP")
