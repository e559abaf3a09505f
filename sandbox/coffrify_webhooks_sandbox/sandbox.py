"""The sandbox in a program: a context manager around a server of its own."""

from __future__ import annotations

import asyncio
import concurrent.futures
from contextlib import ExitStack
from random import Random
from typing import TYPE_CHECKING, Any, Self, TypeVar

from coffrify_webhooks.errors import ConfigurationError

from .app import application
from .background import Background, listen, serve_in_thread
from .errors import SandboxError
from .service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping
    from pathlib import Path

    from .records import Attempt, Delivery, Endpoint, Event
    from .signing import Encoding

__all__ = ["Sandbox"]

T = TypeVar("T")

_PATIENCE = 60.0


class Sandbox:
    """Coffrify's sending side, with its API and dashboard, on a port of this machine.

    Time stands still unless `speed` says otherwise: what failed is tried again when `skip` or
    `run_out` lets time pass. So 72 hours of retries take a moment. What is random comes out the
    same in each run of a program.

    port: 0 takes a free one. api_key: one is made unless given. db: an SQLite file that outlives
    the sandbox. speed: how many seconds pass in one of ours. catalog: a file instead of the
    bundled catalog. allow_hosts: hosts to send to beside this machine, "*" for all. encoding: how
    secrets become keys; "every" signs with each reading of them.

    Raises ConfigurationError for what cannot be used, as a port that is taken.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        api_key: str | None = None,
        db: Path | str | None = None,
        speed: float = 0.0,
        catalog: Path | str | None = None,
        allow_hosts: Iterable[str] = (),
        encoding: Encoding = "every",
    ) -> None:
        self._apps = ExitStack()
        with ExitStack() as undo:
            listener = undo.enter_context(listen(host, port))
            self._service = Service(
                db=db,
                catalog=catalog,
                speed=speed,
                encoding=encoding,
                allow_hosts=allow_hosts,
                api_key=api_key,
                random=Random(0),
            )
            undo.callback(self._service.close)
            app = application(self._service, host=host)
            self._server = Background(app, listener, self._service.stop)
            undo.pop_all()
        shown = f"[{host}]" if ":" in host else host
        self.url: str = f"http://{shown}:{listener.getsockname()[1]}"
        """Where the dashboard is; the API is under /v1."""
        self.api_key: str = self._service.api_key
        """What the API asks for: `Authorization: Bearer ...`."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop; what was not sent yet stays in the file, if there is one."""
        self._server.stop()
        self._apps.close()
        self._service.close()

    # --- endpoints ----------------------------------------------------------------------------

    def create_endpoint(
        self,
        url: str,
        events: Iterable[str] = ("*",),
        *,
        name: str | None = None,
        secret: str | None = None,
    ) -> Endpoint:
        """Create an endpoint, and return it with its secret; events: types, or "*" for all."""
        wanted = (events,) if isinstance(events, str) else tuple(events)
        return self._call(
            lambda: self._service.endpoints.create(url, wanted, name=name, secret=secret)
        )

    def serve(
        self,
        app: Any,
        path: str = "/webhooks/coffrify",
        *,
        events: Iterable[str] = ("*",),
        secret: str | None = None,
    ) -> Endpoint:
        """Serve a WSGI or ASGI application on loopback, and create an endpoint at its path."""
        if not callable(app):
            raise ConfigurationError("give a WSGI or an ASGI application")
        with ExitStack() as undo:
            port = undo.enter_context(serve_in_thread(app))
            made = self.create_endpoint(f"http://127.0.0.1:{port}{path}", events, secret=secret)
            self._apps.push(undo.pop_all())
        return made

    def rotate_secret(self, endpoint: Endpoint, grace_hours: float = 24) -> Endpoint:
        """Give an endpoint a new secret; the old one signs too for some hours."""
        return self._call(lambda: self._service.endpoints.rotate_secret(endpoint.id, grace_hours))

    def delete_endpoint(self, endpoint: Endpoint) -> None:
        """Delete an endpoint; what was on its way to it is cancelled."""
        self._call(lambda: self._service.endpoints.delete(endpoint.id))

    def endpoint(self, endpoint: Endpoint | str) -> Endpoint:
        """Return what has become of an endpoint."""
        found = endpoint if isinstance(endpoint, str) else endpoint.id
        return self._call(lambda: self._service.endpoints.get(found))

    # --- events -------------------------------------------------------------------------------

    def trigger(
        self,
        event_type: str,
        data: Any = None,
        *,
        fields: Mapping[str, Any] | None = None,
        endpoint: Endpoint | None = None,
        count: int = 1,
        manner: str = "",
    ) -> list[Event]:
        """Let something happen, and send it to all who subscribe to it; returns the events.

        data: the payload; random and valid without one. fields: single fields of it, by dotted
        names. endpoint: send to this one alone. manner: how to misbehave, as "duplicate" or
        "forged"; `coffrify-webhooks trigger --help` lists them.

        Raises SandboxError for an unknown type, or data that breaks its schema.
        """
        only = endpoint.id if endpoint else None
        return self._wait(
            self._service.trigger(
                event_type, data, fields=fields, endpoint=only, count=count, manner=manner
            ),
            _PATIENCE,
        )

    def event(self, delivery: Delivery) -> Event:
        """Return the event that a delivery carries."""
        return self._call(lambda: self._service.event(delivery.event_id))

    def deliveries(
        self, event: Event | None = None, *, status: str | None = None
    ) -> list[Delivery]:
        """Return deliveries, the newest first: of one event, or of one status, or all."""
        event_id = event.id if event else None
        database = self._service.database
        return self._call(lambda: database.deliveries(10_000, event_id=event_id, status=status))

    def attempts(self, delivery: Delivery) -> list[Attempt]:
        """Return a delivery's attempts, the first one first."""
        return self._call(lambda: self._service.database.attempts(delivery.id))

    def replay(self, delivery: Delivery) -> Delivery:
        """Send an event again, by a new delivery; the event keeps its id."""
        return self._call(lambda: self._service.replay(delivery.id))

    # --- time ---------------------------------------------------------------------------------

    def skip(self, seconds: float, timeout: float = _PATIENCE) -> None:
        """Let time pass; what becomes due in it is sent when it is due, one after another."""
        self._wait(self._service.time.advance(seconds), timeout)

    def skip_to_next(self, timeout: float = _PATIENCE) -> bool:
        """Let time pass until something is due, and return once it has been sent.

        False if nothing is left to be sent.
        """
        return self._wait(self._service.time.advance_to_next(), timeout)

    def settle(self, timeout: float = _PATIENCE) -> None:
        """Return once what is due has been sent; what failed waits for its time.

        Call it, as all that waits here, from another thread than the receiver's event loop.
        """
        self._wait(self._service.courier.wait_until_quiet(), timeout)

    def run_out(self, timeout: float = _PATIENCE) -> None:
        """Let all time pass that it takes, until every delivery has succeeded or is a dead letter.

        What waits for a disabled endpoint goes on waiting.
        """
        self._wait(self._service.time.run_out(), timeout)

    def _call(self, function: Callable[[], T]) -> T:
        """Call a function in the thread to which everything belongs."""

        async def call() -> T:
            return function()

        return self._wait(call(), _PATIENCE)

    def _wait(self, steps: Coroutine[Any, Any, T], timeout: float) -> T:
        try:
            waiting = asyncio.run_coroutine_threadsafe(steps, self._server.loop)
        except RuntimeError:  # the loop has ended
            steps.close()
            raise _closed_error() from None
        try:
            return waiting.result(timeout)
        except concurrent.futures.CancelledError:
            raise _closed_error() from None
        except concurrent.futures.TimeoutError:
            waiting.cancel()
            raise TimeoutError(f"the sandbox was not done within {timeout:g} s") from None


def _closed_error() -> SandboxError:
    return SandboxError(409, "closed", "the sandbox was closed")
