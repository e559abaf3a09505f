"""What one can do with the sandbox; the API, the dashboard and the commands all come through here.

Raises SandboxError for whatever cannot be done as asked.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sqlite3
import uuid
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, Any, TypeGuard

from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks_codegen.json_types import is_mapping

from .address import allowed_hosts, checked_url
from .api_key import checked_api_key
from .clock import Clock, checked_skip, checked_speed
from .courier import Courier, new_delivery
from .database import Database
from .errors import SandboxError
from .event_types import EventTypes
from .misbehaviors import manner_of
from .records import Delivery, Endpoint, Event
from .sender import Sender
from .settling import tried_again
from .signing import Encoding, checked_encoding, new_secret, readings
from .views import body_of, with_fields, written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

__all__ = ["Service"]

_LONGEST_NAME = 200
_MOST_EVENTS_AT_ONCE = 10_000
_MOST_BYTES_AT_ONCE = 100_000_000
_MOST_ENDPOINTS = 100
_LONGEST_GRACE = 168
_STEP = 0.25
"""Of the wall's seconds, between events that are sent one after another on purpose."""
_LONGEST_ROW = 10.0
"""Of the wall's seconds, for all of them."""


class Service:
    """The sandbox without its servers. All methods are called on one event loop's thread.

    db: a file; without one, everything is forgotten at the end. catalog: a file instead of the
    bundled catalog. allow_hosts: whom to send to beside this machine; "*" for all.
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
        checked_speed(speed)
        self._encoding: Encoding = checked_encoding(encoding)
        self._allowed = allowed_hosts(allow_hosts)
        given = checked_api_key(api_key)
        self.event_types = EventTypes(catalog)
        self.database = Database(db)
        self.clock = Clock(speed, anchor=self.database.anchor(), since=self.database.latest())
        self._keep_time()
        self.api_key = given or checked_api_key(
            self.database.setting("api_key", f"cfy_test_{secrets.token_hex(16)}")
        )
        self.database.set("api_key", self.api_key)
        self._random = random or Random()
        self._watchers: set[Callable[[str], None]] = set()
        self._passing = asyncio.Lock()
        self.stopping = asyncio.Event()
        """Set when the server is to stop: what waits should end then."""
        self._sender = Sender()
        self.courier = Courier(
            self.database,
            self.clock,
            self._sender,
            self.event_types,
            self._random,
            encoding=self._encoding,
            allowed=self._allowed,
            changed=self._changed,
        )

    async def run(self) -> None:
        """Send what is due, until cancelled."""
        try:
            await self.courier.run()
        finally:
            await self._sender.close()

    def stop(self) -> None:
        """Let what waits end, since the server is to stop; `close` may not be reached."""
        with suppress(sqlite3.Error):
            self._keep_time()
        self.stopping.set()
        self._changed("")

    def close(self) -> None:
        """Let go of the file."""
        with suppress(sqlite3.Error):  # the disk is full, or it was closed before
            self._keep_time()
        self.database.close()

    # --- endpoints ----------------------------------------------------------------------------

    def endpoint(self, endpoint_id: Any) -> Endpoint:
        """Return an endpoint by its id."""
        found = self.database.endpoint(endpoint_id) if _is_plain(endpoint_id) else None
        if found is None:
            raise _unknown("endpoint", endpoint_id, "id")
        return found

    def find_endpoint(self, text: str) -> Endpoint:
        """Return an endpoint by its id, URL or name; of several alike the first active one."""
        endpoints = self.database.endpoints()
        found = [e for e in endpoints if text in (e.id, e.url, e.name)]
        if found:
            return max(found, key=lambda endpoint: (endpoint.id == text, endpoint.is_active))
        known = ", ".join(endpoint.url for endpoint in endpoints) or "none yet"
        raise SandboxError(
            404, "not_found", f"there is no endpoint {text[:200]!a}; there are: {known}", "endpoint"
        )

    def create_endpoint(
        self,
        url: Any,
        events: Any = ("*",),
        *,
        name: Any = None,
        description: Any = "",
        secret: str | None = None,
    ) -> Endpoint:
        """Create an endpoint; its secret is in what comes back."""
        if len(self.database.endpoints()) >= _MOST_ENDPOINTS:
            raise SandboxError(400, "too_many_endpoints", "there are 100 endpoints; delete some")
        address = checked_url(url, self._allowed)
        endpoint = Endpoint(
            str(uuid.uuid4()),
            _text(address if name is None else name, "name", empty=False),
            address,
            _text("" if description is None else description, "description"),
            self._events(events),
            is_active=True,
            secret=new_secret() if secret is None else self._secret(secret),
            old_secret=None,
            old_until=None,
            created_at=self.clock.now(),
        )
        self.database.add(endpoint)
        self._changed("")
        return endpoint

    def update_endpoint(self, endpoint_id: Any, changes: Mapping[str, Any]) -> Endpoint:
        """Change name, url, description, events or is_active of an endpoint."""
        endpoint = self.endpoint(endpoint_id)
        for field, value in changes.items():
            match field:
                case "url":
                    endpoint = replace(endpoint, url=checked_url(value, self._allowed))
                case "events":
                    endpoint = replace(endpoint, events=self._events(value))
                case "name":
                    endpoint = replace(endpoint, name=_text(value, field, empty=False))
                case "description":
                    text = _text("" if value is None else value, field)
                    endpoint = replace(endpoint, description=text)
                case "is_active" if isinstance(value, bool):
                    endpoint = replace(endpoint, is_active=value, dead_in_a_row=0)
                case "is_active":
                    raise _invalid("give true or false", field)
                case _:
                    raise _invalid(
                        "only url, events, name, description and is_active can be changed",
                        field[:100],
                    )
        self.database.replace(endpoint)
        self._changed("")
        self.courier.wake()  # what waited for it to be active again
        return endpoint

    def delete_endpoint(self, endpoint_id: Any) -> None:
        """Delete an endpoint; what was on its way to it is cancelled."""
        self.database.delete(self.endpoint(endpoint_id).id)
        self._changed("")

    def rotate_secret(self, endpoint_id: Any, grace_hours: Any = 24) -> Endpoint:
        """Give an endpoint a new secret; the old one signs too for some hours, 0 to 168."""
        endpoint = self.endpoint(endpoint_id)
        if (
            not isinstance(grace_hours, (int, float))
            or isinstance(grace_hours, bool)
            or not 0 <= grace_hours <= _LONGEST_GRACE
        ):
            raise _invalid("give hours from 0 to 168", "grace_hours")
        now = self.clock.now()
        if endpoint.old_until is not None and len(endpoint.secrets_at(now)) > 1:
            end = datetime.fromtimestamp(endpoint.old_until, UTC)
            raise SandboxError(
                409,
                "rotation_in_grace",
                f"the secret before still signs too, until {end:%Y-%m-%d %H:%M:%S} UTC; rotate "
                "again after that",
            )
        until = now + grace_hours * 3600
        endpoint = replace(
            endpoint, secret=new_secret(), old_secret=endpoint.secret, old_until=until
        )
        self.database.replace(endpoint)
        self._changed("")
        return endpoint

    def _secret(self, secret: str) -> str:
        try:
            readings(secret, self._encoding)
        except ConfigurationError as error:
            raise _invalid(
                f"{error}; the sandbox's encoding is {self._encoding}", "secret"
            ) from None
        return secret

    def _events(self, events: Any) -> tuple[str, ...]:
        if isinstance(events, str) or is_mapping(events) or not hasattr(events, "__iter__"):
            raise _invalid('give a list of event types, or ["*"] for all', "events")
        found: list[str] = []
        for name in events:
            if not isinstance(name, str):
                raise _invalid('give a list of event types, or ["*"] for all', "events")
            if name != "*":
                self.event_types.get(name, param="events")
            found.append(name)
        if not found:
            raise _invalid('give at least one event type, or ["*"] for all', "events")
        return tuple(dict.fromkeys(found))

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
        """Let something happen: make events, and send them to all who subscribe to them.

        data: the payload; random without one. fields: single fields of it, by dotted names.
        endpoint: send to this one alone, whatever it subscribes to. manner: how to misbehave.
        """
        if not isinstance(event_type, str):
            raise _invalid("name an event type", "event_type")
        self.event_types.get(event_type)
        how = manner_of(manner)
        if not isinstance(count, int) or isinstance(count, bool):
            raise _invalid("give a number", "count")
        if not 1 <= count <= _MOST_EVENTS_AT_ONCE:
            raise _invalid(f"give a number from 1 to {_MOST_EVENTS_AT_ONCE}", "count")
        if how.backwards:
            count = max(2, count)
        targets = self._targets(event_type, endpoint)
        if count * len(targets) * how.copies > _MOST_EVENTS_AT_ONCE:
            raise _invalid(f"that is more than {_MOST_EVENTS_AT_ONCE} deliveries at once", "count")
        # A schema of the catalog's may take long to make data for, and to check it by.
        made = await asyncio.to_thread(self._made, count, event_type, data, fields, manner)
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
        self._changed("")
        self.courier.wake()
        return made

    def _targets(self, event_type: str, endpoint: str | None) -> list[Endpoint]:
        return [self._active(endpoint)] if endpoint else self._subscribed(event_type)

    def _made(self, count: int, *given: Any) -> list[Event]:
        """Make events, in a thread, which ends when the sandbox is to stop."""
        made: list[Event] = []
        for _ in range(count):
            if self.stopping.is_set():
                raise SandboxError(503, "stopped", "the sandbox was stopped meanwhile")
            made.append(self._event(*given))
            if len(made[-1].body) * count > _MOST_BYTES_AT_ONCE:
                raise _invalid(f"that is more than {_MOST_BYTES_AT_ONCE:,} bytes at once", "count")
        return made

    def test(self, endpoint_id: Any, event_type: Any = None, data: Any = None) -> Delivery:
        """Send a test event to an endpoint, whatever it subscribes to; a ping by default."""
        endpoint = self.endpoint(endpoint_id)
        self._refuse_inactive(endpoint)
        name = "ping" if event_type is None else event_type
        if not isinstance(name, str):
            raise _invalid("name an event type", "event_type")
        self.event_types.get(name)
        event = replace(self._event(name, data, None, ""), test=True)
        delivery = new_delivery(event.id, endpoint.id, self.clock.now())
        self.database.add(event, delivery)
        self._changed(delivery.id)
        self.courier.wake()
        return delivery

    def event(self, event_id: Any) -> Event:
        """Return an event by its id."""
        found = self.database.event(event_id) if _is_plain(event_id) else None
        if found is None:
            raise _unknown("event", event_id, "event_id")
        return found

    def _event(
        self, event_type: str, data: Any, fields: Mapping[str, Any] | None, manner: str
    ) -> Event:
        now = self.clock.now()
        made = self.event_types.make(event_type, now, self._random) if data is None else data
        if fields:
            made = with_fields(made, fields)
        if fields or data is not None:
            written(made)  # what cannot be written cannot be checked either
            self.event_types.check(event_type, made)
        event_id = str(uuid.uuid4())  # as the vendor's `webhook-id`
        body: Any = body_of(event_id, event_type, made)
        change = manner_of(manner).change
        if change is not None:
            body = change(body)
        return Event(event_id, str(body["type"]), written(body), now)

    def _active(self, text: str) -> Endpoint:
        endpoint = self.find_endpoint(text)
        self._refuse_inactive(endpoint)
        return endpoint

    def _subscribed(self, event_type: str) -> list[Endpoint]:
        return [e for e in self.database.endpoints() if e.is_active and e.wants(event_type)]

    # --- deliveries ---------------------------------------------------------------------------

    def delivery(self, delivery_id: Any) -> Delivery:
        """Return a delivery by its id."""
        found = self.database.delivery(delivery_id) if _is_plain(delivery_id) else None
        if found is None:
            raise _unknown("delivery", delivery_id, "delivery_id")
        return found

    def replay(self, delivery_id: Any) -> Delivery:
        """Send an event again, by a new delivery; the event keeps its id."""
        old = self.delivery(delivery_id)
        event = self.database.event(old.event_id)
        endpoint = self.database.endpoint(old.endpoint_id)
        if event is None or endpoint is None:
            raise SandboxError(
                409, "endpoint_deleted", "its endpoint was deleted, so it cannot be replayed"
            )
        self._refuse_inactive(endpoint)
        delivery = replace(new_delivery(event.id, endpoint.id, self.clock.now()), replay_of=old.id)
        self.database.add(delivery)
        self._changed(delivery.id)
        self.courier.wake()
        return delivery

    def retry(self, delivery_id: Any) -> Delivery:
        """Put a delivery that was not successful back into the queue, with all its attempts."""
        delivery = self.delivery(delivery_id)
        if delivery.status == "success":
            raise SandboxError(
                409, "already_delivered", "it was delivered; replay it to send it again"
            )
        if delivery.status == "sending":
            raise SandboxError(409, "being_sent", "it is being sent right now")
        endpoint = self.database.endpoint(delivery.endpoint_id)
        if endpoint is None:
            raise SandboxError(
                409, "endpoint_deleted", "its endpoint was deleted, so it cannot be sent"
            )
        self._refuse_inactive(endpoint)
        again = tried_again(delivery, self.clock.now())
        self.database.replace(again)
        self._changed(delivery.id)
        self.courier.wake()
        return again

    def replay_dead(self) -> list[Delivery]:
        """Replay every dead letter whose endpoint is active and that was not replayed since."""
        now = self.clock.now()
        made = [
            replace(new_delivery(dead.event_id, dead.endpoint_id, now), replay_of=dead.id)
            for dead in self.database.dead_letters(_MOST_EVENTS_AT_ONCE)
        ]
        self.database.add(*made)
        self._changed("")
        self.courier.wake()
        return made

    def _refuse_inactive(self, endpoint: Endpoint) -> None:
        if not endpoint.is_active:
            raise SandboxError(
                409, "endpoint_inactive", f"its endpoint {endpoint.name!a} is disabled; enable it"
            )

    # --- time ---------------------------------------------------------------------------------

    async def pass_time(self, seconds: Any) -> None:
        """Let time pass; what becomes due in it is sent when it is due, one after another."""
        checked_skip(seconds)
        async with self._passing:  # one after another: an hour and an hour are two
            target = self.clock.now() + seconds
            await self.courier.quiet()
            while (due := self.database.next_due()) is not None and due <= target:
                self._jump(max(0.0, due - self.clock.now()))
                await self.courier.quiet()
            self._jump(max(0.0, target - self.clock.now()))
            await self.courier.quiet()

    def _jump(self, seconds: float) -> None:
        self.clock.skip(seconds)
        self._keep_time()
        self._changed("")
        self.courier.wake()

    async def skip_to_next(self) -> bool:
        """Jump to when something is due, and wait until it was sent; False if nothing is left."""
        async with self._passing:
            await self.courier.quiet()
            due = self.database.next_due()
            if due is None:
                return False
            self._jump(max(0.0, due - self.clock.now()))
            await self.courier.quiet()
            return True

    async def run_out(self) -> None:
        """Let everything come to its end, jumping over all waiting."""
        while await self.skip_to_next():
            pass

    def _keep_time(self) -> None:
        self.database.set("anchor", json.dumps(list(self.clock.anchor)))

    # --- watching -----------------------------------------------------------------------------

    def watch(self, watcher: Callable[[str], None]) -> Callable[[], None]:
        """Call a function with a delivery's id, or "" for anything else, when something changes.

        Returns what ends the watching.
        """
        self._watchers.add(watcher)
        return lambda: self._watchers.discard(watcher)

    def _changed(self, delivery_id: str) -> None:
        for watcher in list(self._watchers):
            watcher(delivery_id)


def _is_plain(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and value.isprintable()


def _text(value: Any, field: str, *, empty: bool = True) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_NAME or not value.isprintable():
        raise _invalid("give a text of up to 200 printable characters", field)
    if not value.strip() and not empty:
        raise _invalid("give a text that is not empty", field)
    return value


def _invalid(why: str, param: str) -> SandboxError:
    return SandboxError(400, "invalid_parameter", f"{param}: {why}", param)


def _unknown(what: str, found: Any, param: str) -> SandboxError:
    name = f" {found[:100]!a}" if isinstance(found, str) else ""
    return SandboxError(404, "not_found", f"there is no {what}{name}", param)
