"""The answer to a monitor: GET on the endpoint's path, and `/health` behind it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from .url_path import UrlPath

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["HealthAnswer", "health_answer", "health_path", "is_question"]

_OK, _BAD_METHOD, _UNAVAILABLE = 200, 405, 503


class HealthAnswer(NamedTuple):
    """What to answer a monitor."""

    status: int
    headers: dict[str, str]
    body: bytes


def health_path(path: UrlPath) -> UrlPath:
    """Return where monitors ask."""
    return UrlPath(f"{path.text}/health")


def is_question(method: str) -> bool:
    """Tell whether a request asks how things are; nothing else is answered there."""
    return method in ("GET", "HEAD")


def health_answer(facts: Mapping[str, object] | None) -> HealthAnswer:
    """Return the answer: 200 or 503 by `ok`, 405 for None, when something else was asked."""
    if facts is None:
        error = {"code": "method_not_allowed", "message": "health is requested by GET"}
        status, body = _BAD_METHOD, json.dumps({"error": error}).encode()
    else:
        status = _OK if facts["ok"] else _UNAVAILABLE
        body = json.dumps(facts).encode()
    headers = {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Cache-Control": "no-store",  # a copy would tell of another moment
        **({"Allow": "GET, HEAD"} if facts is None else {}),
    }
    return HealthAnswer(status, headers, body)
