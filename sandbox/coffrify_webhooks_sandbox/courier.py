"""Sends due deliveries, and records the results."""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
import sqlite3
import time
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from coffrify_webhooks.errors import WebhookError

from .address import check_url
from .delivery_states import apply_result, expire, mark_sending
from .misbehaviors import misbehavior_of
from .records import Attempt, Delivery, Event
from .sender import Answer, Request, Sent
from .signing import Encoding, new_secret, sign_delivery
from .views import encode_json, endpoint_view, event_body

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from random import Random

    from .clock import Clock
    from .database import Database
    from .event_types import EventTypes
    from .records import Endpoint

__all__ = ["Courier", "Transport", "new_delivery"]

_log = logging.getLogger(__name__)
_deliveries = logging.getLogger("coffrify_webhooks_sandbox.deliveries")  # each with a `Sent`

_CONCURRENCY = 50
_LONGEST_SLEEP = 3600.0
_AGENT = "coffrify-webhooks-sandbox"
"""The vendor's own User-Agent is not known."""
_PAUSE = 1.0
"""Seconds before a failed write, for example to a full disk, is tried again."""
_FAILED_FINAL = "webhook.delivery_failed_final"
_DISABLED = "webhook.endpoint_disabled"
_KILLED = "the sandbox was stopped while it was sending"


class Transport(Protocol):
    """Sends one request."""

    async def send(self, request: Request) -> Answer: ...


def new_delivery(event_id: str, endpoint_id: str, at: float, manner: str = "") -> Delivery:
    """Return a new delivery that is due at `at`."""
    return Delivery(
        f"dlv_{secrets.token_hex(12)}", event_id, endpoint_id, "pending", at, at, manner=manner
    )


def _ignore_change(_delivery_id: str) -> None:
    """Do nothing, where nobody watches."""


class Courier:
    """Sends each delivery when it is due, up to 50 at a time.

    allowed: hosts to send to beside this machine. changed: called with a delivery's id whenever
    the delivery has changed. pause: seconds before a failed write is tried again.

    It runs until it is cancelled: errors are logged, and what failed is tried again.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        transport: Transport,
        event_types: EventTypes,
        random: Random,
        *,
        encoding: Encoding = "every",
        allowed: Collection[str] = (),
        pause: float = _PAUSE,
        wall: Callable[[], float] = time.time,
        changed: Callable[[str], None] | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._transport = transport
        self._event_types = event_types
        self._random = random
        self._encoding: Encoding = encoding
        self._allowed = allowed
        self._pause = pause
        self._wall = wall
        self._changed = changed or _ignore_change
        self._news = asyncio.Event()
        self._quiet = asyncio.Event()
        self._logged_reason = ""
        self._sending: set[asyncio.Task[None]] = set()

    def wake(self) -> None:
        """Look for due deliveries again, because one was added or the clock has jumped."""
        self._quiet.clear()
        self._news.set()

    async def run(self) -> None:
        """Send due deliveries until cancelled."""
        interrupted_failed = False
        try:
            while True:
                self._news.clear()
                try:
                    if not interrupted_failed:
                        self._fail_interrupted()
                        interrupted_failed = True
                    fine = self._start_due()
                    seconds = self._seconds_left()
                except sqlite3.Error as error:
                    self._log_file_error(error)
                    fine, seconds = False, 0.0
                except Exception:  # logged; nothing ends the courier
                    _log.exception("the sandbox cannot look for due deliveries; it will try again")
                    fine, seconds = False, 0.0
                if fine:
                    self._logged_reason = ""
                    await self._wait(seconds)
                else:
                    await asyncio.sleep(self._pause)
        finally:
            for task in self._sending:
                task.cancel()
            await asyncio.gather(*self._sending, return_exceptions=True)

    async def wait_until_quiet(self) -> None:
        """Return once nothing is being sent and nothing is due."""
        await self._quiet.wait()

    def _log_file_error(self, error: sqlite3.Error) -> None:
        """Log a problem with the file once; the operation is tried again about every second."""
        why = self._database.describe_error(error)
        if why != self._logged_reason:
            self._logged_reason = why
            _log.error("%s; it will be tried again", why)

    def _fail_interrupted(self) -> None:
        """Record attempts that a killed sandbox had under way as failed."""
        for delivery in self._database.unfinished():
            attempt = self._database.attempts(delivery.id)[-1]
            self._record_result(attempt, Answer(None, _KILLED, 0.0))

    def _start_due(self) -> bool:
        """Start sending due deliveries; False if some could not be started."""
        room = _CONCURRENCY - len(self._sending)
        if room <= 0:
            return True
        fine = True
        now = self._clock.now()
        for delivery in self._database.due(now, room):
            try:
                self._start(delivery, now)
            except sqlite3.Error as error:
                self._log_file_error(error)
                fine = False
                break  # the others would fare no better
            except Exception:  # logged; nothing ends the courier
                _log.exception(
                    "delivery %s could not be started; it will be tried again", delivery.id
                )
                fine = False
        if not self._sending and self._clock.seconds_until(self._next_due()) > 0:
            self._quiet.set()
        return fine

    def _start(self, delivery: Delivery, now: float) -> None:
        if (dead := expire(delivery, now)) is not None:
            self._record_dead_letter(dead)
            return
        endpoint = self._database.endpoint(delivery.endpoint_id)
        event = self._database.event(delivery.event_id)
        if endpoint is None or event is None:
            self._database.replace(replace(delivery, status="cancelled", next_at=None))
            self._changed(delivery.id)
            return
        request = self._request(delivery, endpoint, event)
        # Marked here, not in the task: until that begins, it might be taken up again.
        attempt = self._begin(delivery, request)
        sent = Sent(event.type, event.id, endpoint.url)
        task = asyncio.create_task(self._send(attempt, request, sent))
        self._sending.add(task)
        task.add_done_callback(self._forget_task)
        self._quiet.clear()
        self._changed(delivery.id)

    def _forget_task(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        self._news.set()
        if not task.cancelled():
            task.result()  # an error in our own code is reported by the loop

    def _next_due(self) -> float:
        due = self._database.next_due()
        return math.inf if due is None else due

    def _seconds_left(self) -> float:
        """Return the real seconds until there is something to do."""
        if len(self._sending) >= _CONCURRENCY:
            return _LONGEST_SLEEP
        return min(_LONGEST_SLEEP, self._clock.seconds_until(self._next_due()))

    async def _wait(self, seconds: float) -> None:
        """Wait some seconds, or until an attempt has ended or something has changed."""
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return

    # --- one attempt --------------------------------------------------------------------------

    def _begin(self, delivery: Delivery, request: Request | str) -> Attempt:
        number = len(self._database.attempts(delivery.id)) + 1
        headers = () if isinstance(request, str) else tuple(request.headers.items())
        now, wall = self._clock.now(), self._wall()
        attempt = Attempt(0, delivery.id, number, now, wall, headers)
        return self._database.begin(mark_sending(delivery), attempt)

    async def _send(self, attempt: Attempt, request: Request | str, sent: Sent) -> None:
        _deliveries.info("sending", extra={"sent": sent})
        answer = await self._answer(request)
        _deliveries.info("answered", extra={"sent": sent._replace(answer=answer)})
        failed = False
        while True:  # the result is kept here until it is recorded
            try:
                self._record_result(attempt, answer)
            except Exception:  # logged; nothing ends the courier
                if not failed:
                    _log.exception(
                        "the result of delivery %s could not be recorded; it is tried every %g s",
                        attempt.delivery_id,
                        self._pause,
                    )
                failed = True
                await asyncio.sleep(self._pause)
            else:
                return

    async def _answer(self, request: Request | str) -> Answer:
        if isinstance(request, str):
            return Answer(None, request, 0.0)
        try:
            return await self._transport.send(request)
        except Exception as error:  # logged; nothing ends the courier
            _log.exception("an attempt could not be made")
            return Answer(None, f"the sandbox could not send it ({type(error).__name__})", 0.0)

    def _request(self, delivery: Delivery, endpoint: Endpoint, event: Event) -> Request | str:
        """Return the request, or the reason why none can be sent, which is a failed attempt."""
        try:
            check_url(endpoint.url, self._allowed)  # others may have been allowed when it was set
            return self.sign_request(delivery, endpoint, event)
        except WebhookError as error:
            return str(error)
        except Exception as error:  # logged; nothing ends the courier
            _log.exception("delivery %s could not be written", delivery.id)
            return f"the sandbox could not write it ({type(error).__name__})"

    def sign_request(self, delivery: Delivery, endpoint: Endpoint, event: Event) -> Request:
        """Return the request that a delivery sends now."""
        manner = misbehavior_of(delivery.manner)
        keys = (new_secret(),) if manner.forged else endpoint.secrets_at(self._clock.now())
        headers = {
            "Content-Type": manner.content_type,
            "User-Agent": _AGENT,
            **sign_delivery(event.body, keys, event.id, self._wall() + manner.skew, self._encoding),
        }
        if event.test:
            headers["X-Coffrify-Test-Delivery"] = "true"
        return Request(endpoint.url, headers, event.body, manner.drip, manner.cut)

    def _record_result(self, attempt: Attempt, answer: Answer) -> None:
        attempt = replace(
            attempt,
            status=answer.status,
            error=answer.error,
            seconds=answer.seconds,
            reply_headers=answer.headers,
            reply=answer.body,
        )
        delivery = self._database.delivery(attempt.delivery_id)
        if delivery is None:
            return  # forgotten meanwhile
        endpoint = self._database.endpoint(delivery.endpoint_id)
        if delivery.status != "sending" or endpoint is None:
            self._database.finish(attempt, delivery, None)
            self._changed(delivery.id)
            return
        now = self._clock.now()
        success = attempt.is_success
        next_delivery, next_endpoint = apply_result(
            delivery, endpoint, now, self._random, success=success
        )
        follow_up = self._follow_up(next_delivery, endpoint, next_endpoint, now)
        self._database.finish(attempt, next_delivery, next_endpoint, follow_up)
        self._changed(delivery.id)

    def _record_dead_letter(self, dead: Delivery) -> None:
        endpoint = self._database.endpoint(dead.endpoint_id)
        if endpoint is not None:
            follow_up = self._follow_up(dead, endpoint, endpoint, self._clock.now())
            self._database.replace(dead, add=follow_up)
        self._changed(dead.id)
        self._news.set()

    def _follow_up(
        self, delivery: Delivery, before: Endpoint, after: Endpoint, now: float
    ) -> list[Event | Delivery]:
        """Return the records that follow the end of a delivery."""
        made: list[Event | Delivery] = []
        event = self._database.event(delivery.event_id)
        if event is None:
            return made
        if delivery.status == "success" and misbehavior_of(delivery.manner).again:
            again = new_delivery(event.id, delivery.endpoint_id, now)
            made.append(replace(again, replay_of=delivery.id))
        # A notification that fails causes no other, or two dead endpoints would go on forever.
        if delivery.status == "dead_letter" and not event.type.startswith("webhook."):
            made += self._notify_others(_FAILED_FINAL, after, now)
        if before.is_active and not after.is_active:
            made += self._notify_others(_DISABLED, after, now)
        return made

    def _notify_others(
        self, event_type: str, about: Endpoint, now: float
    ) -> list[Event | Delivery]:
        """Return an event about an endpoint, with deliveries to the others that subscribe to it."""
        others = [
            endpoint
            for endpoint in self._database.endpoints()
            if endpoint.is_active and endpoint.id != about.id and endpoint.wants(event_type)
        ]
        if not others or event_type not in self._event_types.names:
            return []
        event_id = str(uuid.uuid4())
        body = encode_json(event_body(event_id, event_type, endpoint_view(about)))
        event = Event(event_id, event_type, body, now)
        return [event, *(new_delivery(event.id, other.id, now) for other in others)]
