"""The sender's side: a sandbox with an endpoint for each server."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coffrify_webhooks import errors
from coffrify_webhooks.cli.answer import read_answer
from coffrify_webhooks.http.url_path import DEFAULT_PATH
from coffrify_webhooks_codegen.catalog import load

from .servers import Running

if TYPE_CHECKING:
    from coffrify_webhooks_sandbox import Attempt, Delivery, Endpoint, Event, Sandbox

__all__ = ["MissingError", "Sender", "result_of", "wait_for", "write_catalog"]

_PATIENCE = 20.0


class MissingError(Exception):
    """The expected outcome does not come; tells what it got in its place."""


class Sender:
    """Sends events to every server at the same time, and tells the outcomes.

    events: the types that the servers subscribe to. lost: called with a server and its last output
    instead, when nothing more will come of it.
    """

    def __init__(
        self,
        sandbox: "Sandbox",
        servers: Sequence[Running],
        events: Sequence[str],
        lost: Callable[[str, str], None],
    ) -> None:
        self._sandbox = sandbox
        self._servers = {server.name: server for server in servers}
        self._lost = lost
        self._endpoints: dict[str, Endpoint] = {
            server.name: sandbox.create_endpoint(
                f"http://127.0.0.1:{server.port}{DEFAULT_PATH}",
                events,
                name=server.name,
                secret=server.secret,
            )
            for server in servers
        }

    def each(self, step: Callable[[Running], str]) -> Mapping[str, str]:
        """Take a step with each server, and return the outcomes; those lost by it are left out."""
        outcomes: dict[str, str] = {}
        for name, server in list(self._servers.items()):
            try:
                outcomes[name] = step(server)
            except MissingError as lost:
                self._lose(name, str(lost))
            except errors.WebhookError as lost:
                self._lose(name, f"an error ({lost})")
            except (OSError, HTTPException) as lost:
                self._lose(name, f"no answer ({type(lost).__name__})")
        return outcomes

    def _lose(self, name: str, instead: str) -> None:
        del self._servers[name]
        self._sandbox.delete_endpoint(self._endpoints[name])  # the others need not wait for it
        self._lost(name, instead)

    # --- what is sent ---------------------------------------------------------------------------

    def send(self, event_type: str, manner: str = "") -> "Event":
        """Let an event happen, and wait until it has been sent."""
        event = self.begin(event_type, manner)
        self._sandbox.settle()
        return event

    def begin(self, event_type: str, manner: str) -> "Event":
        """Let an event happen."""
        [event] = self._sandbox.trigger(event_type, manner=manner)
        return event

    def settle(self) -> None:
        """Wait until what is due has been sent."""
        self._sandbox.settle()

    def let_retry(self, event: "Event") -> None:
        """Let the time pass until what has failed of an event was sent once more."""
        waiting = set(self._sandbox.deliveries(event, status="retrying"))
        while waiting & set(self._sandbox.deliveries(event, status="retrying")):
            if not self._sandbox.skip_to_next():
                return

    def replay(self, event: "Event", server: Running) -> str:
        """Send an event to a server again, and tell the outcome."""
        replayed = self._sandbox.replay(self.deliveries(event, server)[0])
        self._sandbox.settle()
        return self.answer(replayed)

    def rotate_secrets(self) -> None:
        """Give each endpoint a new secret, of which its server does not know."""
        for name in self._servers:
            self._sandbox.rotate_secret(self._endpoints[name])

    def skip(self, seconds: float) -> None:
        """Let time pass."""
        self._sandbox.skip(seconds)

    # --- outcomes -------------------------------------------------------------------------------

    def answers(self, event: "Event", *, delivery: int = 0, attempt: int = 1) -> Mapping[str, str]:
        """Tell what each server answered to an attempt of one of an event's deliveries."""

        def answer(server: Running) -> str:
            found = self.deliveries(event, server)[delivery : delivery + 1]
            return self.answer(found[0], attempt) if found else "not sent again"

        return self.each(answer)

    def answer(self, delivery: "Delivery", number: int = 1) -> str:
        """Tell what was answered to an attempt; raises MissingError if nothing was."""
        attempts = self._sandbox.attempts(delivery)
        if len(attempts) < number:
            return "not tried again"
        attempt = attempts[number - 1]
        if attempt.status is None:
            raise MissingError(f"no answer ({attempt.error})")
        return result_of(attempt)

    def seconds(self, delivery: "Delivery") -> float:
        """Return how long the first answer took."""
        return self._sandbox.attempts(delivery)[0].seconds or 0.0

    def sent_id(self, delivery: "Delivery") -> str:
        """Return under which id an event was sent."""
        return dict(self._sandbox.attempts(delivery)[0].headers)["webhook-id"]

    def deliveries(self, event: "Event", server: Running) -> "list[Delivery]":
        """Return an event's deliveries to a server, the first one first."""
        endpoint = self._endpoints[server.name]
        found = self._sandbox.deliveries(event)
        return [each for each in reversed(found) if each.endpoint_id == endpoint.id]

    def accepted_events(self, server: Running) -> "Iterator[Event]":
        """Yield the events that a server has answered with success."""
        endpoint = self._endpoints[server.name]
        for delivery in self._sandbox.deliveries(status="success"):
            if delivery.endpoint_id == endpoint.id:
                yield self._sandbox.event(delivery)


def result_of(attempt: "Attempt") -> str:
    """Tell what was answered, as `400 rejected (missing_signature)`."""
    if attempt.status is None:
        return attempt.error
    answer = read_answer(attempt.status, attempt.reply)
    if answer is None:
        return f"{attempt.status} without a readable reply"
    if not answer.code:
        return f"{attempt.status} {answer.outcome}"
    names = [name.lower() for name, _ in attempt.reply_headers]
    retry = ", Retry-After" if "retry-after" in names else ""
    return f"{attempt.status} {answer.outcome} ({answer.code}{retry})"


def wait_for(what: Callable[[], bool], patience: float = _PATIENCE) -> None:
    """Return once something is so; raises MissingError if it takes too long."""
    give_up = time.monotonic() + patience
    while not what():
        if time.monotonic() > give_up:
            raise MissingError(f"nothing within {patience:.0f} s")
        time.sleep(0.02)


def write_catalog(path: Path, events: Sequence[str]) -> None:
    """Write the bundled catalog, with those of the event types that it lacks."""
    bundled = load()
    known = {event.type for event in bundled.events}
    entries: list[Any] = [*bundled.document["data"]]
    entries += [
        {"type": name, "schema": {"type": "object"}} for name in events if name not in known
    ]
    path.write_text(json.dumps({**bundled.document, "data": entries}), encoding="utf-8")
