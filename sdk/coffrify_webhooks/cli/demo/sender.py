"""The sender's side: signs bodies and posts them over HTTP."""

import json
import secrets
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPMessage
from typing import Any

from coffrify_webhooks import errors, sign
from coffrify_webhooks.url_path import DEFAULT_PATH

from .servers import Running

__all__ = ["Sender", "new_id"]

_START_UP = 30.0
_REPLY = 10.0
_OK = 200
_OUTCOMES = {
    error.code: error.outcome
    for error in vars(errors).values()
    if isinstance(error, type) and issubclass(error, errors.WebhookError)
}


class Sender:
    """Delivers to one server; each call returns what came: `400 rejected (missing_signature)`."""

    def __init__(self, server: Running) -> None:
        self.server = server

    def wait_until_up(self) -> str:
        """Return once the server answers; raises OSError or HTTPException if it does not."""
        status, _, _ = self._request("GET", "/", b"", {}, _START_UP)
        return f"{status} up"

    def send(
        self, event: Mapping[str, Any], *, secret: str | None = None, timestamp: float | None = None
    ) -> str:
        """Sign an event, by another secret or at another time if told, and deliver it."""
        body = json.dumps(event).encode()
        headers = sign(body, secret or self.server.secret, id=event["id"], timestamp=timestamp)
        headers["Content-Type"] = "application/json"
        return _told(*self._request("POST", DEFAULT_PATH, body, headers, _REPLY))

    def _request(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str], timeout: float
    ) -> tuple[int, HTTPMessage, bytes]:
        connection = HTTPConnection("127.0.0.1", self.server.port, timeout=timeout)
        try:
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()


def _told(status: int, headers: HTTPMessage, body: bytes) -> str:
    try:
        content = json.loads(body)
        if status == _OK:
            return f"{status} {content['outcome']}"
        code = content["error"]["code"]
    except (ValueError, LookupError, TypeError):
        return f"{status} without a readable reply"
    retry = ", Retry-After" if "Retry-After" in headers else ""
    return f"{status} {_OUTCOMES.get(code, '?')} ({code}{retry})"


def new_id() -> str:
    """Return the id of an event that never was."""
    return f"evt_{secrets.token_hex(12)}"
