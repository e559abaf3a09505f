"""The protocols between a receiver, a dispatcher and a worker."""

from collections.abc import Sized
from types import GenericAlias
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from coffrify_webhooks.errors import ConfigurationError

__all__ = ["Dispatcher", "Executor", "Message", "refuse_worker"]

if TYPE_CHECKING:
    Message: TypeAlias = dict[str, Any]
    """What an engine carries: plain JSON, made by the receiver and given back to `execute`."""
else:

    class _Alias(GenericAlias): ...

    Message = _Alias(dict, (str, Any))
    Message.__doc__ = """\
    What an engine carries: plain JSON, made by the receiver and given back to `execute`.

    To everybody else it is a `dict[str, Any]` whose content is the receiver's business.
    """


@runtime_checkable
class Dispatcher(Protocol):
    """Hands events to an engine."""

    def dispatch(self, message: Message) -> None:
        """Return once the engine durably has the message; raise otherwise.

        Must return well within the 15 s after which the sender gives up. If a dispatcher also has a
        method `attach(receiver)`, it is called once, when its Receiver is created: to check the
        settings, or to know whose `execute` the worker must call.
        """
        ...


class Named(Protocol):
    """A receiver's name, and how an option of it is set."""

    @property
    def name(self) -> str: ...
    def how_to_set(self, option: str, value: str) -> str: ...


class Executor(Named, Protocol):
    """What an engine needs of a receiver."""

    @property
    def router(self) -> Sized: ...
    @property
    def store(self) -> object: ...
    @property
    def lease(self) -> float: ...
    @property
    def handlers_hint(self) -> str: ...
    def execute(self, message: Any) -> object: ...
    def sweep(self) -> object: ...


def refuse_worker(receiver: Executor) -> None:
    """Raise ConfigurationError for a receiver with which no worker of an engine can do its work."""
    if not len(receiver.router):
        raise ConfigurationError(f"no handler is registered; {receiver.handlers_hint}")
    from coffrify_webhooks.stores.memory import MemoryStore  # only in a worker

    if isinstance(receiver.store, MemoryStore):
        raise ConfigurationError(
            "a store in memory is visible only to its own process; the worker and the web process "
            f"must share a store: {receiver.how_to_set('store', '...')}"
        )
