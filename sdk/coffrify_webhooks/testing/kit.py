"""What a test holds: isolated receivers, and what was seen of them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.receiver import Receiver

from .delivering import deliver, deliver_async
from .event_maker import When, make_event
from .isolation import Isolation
from .layers import opened, within
from .queued import run_queued

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from coffrify_webhooks.event import Event
    from coffrify_webhooks.observe import Notice

    from .clock import Clock
    from .layers import Layer
    from .protocols import Deliver, DeliverAsync
    from .result import Result

__all__ = ["Kit", "isolated"]

__tracebackhide__: bool = True
"""pytest shows the line of the test, not ours."""

E = TypeVar("E", bound="Event")


class Kit:
    """Delivers to isolated receivers, and tells what they did; `isolated` makes one."""

    def __init__(self, isolation: Isolation, layers: tuple[Layer, ...]) -> None:
        self._isolation = isolation
        self._open_layers: tuple[Layer, ...] | None = layers

    @property
    def _layers(self) -> tuple[Layer, ...]:
        if self._open_layers is None:  # the receivers have their own stores again
            raise ConfigurationError(
                "the isolation of this kit is over: deliver inside of its `with` block; a fixture "
                "yields its kit, and does not return it"
            )
        return self._open_layers

    def _end(self) -> None:
        self._open_layers = None

    @property
    def clock(self) -> Clock:
        """The receivers' clock: it stands still until `clock.advance(seconds)`."""
        return self._isolation.clock

    @property
    def secret(self) -> str:
        """The receivers' secret while they are isolated."""
        return self._isolation.secret

    @property
    def notices(self) -> list[Notice]:
        """All that the receivers told their observers, in its order."""
        return self._isolation.notices

    @property
    def events(self) -> list[Event]:
        """The events that were handled, in their order, as the handlers got them."""
        return self._isolation.events

    @property
    def results(self) -> list[Result[Any]]:
        """What became of each delivery, and of each event that `run_queued` ran, in their order."""
        return self._isolation.results

    @property
    def deliver(self) -> Deliver:
        """Deliver an event; see `coffrify_webhooks.testing.deliver`."""

        def deliver_here(*arguments: Any, **options: Any) -> Any:
            with within(self._layers):
                return cast("Any", deliver)(*arguments, **options)

        return cast("Deliver", deliver_here)

    @property
    def deliver_async(self) -> DeliverAsync:
        """Deliver an event from async code; see `coffrify_webhooks.testing.deliver`."""

        async def deliver_here(*arguments: Any, **options: Any) -> Any:
            with within(self._layers):
                return await cast("Any", deliver_async)(*arguments, **options)

        return cast("DeliverAsync", deliver_here)

    @overload
    def make_event(
        self,
        event: type[E],
        *,
        id: str | None = None,
        at: When | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> E: ...
    @overload
    def make_event(
        self,
        event: str,
        *,
        id: str | None = None,
        at: When | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> Event: ...
    def make_event(self, event: Any, **options: Any) -> Any:
        """Return a valid event, of the kit's time; see `coffrify_webhooks.testing.make_event`."""
        with within(self._layers):
            return make_event(event, **options)

    def run_queued(self) -> list[Result[Event]]:
        """Run the handlers of what was queued, as an engine's worker does; return the results.

        An event whose handler raised stays queued, as an engine tries it again, until the attempts
        that the receiver's `retries` allow are spent: then its outcome is "dead".
        """
        with within(self._layers):
            return run_queued(self._isolation)

    def __repr__(self) -> str:
        return f"<Kit of {len(self.results)} deliveries>"


@contextmanager
def isolated(*receivers: Receiver) -> Generator[Kit]:
    """Give receivers a store in memory, a clock and a secret of their own, for tests.

    receivers: else every one of the process, made before or meanwhile, those of Django and Flask
    too. Those with a dispatcher hand over to `Kit.run_queued` instead of their engine; their
    handlers, observers and other settings are their own. Nothing is changed in them: what they
    had is there again at the end, and no file is made. Isolations nest; each thread and task may
    have its own.

    A context manager; in unittest `kit = self.enterContext(isolated())`.
    """
    for each in receivers:
        if not isinstance(each, Receiver):
            raise ConfigurationError(
                f"isolated() takes receivers, not a {type(each).__name__}; without any, every "
                "receiver of the process is isolated"
            )
    isolation = Isolation(receivers)
    with opened(isolation, apart=True) as layers:
        kit = Kit(isolation, layers)
        try:
            yield kit
        finally:
            kit._end()
