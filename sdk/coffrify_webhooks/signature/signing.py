"""Signs a body as the sender would, for tests."""

import time
from binascii import b2a_base64

from coffrify_webhooks.errors import ConfigurationError, shown

from .headers import is_id
from .secret import Sealed, seal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .secret import SecretLike

__all__ = ["sign"]


def sign(
    body: bytes,
    secret: "SecretLike",
    *,
    id: str | None = None,  # the field's own word
    timestamp: float | None = None,
) -> "dict[str, str]":
    """Return the headers of both schemes for `body`, as the sender would set them; for tests.

    id: the event id; by default the body's own `id`, or a new one. timestamp: seconds since 1970;
    by default, now. A secret with encoding "auto" is read as hex where it decodes, else as base64,
    else as text; pin it with `Secret(..., encoding=...)`.

    Raises ConfigurationError for an unusable secret or id, and for a body that is not bytes.
    """
    import hmac  # for tests only

    sealed = seal(secret) or Sealed(None)
    del secret
    if not isinstance(body, (bytes, bytearray, memoryview)):  # a key stands in this frame, below
        raise ConfigurationError(f"body must be bytes, not {type(body).__name__}")
    event_id = _id_for(body) if id is None else str(id)
    if not is_id(event_id):
        raise ConfigurationError("id is not 1 to 255 characters of A-Z a-z 0-9 _ -")
    stamp = _whole(time.time() if timestamp is None else timestamp)
    keys = dict(sealed.read()[0].candidates)
    key = keys.get("hex") or keys.get("base64") or keys["text"]
    standard = hmac.digest(key, f"{event_id}.{stamp}.".encode() + body, "sha256")
    coffrify = hmac.digest(key, f"{stamp}.".encode() + body, "sha256")
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(stamp),
        "webhook-signature": "v1," + b2a_base64(standard, newline=False).decode(),
        "X-Coffrify-Signature": f"t={stamp},v1={coffrify.hex()}",
    }


def _whole(timestamp: "Any") -> int:
    try:
        seconds = int(timestamp)
    except (TypeError, ValueError, OverflowError):
        seconds = -1
    if seconds < 0:
        raise ConfigurationError(f"timestamp={shown(timestamp)}: give seconds since 1970")
    return seconds


def _id_for(body: bytes) -> str:
    """The body's own id, since the sender's two ids are expected to be equal; else a new one."""
    import json  # for tests only
    from uuid import uuid4

    try:
        found = json.loads(body)["id"]
        if is_id(found):
            return str(found)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        pass
    return str(uuid4())
