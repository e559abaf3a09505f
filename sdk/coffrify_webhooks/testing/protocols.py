"""What type checkers know of `deliver`: a class in, a result of that class out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, overload

from coffrify_webhooks.event import Event

if TYPE_CHECKING:
    from collections.abc import Mapping

    from coffrify_webhooks.signature.secret import SecretLike

    from .case_names import Single
    from .result import Result

__all__ = ["Deliver", "DeliverAsync"]

E = TypeVar("E", bound=Event)


class Deliver(Protocol):
    """Delivers an event and returns what became of it; see `deliver`."""

    @overload
    def __call__(
        self,
        target: object,
        event: type[E] | E,
        *,
        data: Mapping[str, Any] | None = None,
        id: str | None = None,
        case: Literal["concurrent"],
        path: str | None = None,
        secret: SecretLike | None = None,
    ) -> tuple[Result[E], Result[E]]: ...
    @overload
    def __call__(
        self,
        target: object,
        event: str,
        *,
        data: Mapping[str, Any] | None = None,
        id: str | None = None,
        case: Literal["concurrent"],
        path: str | None = None,
        secret: SecretLike | None = None,
    ) -> tuple[Result[Event], Result[Event]]: ...
    @overload
    def __call__(
        self,
        target: object,
        event: type[E] | E,
        *,
        data: Mapping[str, Any] | None = None,
        id: str | None = None,
        case: Single = "valid",
        path: str | None = None,
        secret: SecretLike | None = None,
    ) -> Result[E]: ...
    @overload
    def __call__(
        self,
        target: object,
        event: str,
        *,
        data: Mapping[str, Any] | None = None,
        id: str | None = None,
        case: Single = "valid",
        path: str | None = None,
        secret: SecretLike | None = None,
    ) -> Result[Event]: ...


class DeliverAsync(Protocol):
    """Delivers an event from async code; see `deliver`."""

    @overload
    async def __call__(
        self,
        target: object,
        event: type[E] | E,
        *,
        data: Mapping[str, Any] | None = None,
        id: str | None = None,
        case: Literal["concurrent"],
        path: str | None = None,
        secret: SecretLike | None = None,
    ) -> tuple[Result[E], Result[E]]: ...
    @overload
    async def __call__(
        self,
        target: object,
        event: str,
        *,
        data: Mapping[str, Any] | None = None,
        id: str | None = None,
        case: Literal["concurrent"],
        path: str | None = None,
        secret: SecretLike | None = None,
    ) -> tuple[Result[Event], Result[Event]]: ...
    @overload
    async def __call__(
        self,
        target: object,
        event: type[E] | E,
        *,
        data: Mapping[str, Any] | None = None,
        id: str | None = None,
        case: Single = "valid",
        path: str | None = None,
        secret: SecretLike | None = None,
    ) -> Result[E]: ...
    @overload
    async def __call__(
        self,
        target: object,
        event: str,
        *,
        data: Mapping[str, Any] | None = None,
        id: str | None = None,
        case: Single = "valid",
        path: str | None = None,
        secret: SecretLike | None = None,
    ) -> Result[Event]: ...
