"""A response of the inbox, with the headers that keep other sites out of it."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

__all__ = ["Response"]

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # With "no-referrer" a browser says Origin: null, and no form of ours could be told from others.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Response:
    """What to answer."""

    status: int
    body: bytes = b""
    content_type: str = "text/html; charset=utf-8"
    location: str = ""
    """Where to go, of a redirect."""

    @property
    def reason(self) -> str:
        """The status line's text."""
        return HTTPStatus(self.status).phrase

    @property
    def headers(self) -> dict[str, str]:
        """All headers."""
        found = {"Content-Type": self.content_type, "Content-Length": str(len(self.body))}
        if self.location:
            found["Location"] = self.location
        if self.status == HTTPStatus.METHOD_NOT_ALLOWED:
            found["Allow"] = "GET, HEAD, POST"
        return {**found, **_HEADERS}
