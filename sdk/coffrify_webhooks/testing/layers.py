"""Settings that receivers have for a while: seen through descriptors, so that none is changed.

While a layer is open, `Receiver.store` and the like are data descriptors of the class. They show
what the layers of the context make of the receiver's own setting, which stays where it is. So a
layer holds for receivers made at import time, for those that a framework makes later, and for
frozen references to either; and when it ends there is nothing to put back.

A layer belongs to its context (`contextvars`), so that threads and tasks may each have their own.
What runs outside of any, such as the thread of a live server, sees the layer opened last.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

from coffrify_webhooks import options
from coffrify_webhooks.receiver import Receiver

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["SETTINGS", "Layer", "layers_here", "open_layer", "use_layers"]

SETTINGS = (
    "store",
    "clock",
    "verifier",
    "dispatcher",
    "router",
    "first_time",
    "key_use",
    "purge_schedule",
    "drifts",
    "_observers",
)


class Layer(Protocol):
    """What shows a receiver's settings as they are to be for a while."""

    def see(self, receiver: Receiver, setting: str, value: Any, /) -> Any:
        """Return what the receiver is to have instead of `value`, or `value`."""
        ...


_Layers = tuple[Layer, ...]
_here: ContextVar[_Layers] = ContextVar("coffrify_webhooks_layers", default=())
_lock = threading.Lock()
_open: dict[int, _Layers] = {}
"""By the identity of each open layer, the layers that it was opened on, and itself."""


class _Setting:
    """A setting of every receiver, as the layers show it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, receiver: Receiver | None, _owner: type[Receiver]) -> Any:
        if receiver is None:
            return self
        try:
            value = vars(receiver)[self._name]
        except KeyError:
            raise AttributeError(self._name) from None
        for layer in layers_here():
            value = layer.see(receiver, self._name, value)
        return value

    def __set__(self, receiver: Receiver, value: object) -> None:
        vars(receiver)[self._name] = value


def layers_here() -> _Layers:
    """Return the open layers of this context, outermost first; else those opened last."""
    return _own_layers() or next(reversed([*_open.values()]), ())


def _own_layers() -> _Layers:
    return tuple(layer for layer in _here.get() if id(layer) in _open)


@contextmanager
def use_layers(layers: _Layers) -> Generator[None]:
    """Be in the context of these layers, as in a thread that was not there when they opened."""
    before = _here.get()
    _here.set(layers)
    try:
        yield
    finally:
        # Not by a token: a fixture may end in another context than it began in.
        now = _here.get()
        _here.set(before if now is layers else tuple(each for each in now if id(each) in _open))


@contextmanager
def open_layer(layer: Layer, *, apart: bool = False) -> Generator[_Layers]:
    """Open a layer on those that are here; yields all of them.

    apart: not on those of another context, of which this one may know nothing.
    """
    layers = (*(_own_layers() if apart else layers_here()), layer)
    with _lock:
        if not _open:
            for name in SETTINGS:
                setattr(Receiver, name, _Setting(name))
            options.may_lack_secrets = True
        _open[id(layer)] = layers
    try:
        with use_layers(layers):
            yield layers
    finally:
        with _lock:
            del _open[id(layer)]
            if not _open:
                for name in SETTINGS:
                    delattr(Receiver, name)
                options.may_lack_secrets = False
