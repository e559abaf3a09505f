"""An operation that takes several steps: told when it starts, and when it has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from coffrify_webhooks.observe import LEAVING

from .effects import Begin, End

if TYPE_CHECKING:
    from coffrify_webhooks.observe import Operation

    from .effects import Steps

__all__ = ["as_operation"]

T = TypeVar("T")


def as_operation(kind: Operation, work: Steps[T]) -> Steps[T]:
    """Do the work as one operation; an error of it comes through."""
    yield Begin(kind)
    try:
        result = yield from work
    except (Exception, *LEAVING) as error:
        yield End(error)
        raise
    yield End(None, result)
    return result
