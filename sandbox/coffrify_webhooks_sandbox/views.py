"""Shows records as the vendor's API does, as far as that is known."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from coffrify_webhooks_codegen.json_types import is_list

from .clock import END
from .errors import SandboxError
from .schedule import ATTEMPTS, BASE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .records import Attempt, Delivery, Endpoint, Event

__all__ = [
    "attempt_view",
    "delivery_view",
    "encode_json",
    "endpoint_view",
    "event_body",
    "event_view",
    "format_time",
]


def format_time(seconds: float | None) -> str | None:
    """Format a time as the API does."""
    if seconds is None:
        return None
    encode_json = datetime.fromtimestamp(min(max(seconds, 0.0), END), UTC).isoformat(
        timespec="milliseconds"
    )
    return encode_json.replace("+00:00", "Z")


def event_body(event_id: str, event_type: str, data: Any) -> dict[str, Any]:
    """Return the body of an event with exactly the fields of the vendor's samples."""
    return {"id": event_id, "type": event_type, "data": data}


def endpoint_view(endpoint: Endpoint) -> dict[str, Any]:
    """Show an endpoint, as the vendor's fixtures do; never its secret."""
    return {
        "id": endpoint.id,
        "name": endpoint.name,
        "url": endpoint.url,
        "description": endpoint.description,
        "events": list(endpoint.events),
        "is_active": endpoint.is_active,
        "signing_version": "v1",
        "retry_policy": {"max_attempts": ATTEMPTS, "backoff_base_seconds": round(BASE)},
        "success_count": endpoint.success_count,
        "failure_count": endpoint.failure_count,
        "created_at": format_time(endpoint.created_at),
    }


def event_view(event: Event) -> dict[str, Any]:
    """Show an event; the vendor's API has no such resource."""
    return {
        "id": event.id,
        "type": event.type,
        "data": event.data,
        "test": event.test,
        "created_at": format_time(event.created_at),
    }


def delivery_view(
    delivery: Delivery, event: Event | None, attempts: list[Attempt]
) -> dict[str, Any]:
    """Show a delivery with its attempts; the vendor's form is not known."""
    last = attempts[-1] if attempts else None
    return {
        "id": delivery.id,
        "event_id": delivery.event_id,
        "event_type": event.type if event else None,
        "webhook_id": delivery.endpoint_id,
        "status": delivery.status,
        "reason": delivery.reason or None,
        "attempt_count": len(attempts),
        "response_status": last.status if last else None,
        "error": (last.error or None) if last else None,
        "next_attempt_at": format_time(delivery.next_at),
        "replay_of": delivery.replay_of,
        "manner": delivery.manner or None,
        "test": event.test if event else False,
        "created_at": format_time(delivery.created_at),
        "attempts": [attempt_view(attempt) for attempt in attempts],
    }


def attempt_view(attempt: Attempt) -> dict[str, Any]:
    """Show one attempt."""
    return {
        "number": attempt.number,
        "at": format_time(attempt.at),
        "sent_at": format_time(attempt.wall_at),
        "duration_ms": None if attempt.seconds is None else round(attempt.seconds * 1000),
        "response_status": attempt.status,
        "error": attempt.error or None,
    }


def encode_json(body: Any) -> bytes:
    """Encode JSON as the sender does: compact, with as few escapes as possible.

    Raises SandboxError for what JSON cannot express, such as NaN.
    """
    try:
        text = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError):
        raise SandboxError(
            400,
            "invalid_parameter",
            "data: a value in it cannot be written as JSON, such as NaN or Infinity; remove it",
            "data",
        ) from None
    try:
        return text.encode()
    except UnicodeEncodeError:  # half a surrogate pair
        return json.dumps(body, separators=(",", ":")).encode()


def set_fields(data: Any, fields: Mapping[str, Any]) -> Any:
    """Return data with single fields set, by dotted names: `files.0.name`."""
    made: Any = json.loads(encode_json(data))
    for path, value in fields.items():
        *parents, last = path.split(".")
        inner: Any = made
        try:
            for name in parents:
                inner = inner[int(name)] if is_list(inner) else inner.setdefault(name, {})
            inner[int(last) if is_list(inner) else last] = value
        except (TypeError, ValueError, LookupError, AttributeError):
            place = f"data.{path[:100]}"
            raise SandboxError(
                400, "invalid_parameter", f"{place}: there is no such place in the data", place
            ) from None
    return made
