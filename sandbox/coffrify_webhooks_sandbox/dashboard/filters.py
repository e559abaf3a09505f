"""Reads from the address of a list which records it is to show."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, get_args
from urllib.parse import urlencode

from coffrify_webhooks_sandbox.database_search import Wanted
from coffrify_webhooks_sandbox.errors import SandboxError
from coffrify_webhooks_sandbox.parameters import invalid
from coffrify_webhooks_sandbox.records import Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from coffrify_webhooks_sandbox.service import Service

__all__ = ["FIELDS", "STATUSES", "Filters"]

STATUSES: tuple[str, ...] = get_args(Status)
FIELDS = ("q", "type", "status", "endpoint", "event", "since", "until")
_LONGEST = 200


class Filters:
    """The filters of a list of deliveries or events, as its address or a form of it gives them.

    Raises SandboxError for an unknown status or endpoint, and for a time that cannot be read.
    """

    def __init__(self, service: Service, given: Mapping[str, str]) -> None:
        self.asked = {name: given.get(name, "").strip()[:_LONGEST] for name in FIELDS}
        asked = self.asked
        self.before = given.get("before", "")
        self.live = given.get("live", "") != "off" and not self.before
        self.endpoint = service.endpoints.get(asked["endpoint"]) if asked["endpoint"] else None
        if asked["status"] not in ("", *STATUSES):
            message = f"there is no status {asked['status'][:100]!a}"
            raise SandboxError(404, "not_found", message)
        self.wanted = Wanted(
            asked["q"],
            asked["type"],
            asked["status"],
            asked["endpoint"],
            asked["event"],
            _time(asked["since"], "since"),
            _time(asked["until"], "until"),
            self.before,
        )

    def query(self, **more: str) -> str:
        """Return the query of the same list, with other parameters."""
        return urlencode({name: value for name, value in (self.asked | more).items() if value})

    def context(self, path: str, older: str) -> dict[str, Any]:
        """Return what the templates of a list at `path` need; older: the id to go on from."""
        return {
            "list_path": path,
            "asked": self.asked,
            "is_older": bool(self.before),
            "is_filtered": any(self.asked.values()),
            "is_live": self.live,
            "endpoint": self.endpoint,
            "statuses": STATUSES,
            "here": self.query(before=self.before),
            "newest": self.query(),
            "paused": self.query(live="off"),
            "older": self.query(before=older) if older else "",
        }


def _time(text: str, name: str) -> float | None:
    """Read a time as a browser's field for one writes it, in UTC."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise invalid("give a time in UTC, such as 2026-05-04T09:00", name) from None
