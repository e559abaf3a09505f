"""The body of a Flask request, also where a function before us has read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import request
from werkzeug.exceptions import RequestEntityTooLarge

from coffrify_webhooks.errors import BodyTooLarge
from coffrify_webhooks.http.body import read_wsgi

if TYPE_CHECKING:
    from typing import Any

__all__ = ["body_of"]


def body_of(environ: dict[str, Any], limit: int) -> bytes:
    """Return the body; see `read_wsgi` for what it raises."""
    return read_wsgi(
        environ,
        limit,
        _read_as_flask,
        "a before_request function read request.form or request.stream; "
        "let it leave this path alone, or call request.get_data() first",
    )


def _read_as_flask() -> bytes:
    """Read as Flask does, which keeps what an earlier get_json() has read."""
    try:
        return request.get_data(cache=True)
    except RequestEntityTooLarge:
        raise BodyTooLarge(
            "the body is larger than MAX_CONTENT_LENGTH; raise that setting"
        ) from None
