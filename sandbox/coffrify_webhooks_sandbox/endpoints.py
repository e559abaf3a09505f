"""Creates, changes and deletes endpoints, and rotates their secrets."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks_codegen.json_types import is_mapping

from .address import check_url
from .errors import SandboxError
from .parameters import invalid, is_printable, not_found, short_text
from .records import Endpoint
from .signing import new_secret, readings

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from .clock import Clock
    from .courier import Courier
    from .database import Database
    from .event_types import EventTypes
    from .signing import Encoding

__all__ = ["Endpoints"]

_MOST_ENDPOINTS = 100
_LONGEST_GRACE = 168


class Endpoints:
    """Reads and changes the endpoints; raises SandboxError for what cannot be done as asked.

    allowed: hosts that an endpoint may have beside this machine. changed: called with "" whenever
    an endpoint has changed.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        event_types: EventTypes,
        courier: Courier,
        *,
        encoding: Encoding,
        allowed: Collection[str],
        changed: Callable[[str], None],
    ) -> None:
        self._database = database
        self._clock = clock
        self._event_types = event_types
        self._courier = courier
        self._encoding: Encoding = encoding
        self._allowed = allowed
        self._changed = changed

    def get(self, endpoint_id: Any) -> Endpoint:
        """Return an endpoint by its id."""
        found = self._database.endpoint(endpoint_id) if is_printable(endpoint_id) else None
        if found is None:
            raise not_found("endpoint", endpoint_id, "id")
        return found

    def find(self, text: str) -> Endpoint:
        """Return an endpoint by its id, URL or name; of several matches the first active one."""
        endpoints = self._database.endpoints()
        found = [e for e in endpoints if text in (e.id, e.url, e.name)]
        if found:
            return max(found, key=lambda endpoint: (endpoint.id == text, endpoint.is_active))
        known = ", ".join(endpoint.url for endpoint in endpoints) or "none yet"
        raise SandboxError(
            404,
            "not_found",
            f"there is no endpoint {text[:200]!a}; the endpoints are: {known}",
            "endpoint",
        )

    def create(
        self,
        url: Any,
        events: Any = ("*",),
        *,
        name: Any = None,
        description: Any = "",
        secret: str | None = None,
    ) -> Endpoint:
        """Create an endpoint, and return it with its secret."""
        if len(self._database.endpoints()) >= _MOST_ENDPOINTS:
            raise SandboxError(
                400, "too_many_endpoints", "there are 100 endpoints already; delete some"
            )
        address = check_url(url, self._allowed)
        endpoint = Endpoint(
            str(uuid.uuid4()),
            short_text(address if name is None else name, "name", empty=False),
            address,
            short_text("" if description is None else description, "description"),
            self._check_events(events),
            is_active=True,
            secret=new_secret() if secret is None else self._check_secret(secret),
            old_secret=None,
            old_until=None,
            created_at=self._clock.now(),
        )
        self._database.add(endpoint)
        self._changed("")
        return endpoint

    def update(self, endpoint_id: Any, changes: Mapping[str, Any]) -> Endpoint:
        """Change name, url, description, events or is_active of an endpoint."""
        endpoint = self.get(endpoint_id)
        for field, value in changes.items():
            match field:
                case "url":
                    endpoint = replace(endpoint, url=check_url(value, self._allowed))
                case "events":
                    endpoint = replace(endpoint, events=self._check_events(value))
                case "name":
                    endpoint = replace(endpoint, name=short_text(value, field, empty=False))
                case "description":
                    text = short_text("" if value is None else value, field)
                    endpoint = replace(endpoint, description=text)
                case "is_active" if isinstance(value, bool):
                    endpoint = replace(endpoint, is_active=value, dead_in_a_row=0)
                case "is_active":
                    raise invalid("give true or false", field)
                case _:
                    raise invalid(
                        "only url, events, name, description and is_active can be changed",
                        field[:100],
                    )
        self._database.replace(endpoint)
        self._changed("")
        self._courier.wake()  # what waited for it to be active again
        return endpoint

    def delete(self, endpoint_id: Any) -> None:
        """Delete an endpoint and cancel its pending deliveries."""
        self._database.delete(self.get(endpoint_id).id)
        self._changed("")

    def rotate_secret(self, endpoint_id: Any, grace_hours: Any = 24) -> Endpoint:
        """Give an endpoint a new secret; the old one stays valid for 0 to 168 hours."""
        endpoint = self.get(endpoint_id)
        if (
            not isinstance(grace_hours, (int, float))
            or isinstance(grace_hours, bool)
            or not 0 <= grace_hours <= _LONGEST_GRACE
        ):
            raise invalid("give hours from 0 to 168", "grace_hours")
        now = self._clock.now()
        if endpoint.old_until is not None and len(endpoint.secrets_at(now)) > 1:
            end = datetime.fromtimestamp(endpoint.old_until, UTC)
            raise SandboxError(
                409,
                "rotation_in_grace",
                f"the previous secret is still valid until {end:%Y-%m-%d %H:%M:%S} UTC; rotate "
                "again after that",
            )
        until = now + grace_hours * 3600
        endpoint = replace(
            endpoint, secret=new_secret(), old_secret=endpoint.secret, old_until=until
        )
        self._database.replace(endpoint)
        self._changed("")
        return endpoint

    def _check_secret(self, secret: str) -> str:
        try:
            readings(secret, self._encoding)
        except ConfigurationError as error:
            raise invalid(
                f"{error}; the sandbox's encoding is {self._encoding}", "secret"
            ) from None
        return secret

    def _check_events(self, events: Any) -> tuple[str, ...]:
        if isinstance(events, str) or is_mapping(events) or not hasattr(events, "__iter__"):
            raise invalid('give a list of event types, or ["*"] for all', "events")
        found: list[str] = []
        for name in events:
            if not isinstance(name, str):
                raise invalid('give a list of event types, or ["*"] for all', "events")
            if name != "*":
                self._event_types.get(name, param="events")
            found.append(name)
        if not found:
            raise invalid('give at least one event type, or ["*"] for all', "events")
        return tuple(dict.fromkeys(found))
