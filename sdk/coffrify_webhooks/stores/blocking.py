"""An async store for sync code: each call is awaited on an event loop of ours.

So everything that is sync works with it too: `receive`, renewals of leases, commands. The async
driver awaits the store itself.
"""

from collections.abc import Callable
from inspect import iscoroutinefunction
from typing import Any, cast

from coffrify_webhooks.concurrency.loop_thread import LoopThread
from coffrify_webhooks.errors import ConfigurationError, StoreUnavailable

from .driver_frames import unframed
from .protocol import AsyncStore, OrderedStore, Store

__all__ = ["ALSO", "METHODS", "async_form", "blocking_form", "is_async"]


def _methods(protocol: type[Any]) -> tuple[str, ...]:
    found = vars(protocol).items()
    return tuple(name for name, value in found if callable(value) and not name.startswith("_"))


METHODS: tuple[str, ...] = _methods(Store)
ALSO: tuple[str, ...] = _methods(OrderedStore)
"""Those that not every store has."""
_loop = LoopThread("store")


class _BlockingStore:
    """A `Store`: its methods are made below."""

    def __init__(self, store: AsyncStore) -> None:
        self.awaited: AsyncStore = store
        self.place: object = getattr(store, "place", store)
        """See `place_of`."""

    def __repr__(self) -> str:
        return repr(self.awaited)


def _blocking(name: str) -> Callable[..., Any]:
    def call(self: _BlockingStore, *arguments: Any, **options: Any) -> Any:
        try:
            return _loop.run(getattr(self.awaited, name), *arguments, **options)
        except (RuntimeError, MemoryError, OSError) as error:
            raise StoreUnavailable(
                f"the async store could not be called ({type(error).__name__})"
            ) from unframed(error)

    call.__name__ = name
    call.__doc__ = f"See `Store.{name}`."
    return call


for _name in (*METHODS, *ALSO):
    setattr(_BlockingStore, _name, _blocking(_name))


def blocking_form(store: AsyncStore) -> Store:
    """Return a store for sync code that an event loop of ours awaits."""
    return cast("Store", _BlockingStore(store))


def async_form(store: object) -> AsyncStore | None:
    """Return the async store behind a blocking one; None if it is sync by nature."""
    return store.awaited if isinstance(store, _BlockingStore) else None


def is_async(store: object) -> bool:
    """Tell whether the methods of a store are to be awaited.

    Raises ConfigurationError if that is so for some only.
    """
    names = (*METHODS, *(name for name in ALSO if hasattr(store, name)))
    kinds = {name: iscoroutinefunction(getattr(store, name, None)) for name in names}
    if any(kinds.values()) and not all(kinds.values()):
        plain = next(name for name in names if not kinds[name])
        raise ConfigurationError(
            f"{type(store).__name__} mixes sync and async: {plain} is not an `async def`, and "
            "others are; all methods of an AsyncStore must be async"
        )
    return all(kinds.values())
