"""The operations of the sandbox, for the API, the dashboard and the commands.

They raise SandboxError for what cannot be done as requested.
"""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
import uuid
from contextlib import suppress
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

from .address import allowed_hosts
from .api_key import check_api_key
from .clock import Clock, check_speed
from .courier import Courier, new_delivery
from .database import Database
from .delivery_states import requeue
from .endpoints import Endpoints
from .errors import SandboxError
from .event_types import EventTypes
from .misbehaviors import misbehavior_of
from .parameters import invalid, is_printable, not_found
from .records import Delivery, Endpoint, Event
from .sender import Sender
from .signing import Encoding, check_encoding
from .time_control import TimeControl
from .views import encode_json, event_body, set_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

__all__ = ["Service"]

_MOST_EVENTS_AT_ONCE = 10_000
_MOST_BYTES_AT_ONCE = 100_000_000
_STEP = 0.25
"""Real seconds between events that are sent in reverse order."""
_LONGEST_ROW = 10.0
"""Real seconds for all of them."""


class Service:
    """The sandbox without its servers. All methods are called on one event loop's thread.

    db: a file; without one, nothing is stored. catalog: a file instead of the bundled catalog.
    allow_hosts: hosts to send to beside this machine; "*" for all.
    """

    def __init__(
        self,
        *,
        db: Path | str | None = None,
        catalog: Path | str | None = None,
        speed: float = 1.0,
        encoding: Encoding = "every",
        allow_hosts: Iterable[str] = (),
        api_key: str | None = None,
        random: Random | None = None,
    ) -> None:
        check_speed(speed)
        self._encoding: Encoding = check_encoding(encoding)
        self._allowed = allowed_hosts(allow_hosts)
        given = check_api_key(api_key)
        self.event_types = EventTypes(catalog)
        self.database = Database(db)
        self.clock = Clock(speed, anchor=self.database.anchor(), since=self.database.latest())
        self.api_key = given or check_api_key(
            self.database.setting("api_key", f"cfy_test_{secrets.token_hex(16)}")
        )
        self.database.set("api_key", self.api_key)
        self._random = random or Random()
        self._watchers: set[Callable[[str], None]] = set()
        self.stopping = asyncio.Event()
        """Set when the server stops: whatever waits must end then."""
        self._sender = Sender()
        self.courier = Courier(
            self.database,
            self.clock,
            self._sender,
            self.event_types,
            self._random,
            encoding=self._encoding,
            allowed=self._allowed,
            changed=self._notify_watchers,
        )
        self.endpoints = Endpoints(
            self.database,
            self.clock,
            self.event_types,
            self.courier,
            encoding=self._encoding,
            allowed=self._allowed,
            changed=self._notify_watchers,
        )
        self.time = TimeControl(self.database, self.clock, self.courier, self._notify_watchers)
        self.time.save()

    async def run(self) -> None:
        """Send due deliveries until cancelled."""
        try:
            await self.courier.run()
        finally:
            await self._sender.close()

    def stop(self) -> None:
        """End whatever waits, because the server stops; `close` may not be reached."""
        with suppress(sqlite3.Error):
            self.time.save()
        self.stopping.set()
        self._notify_watchers("")

    def close(self) -> None:
        """Close the file."""
        with suppress(sqlite3.Error):  # the disk is full, or it was closed before
            self.time.save()
        self.database.close()

    # --- events -------------------------------------------------------------------------------

    async def trigger(
        self,
        event_type: Any,
        data: Any = None,
        *,
        fields: Mapping[str, Any] | None = None,
        endpoint: str | None = None,
        count: Any = 1,
        manner: str = "",
    ) -> list[Event]:
        """Make events, and send them to every subscribed endpoint.

        data: the payload; by default random. fields: single fields of it, by dotted names.
        endpoint: send to this one only, whatever it subscribes to. manner: the misbehavior.
        """
        if not isinstance(event_type, str):
            raise invalid("name an event type", "event_type")
        self.event_types.get(event_type)
        how = misbehavior_of(manner)
        if not isinstance(count, int) or isinstance(count, bool):
            raise invalid("give a number", "count")
        if not 1 <= count <= _MOST_EVENTS_AT_ONCE:
            raise invalid(f"give a number from 1 to {_MOST_EVENTS_AT_ONCE}", "count")
        if how.backwards:
            count = max(2, count)
        targets = self._targets(event_type, endpoint)
        if count * len(targets) * how.copies > _MOST_EVENTS_AT_ONCE:
            raise invalid(f"that is more than {_MOST_EVENTS_AT_ONCE} deliveries at once", "count")
        # A schema of the catalog's may take long to make data for, and to check it by.
        made = await asyncio.to_thread(self._make_events, count, event_type, data, fields, manner)
        targets = self._targets(event_type, endpoint)  # as they are by now
        now = self.clock.now()
        records: list[Event | Delivery] = []
        for index, event in enumerate(made):
            records.append(event)
            at = now
            if how.backwards:
                step = min(_STEP, _LONGEST_ROW / count) * max(1.0, self.clock.speed)
                at += (count - 1 - index) * step
            for target in targets:
                records += [
                    new_delivery(event.id, target.id, at, manner) for _ in range(how.copies)
                ]
        self.database.add(*records)
        self._notify_watchers("")
        self.courier.wake()
        return made

    def _targets(self, event_type: str, endpoint: str | None) -> list[Endpoint]:
        return [self._active_endpoint(endpoint)] if endpoint else self._subscribers(event_type)

    def _make_events(self, count: int, *given: Any) -> list[Event]:
        """Make events in a thread, which ends when the sandbox stops."""
        made: list[Event] = []
        for _ in range(count):
            if self.stopping.is_set():
                raise SandboxError(503, "stopped", "the sandbox was stopped meanwhile")
            made.append(self._make_event(*given))
            if len(made[-1].body) * count > _MOST_BYTES_AT_ONCE:
                raise invalid(f"that is more than {_MOST_BYTES_AT_ONCE:,} bytes at once", "count")
        return made

    async def test(self, endpoint_id: Any, event_type: Any = None, data: Any = None) -> Delivery:
        """Send a test event, by default a ping, to an endpoint, whatever it subscribes to."""
        endpoint = self.endpoints.get(endpoint_id)
        self._refuse_inactive(endpoint)
        name = "ping" if event_type is None else event_type
        if not isinstance(name, str):
            raise invalid("name an event type", "event_type")
        self.event_types.get(name)
        made = await asyncio.to_thread(self._make_event, name, data, None, "")
        endpoint = self.endpoints.get(endpoint_id)  # as it is by now
        self._refuse_inactive(endpoint)
        event = replace(made, test=True)
        delivery = new_delivery(event.id, endpoint.id, self.clock.now())
        self.database.add(event, delivery)
        self._notify_watchers(delivery.id)
        self.courier.wake()
        return delivery

    def event(self, event_id: Any) -> Event:
        """Return an event by its id."""
        found = self.database.event(event_id) if is_printable(event_id) else None
        if found is None:
            raise not_found("event", event_id, "event_id")
        return found

    def _make_event(
        self, event_type: str, data: Any, fields: Mapping[str, Any] | None, manner: str
    ) -> Event:
        now = self.clock.now()
        made = self.event_types.make(event_type, now, self._random) if data is None else data
        if fields:
            made = set_fields(made, fields)
        if fields or data is not None:
            encode_json(made)  # what cannot be written cannot be checked either
            self.event_types.check(event_type, made)
        event_id = str(uuid.uuid4())  # as the vendor's `webhook-id`
        body: Any = event_body(event_id, event_type, made)
        change = misbehavior_of(manner).change
        if change is not None:
            body = change(body)
        return Event(event_id, str(body["type"]), encode_json(body), now)

    def _active_endpoint(self, text: str) -> Endpoint:
        endpoint = self.endpoints.find(text)
        self._refuse_inactive(endpoint)
        return endpoint

    def _subscribers(self, event_type: str) -> list[Endpoint]:
        return [e for e in self.database.endpoints() if e.is_active and e.wants(event_type)]

    # --- deliveries ---------------------------------------------------------------------------

    def delivery(self, delivery_id: Any) -> Delivery:
        """Return a delivery by its id."""
        found = self.database.delivery(delivery_id) if is_printable(delivery_id) else None
        if found is None:
            raise not_found("delivery", delivery_id, "delivery_id")
        return found

    def replay(self, delivery_id: Any) -> Delivery:
        """Send the event again in a new delivery; it keeps its id."""
        old = self.delivery(delivery_id)
        event = self.database.event(old.event_id)
        endpoint = self.database.endpoint(old.endpoint_id)
        if event is None or endpoint is None:
            raise SandboxError(
                409,
                "endpoint_deleted",
                "the endpoint was deleted, so the delivery cannot be replayed",
            )
        self._refuse_inactive(endpoint)
        delivery = replace(new_delivery(event.id, endpoint.id, self.clock.now()), replay_of=old.id)
        self.database.add(delivery)
        self._notify_watchers(delivery.id)
        self.courier.wake()
        return delivery

    def retry(self, delivery_id: Any) -> Delivery:
        """Queue an unsuccessful delivery again, with all its attempts left."""
        delivery = self.delivery(delivery_id)
        if delivery.status == "success":
            raise SandboxError(
                409, "already_delivered", "the delivery was successful; replay it to send it again"
            )
        if delivery.status == "sending":
            raise SandboxError(409, "being_sent", "the delivery is being sent right now")
        endpoint = self.database.endpoint(delivery.endpoint_id)
        if endpoint is None:
            raise SandboxError(
                409, "endpoint_deleted", "the endpoint was deleted, so the delivery cannot be sent"
            )
        self._refuse_inactive(endpoint)
        again = requeue(delivery, self.clock.now())
        self.database.replace(again)
        self._notify_watchers(delivery.id)
        self.courier.wake()
        return again

    def replay_dead(self) -> list[Delivery]:
        """Replay every dead letter that was not replayed since, if its endpoint is active."""
        return self.replay_several(self.database.dead_letters(_MOST_EVENTS_AT_ONCE))

    def replay_several(self, deliveries: Iterable[Delivery]) -> list[Delivery]:
        """Replay deliveries, but those whose event is gone, or whose endpoint is not active."""
        now = self.clock.now()
        active = {each.id for each in self.database.endpoints() if each.is_active}
        made = [
            replace(new_delivery(old.event_id, old.endpoint_id, now), replay_of=old.id)
            for old in deliveries
            if old.endpoint_id in active and self.database.event(old.event_id) is not None
        ]
        self.database.add(*made)
        self._notify_watchers("")
        self.courier.wake()
        return made

    def _refuse_inactive(self, endpoint: Endpoint) -> None:
        if not endpoint.is_active:
            raise SandboxError(
                409, "endpoint_inactive", f"the endpoint {endpoint.name!a} is disabled; enable it"
            )

    # --- watching -----------------------------------------------------------------------------

    def watch(self, watcher: Callable[[str], None]) -> Callable[[], None]:
        """Call a function on each change, with a delivery's id or "" for anything else.

        Returns a function that ends the watching.
        """
        self._watchers.add(watcher)
        return lambda: self._watchers.discard(watcher)

    def _notify_watchers(self, delivery_id: str) -> None:
        for watcher in list(self._watchers):
            watcher(delivery_id)
