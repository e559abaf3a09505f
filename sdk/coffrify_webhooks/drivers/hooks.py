"""What a receiver lends to the drivers, so that they can perform the effects of the pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from coffrify_webhooks.dispatch import Message
    from coffrify_webhooks.observe import Observer
    from coffrify_webhooks.pipeline.effects import Notify
    from coffrify_webhooks.stores import Store

__all__ = ["Hooks"]

T = TypeVar("T")


class Hooks(Protocol):
    """The part of a receiver that the drivers use; frameworks override some of it."""

    @property
    def name(self) -> str: ...
    @property
    def clock(self) -> Callable[[], float]: ...
    @property
    def store(self) -> Store: ...
    @property
    def lease(self) -> float: ...
    def how_to_set(self, option: str, value: str) -> str: ...
    def listeners(self) -> Sequence[Observer]: ...
    def tell(self, tell: Notify, /) -> object: ...
    def load_secrets(self) -> Any: ...
    def hand_over(self, message: Message) -> object: ...
    def run_async(
        self, function: Callable[..., Awaitable[Any]], *arguments: Any, begin_within: float
    ) -> Any: ...
    async def in_thread(
        self,
        function: Callable[[T], T],
        argument: T,
        *,
        begin_within: float,
        on_abandoned: Callable[[T], object],
    ) -> T: ...
