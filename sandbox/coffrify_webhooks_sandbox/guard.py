"""Access control: only this machine may use the sandbox, and no page of another site.

Any web page can make a browser send requests to this machine. Requests that change something are
therefore accepted only from our own pages and from programs, and every request must name this
machine as its host, which stops DNS rebinding.
"""

from __future__ import annotations

import base64
import hmac
import ipaddress
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from coffrify_webhooks.extras import needs

from .errors import SandboxError
from .json_http import error_response

with needs("sandbox"):
    from starlette.datastructures import Headers, MutableHeaders

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Guard", "is_loopback"]

_DESCRIPTION = "/v1/openapi.json"
_SAFE = ("GET", "HEAD", "OPTIONS")
_POLICY = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address is this machine, without a DNS lookup."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Guard:
    """A middleware that refuses other sites, and requests without the key on public addresses.

    host: the address that the sandbox listens on. Unless it is a loopback address, the dashboard
    and the API's description require the API key; the API itself checks it anyway.
    """

    def __init__(self, app: ASGIApp, *, host: str, api_key: str) -> None:
        self._app = app
        self._open_to_all = not is_loopback(host)
        self._api_key = api_key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            self._check(scope["method"], scope["path"], Headers(scope=scope))
        except SandboxError as error:
            response = error_response(error)
            if error.status == HTTPStatus.UNAUTHORIZED:
                response.headers["WWW-Authenticate"] = 'Basic realm="sandbox"'
            await response(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _check(self, method: str, path: str, headers: Headers) -> None:
        host = headers.get("host", "")
        if not self._open_to_all and not is_loopback(_name_of(host)):
            raise SandboxError(
                421, "unknown_host", "open the sandbox as http://127.0.0.1 or http://localhost"
            )
        if path.startswith("/v1/") and not (self._open_to_all and path == _DESCRIPTION):
            return  # a key in a header, which no page of another site can set
        if method not in _SAFE and not _is_ours(headers, host):
            raise SandboxError(403, "cross_site", "requests from other sites are not allowed")
        if self._open_to_all and not self._knows_key(headers):
            raise SandboxError(
                401,
                "unauthorized",
                "the password is the sandbox's API key; a program sends it as "
                "Authorization: Bearer KEY, and `trigger` takes it as --api-key KEY",
            )

    def _knows_key(self, headers: Headers) -> bool:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                _, _, given = base64.b64decode(given).decode("latin-1").partition(":")
            except ValueError:
                return False
        return hmac.compare_digest(given.strip().encode(), self._api_key)


def _name_of(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_ours(headers: Headers, host: str) -> bool:
    """Tell whether a request comes from our own page, or from a program, which sends no origin."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is None or origin.partition("//")[2] == host
