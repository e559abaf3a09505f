"""What a test holds: isolated receivers, and what was seen of them."""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.receiver import Receiver

from .delivering import deliver, deliver_async
from .event_maker import make_event
from .isolation import Isolation
from .layers import open_layer, use_layers
from .queued import run_queued

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractContextManager
    from types import TracebackType

    from coffrify_webhooks.event import Event
    from coffrify_webhooks.events._overloads import EventMaker
    from coffrify_webhooks.observe import Notice

    from .clock import Clock
    from .layers import Layer
    from .protocols import Deliver, DeliverAsync
    from .result import Result

__all__ = ["Kit", "isolated"]

__tracebackhide__: bool = True
"""pytest shows the line of the test, not ours."""

F = TypeVar("F", bound="Callable[..., Any]")


class Kit:
    """Delivers to isolated receivers, and records what they did; `isolated` makes one."""

    def __init__(self, isolation: Isolation, layers: tuple[Layer, ...]) -> None:
        self._isolation = isolation
        self._open_layers: tuple[Layer, ...] | None = layers

    @property
    def _layers(self) -> tuple[Layer, ...]:
        if self._open_layers is None:  # the receivers have their own stores again
            raise ConfigurationError(
                "the isolation of this kit has ended: deliver inside its `with` block; a fixture "
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
        """All that the receivers told their observers, in order."""
        return self._isolation.notices

    @property
    def events(self) -> list[Event]:
        """The events that were handled, in order, as the handlers received them."""
        return self._isolation.events

    @property
    def results(self) -> list[Result[Any]]:
        """The result of each delivery, and of each event that `run_queued` ran, in order."""
        return self._isolation.results

    @property
    def deliver(self) -> Deliver:
        """Deliver an event; see `coffrify_webhooks.testing.deliver`."""

        def deliver_here(*arguments: Any, **options: Any) -> Any:
            with use_layers(self._layers):
                return cast("Any", deliver)(*arguments, **options)

        return cast("Deliver", deliver_here)

    @property
    def deliver_async(self) -> DeliverAsync:
        """Deliver an event from async code; see `coffrify_webhooks.testing.deliver`."""

        async def deliver_here(*arguments: Any, **options: Any) -> Any:
            with use_layers(self._layers):
                return await cast("Any", deliver_async)(*arguments, **options)

        return cast("DeliverAsync", deliver_here)

    @property
    def make_event(self) -> EventMaker:
        """Return a valid event, of the kit's time; see `coffrify_webhooks.testing.make_event`."""

        def make_here(event: Any, **options: Any) -> Any:
            with use_layers(self._layers):
                return cast("Any", make_event)(event, **options)

        return cast("EventMaker", make_here)

    def run_queued(self) -> list[Result[Event]]:
        """Run the handlers of what was queued, as an engine's worker does; return the results.

        An event whose handler raised stays queued, as an engine tries it again, until the attempts
        that the receiver's `retries` allow are spent: then its outcome is "dead".
        """
        with use_layers(self._layers):
            return run_queued(self._isolation)

    def __repr__(self) -> str:
        return f"<Kit of {len(self.results)} deliveries>"


def isolated(*receivers: Receiver) -> IsolatedKit:
    """Give receivers a store in memory, a clock and a secret of their own, for tests.

    receivers: by default every one of the process, created before or meanwhile, those of Django and
    Flask too. Those with a dispatcher hand over to `Kit.run_queued` instead of their engine; they
    keep their handlers, observers and other settings. Nothing is changed in them: everything is as
    before at the end, and no file is created. Isolations nest; each thread and task may have its
    own.

    A context manager, for `with` and `async with`, and a decorator; in unittest
    `kit = self.enterContext(isolated())`. Raises ConfigurationError for anything that is not a
    Receiver.
    """
    for each in receivers:
        if not isinstance(each, Receiver):
            raise ConfigurationError(
                f"isolated() takes receivers, not a {type(each).__name__}; without any, every "
                "receiver of the process is isolated, an application's too: isolated()"
            )
    return IsolatedKit(receivers)


class IsolatedKit:
    """What `isolated` returns: entered, it gives the kit."""

    def __init__(self, receivers: tuple[Receiver, ...]) -> None:
        self._receivers = receivers
        self._entered: list[AbstractContextManager[Kit]] = []

    def __enter__(self) -> Kit:
        """Isolate the receivers until it is left."""
        entered = _kit_of(self._receivers)
        kit = entered.__enter__()
        self._entered.append(entered)
        return kit

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Put back what was there before."""
        self._entered.pop().__exit__(kind, error, trace)

    async def __aenter__(self) -> Kit:
        """Do the same: nothing in it waits."""
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Do the same."""
        self.__exit__(kind, error, trace)

    def __call__(self, function: F) -> F:
        """Decorate a function, sync or async: each call is isolated on its own."""
        call = cast("Callable[..., Any]", function)

        @wraps(call)
        def isolate(*args: Any, **kwargs: Any) -> Any:
            with _kit_of(self._receivers):
                return call(*args, **kwargs)

        @wraps(call)
        async def isolate_async(*args: Any, **kwargs: Any) -> Any:
            with _kit_of(self._receivers):
                return await call(*args, **kwargs)

        return cast("F", isolate_async if inspect.iscoroutinefunction(function) else isolate)


@contextmanager
def _kit_of(receivers: tuple[Receiver, ...]) -> Generator[Kit]:
    isolation = Isolation(receivers)
    with open_layer(isolation, apart=True) as layers:
        kit = Kit(isolation, layers)
        try:
            yield kit
        finally:
            kit._end()
