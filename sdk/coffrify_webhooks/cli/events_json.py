"""A record as JSON, for programs: the names of its fields stay."""

import json
from datetime import UTC, datetime
from typing import Any, cast

from coffrify_webhooks.stores import Record

__all__ = ["fields", "moment", "verified"]


def fields(record: Record) -> dict[str, Any]:
    """Return all of a record but its body, times in ISO 8601."""
    from coffrify_webhooks.dispatch.message import finished_in  # not for a help

    return {
        "id": record.id,
        "type": record.type,
        "receiver": record.receiver,
        "status": record.status,
        "attempts": record.attempts,
        "received_at": moment(record.received_at),
        "touched_at": moment(record.touched_at),
        "lease_until": moment(record.lease_until) if record.lease_until else None,
        "finished": sorted(finished_in(record)),
        "error": record.error or None,
        "delivery": verified(record),
        "digest": record.digest,
        "key": record.key,
    }


def moment(seconds: float) -> str:
    """Return a time as ISO 8601 in UTC, to the millisecond."""
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def verified(record: Record) -> dict[str, Any]:
    """Return what was verified of the delivery; nothing if that is damaged."""
    try:
        found: Any = json.loads(record.delivery)
    except ValueError:
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}
