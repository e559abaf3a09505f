"""Sends one request to a URL, by no proxy and without redirects, as the sender does."""

from __future__ import annotations

import http.client
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.testing.result import Answer

if TYPE_CHECKING:
    from coffrify_webhooks.testing.signed_request import SignedRequest

__all__ = ["post_url"]

__tracebackhide__: bool = True
"""pytest shows the line of the test, not ours."""

_PATIENCE = 20.0
"""Seconds; the sender gives up after 15."""


def post_url(url: str, request: SignedRequest) -> Answer:
    """Return the answer of a server; raise ConfigurationError if nothing answers there."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    target = f"{parts.path or '/'}{'?' * bool(parts.query)}{parts.query}"
    with closing(kind(parts.hostname or "", parts.port, timeout=_PATIENCE)) as connection:
        try:
            connection.request(request.method, target, request.body, request.headers)
            with connection.getresponse() as response:
                return Answer(response.status, dict(response.getheaders()), response.read())
        except (OSError, http.client.HTTPException) as error:
            place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
            raise ConfigurationError(
                f"nothing answered at {place} "
                f"({type(error).__name__}); start the server before the test"
            ) from error
