"""How the steps of a delivery have ended."""

from typing import Any, Generic, TypeVar, cast

__all__ = ["End"]

T = TypeVar("T")


class End(Generic[T]):
    """Where the steps have ended, and how."""

    __slots__ = ("_error", "_value")

    def __init__(self, value: Any, error: BaseException | None = None) -> None:
        self._value = value
        self._error = error

    def value(self) -> T:
        """Return what the steps returned, or raise what they raised."""
        if self._error is None:
            return cast("T", self._value)
        try:
            raise self._error
        finally:
            self._error = None  # no cycle of a traceback, its frame and the error
