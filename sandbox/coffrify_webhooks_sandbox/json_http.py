"""Reads JSON requests of a bounded size, and writes JSON responses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from coffrify_webhooks.extras import needs
from coffrify_webhooks_codegen.json_types import is_mapping

from .errors import SandboxError

with needs("sandbox"):
    from starlette.requests import ClientDisconnect
    from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

__all__ = ["error_response", "json_response", "parse_object", "read_body"]

_MOST_BODY = 1_048_576


def json_response(status: int, content: Any, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON response in ASCII, because a lone surrogate could not be encoded."""
    body = json.dumps(content).encode()
    return Response(body, status, headers, "application/json")


def error_response(error: SandboxError) -> Response:
    """Return an error response in the API's format."""
    content = {"code": error.code, "message": error.message}
    if error.param is not None:
        content["param"] = error.param
    return json_response(error.status, {"error": content})


async def read_body(request: Request) -> bytes:
    """Return a request's body; raise SandboxError for one that is too large."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MOST_BODY:
                raise SandboxError(413, "body_too_large", "the body is larger than 1 MiB")
    except ClientDisconnect:
        raise SandboxError(400, "body_incomplete", "the body is incomplete") from None
    return bytes(body)


def parse_object(body: bytes) -> Mapping[str, Any]:
    """Parse a JSON object; raise SandboxError for anything else."""
    try:
        found = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise SandboxError(400, "invalid_json", "the body is not valid JSON") from None
    if not is_mapping(found):
        raise SandboxError(400, "invalid_json", "the body should be a JSON object")
    return found


def _refuse_constant(constant: str) -> None:
    raise ValueError(constant)
