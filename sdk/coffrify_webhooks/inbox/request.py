"""A request to the inbox, whichever server or framework took it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LARGEST_FORM", "MOST_FIELDS", "InboxRequest", "form_length"]

LARGEST_FORM = 65_536
"""Bytes; a whole page of selected events takes a tenth of it."""
MOST_FIELDS = 200
"""Of a query, and of a form; a page of selected events has 51."""


@dataclass(frozen=True)
class InboxRequest:
    """What `authorize` bases its decision on.

    path: below the inbox, beginning with a slash. root: where the inbox is mounted, without a slash
    at its end. headers: names in lower case; those sent more than once are joined by commas.
    source: what the server or the framework gave: an ASGI scope, a WSGI environ, or Django's
    HttpRequest. In it `authorize` finds the session of the framework. scheme: http or https, as the
    application sees it.
    """

    method: str
    path: str
    root: str
    query: str
    headers: Mapping[str, str]
    source: Any = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    scheme: str = "http"

    @cached_property
    def cookies(self) -> dict[str, str]:
        """The cookies, by name; empty if they cannot be read."""
        try:
            return {k: v.value for k, v in SimpleCookie(self.headers.get("cookie", "")).items()}
        except CookieError:
            return {}

    @cached_property
    def asked(self) -> dict[str, str]:
        """The query's fields; of one that is repeated, the last.

        Raises ValueError if there are more than 200.
        """
        return {name: values[-1] for name, values in _fields(self.query).items()}

    @cached_property
    def form(self) -> dict[str, list[str]]:
        """The fields of a form that was sent; raises ValueError if there are more than 200."""
        return _fields(self.body.decode("utf-8", "replace"))

    @property
    def base(self) -> str:
        """What the inbox's own links begin with; never another host, whatever the root is."""
        return quote("/" + self.root.strip("/\\"), errors="replace") if self.root else ""


def form_length(text: str | None) -> int | None:
    """Return how many bytes a Content-Length announces; None if they are too many for a form."""
    length = text or "0"
    if not (length.isascii() and length.isdigit()) or int(length[:20]) > LARGEST_FORM:
        return None
    return int(length)


def _fields(text: str) -> dict[str, list[str]]:
    return parse_qs(text, errors="replace", max_num_fields=MOST_FIELDS)
