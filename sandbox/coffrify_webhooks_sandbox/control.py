"""The routes for commands and scripts, which are not part of the vendor's API."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from coffrify_webhooks.extras import needs
from coffrify_webhooks_codegen.json_types import is_mapping

from .errors import SandboxError
from .json_http import error_response, json_response, parse_object, read_body
from .parameters import invalid
from .schedule import TIMEOUT
from .views import delivery_view, event_view, format_time

with needs("sandbox"):
    from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from .records import Delivery, Event
    from .service import Service

__all__ = ["Control"]

_MOST_SHOWN = 100
_LONGEST_REPLY = 1000
_PATIENCE = TIMEOUT + 5


class Control:
    """The routes under /control."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.routes = [
            Route("/control/trigger", self._trigger, methods=["POST"]),
            Route("/control/skip", self._skip, methods=["POST"]),
        ]

    async def _trigger(self, request: Request) -> Response:
        """Trigger events, and answer once each delivery has been attempted."""
        try:
            asked = parse_object(await read_body(request))
            events = await self._service.trigger(
                asked.get("event_type"),
                asked.get("data"),
                fields=_object(asked.get("fields"), "fields"),
                endpoint=_text(asked.get("endpoint"), "endpoint"),
                count=asked.get("count", 1),
                manner=_text(asked.get("manner"), "manner"),
            )
        except SandboxError as error:
            return error_response(error)
        try:
            await self._run_unless_stopped(self._wait_until_tried(events))
        except SandboxError as error:
            return error_response(error)
        shown = events[:_MOST_SHOWN]
        return json_response(200, {"events": [self._show_event(event) for event in shown]})

    async def _skip(self, request: Request) -> Response:
        """Advance time by `seconds`, and answer with the time once due deliveries were sent."""
        try:
            asked = parse_object(await read_body(request))
            await self._run_unless_stopped(self._service.time.advance(asked.get("seconds")))
        except SandboxError as error:
            return error_response(error)
        return json_response(200, {"now": format_time(self._service.clock.now())})

    async def _run_unless_stopped(self, steps: Coroutine[Any, Any, None]) -> None:
        """Await a coroutine; raise SandboxError if the server stops meanwhile."""
        work = asyncio.ensure_future(steps)
        stopping = asyncio.ensure_future(self._service.stopping.wait())
        try:
            await asyncio.wait((work, stopping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            if not work.done():
                work.cancel()
        if not work.done():
            raise SandboxError(503, "stopped", "the sandbox was stopped meanwhile")
        work.result()

    async def _wait_until_tried(self, events: list[Event]) -> None:
        """Wait until each delivery was attempted, including duplicates that follow."""
        news = asyncio.Event()
        changed: set[str] = set()

        def note_change(delivery_id: str) -> None:
            changed.add(delivery_id)
            news.set()

        forget = self._service.watch(note_change)
        try:
            async with asyncio.timeout(_PATIENCE):
                while left := self._untried_deliveries(events):
                    while left:
                        await news.wait()
                        news.clear()
                        look = left if "" in changed else left & changed
                        left -= {each for each in look if not self._is_untried(each)}
                        changed.clear()
        except TimeoutError:
            return
        finally:
            forget()

    def _untried_deliveries(self, events: list[Event]) -> set[str]:
        found = (delivery.id for event in events for delivery in self._deliveries(event))
        return {delivery_id for delivery_id in found if self._is_untried(delivery_id)}

    def _is_untried(self, delivery_id: str) -> bool:
        now = self._service.database.delivery(delivery_id)
        if now is None or now.status not in ("pending", "sending"):
            return False
        clock = self._service.clock
        return now.next_at is None or clock.seconds_until(now.next_at) < _PATIENCE

    def _deliveries(self, event: Event) -> list[Delivery]:
        return self._service.database.deliveries(10_000, event_id=event.id)[::-1]

    def _show_event(self, event: Event) -> dict[str, Any]:
        database = self._service.database
        deliveries: list[dict[str, Any]] = []
        for delivery in self._deliveries(event):
            endpoint = database.endpoint(delivery.endpoint_id)
            attempts = database.attempts(delivery.id)
            reply = attempts[-1].reply[:_LONGEST_REPLY] if attempts else b""
            deliveries.append(
                {
                    **delivery_view(delivery, event, attempts),
                    "url": endpoint.url if endpoint else None,
                    "response_body": reply.decode("utf-8", "replace"),
                }
            )
        return {**event_view(event), "deliveries": deliveries}


def _object(value: Any, field: str) -> Mapping[str, Any] | None:
    if value is None or is_mapping(value):
        return value
    raise invalid("give an object", field)


def _text(value: Any, field: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise invalid("give a string", field)
    return value
