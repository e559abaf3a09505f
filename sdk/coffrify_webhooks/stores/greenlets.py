"""Sync text that awaits: it runs in a greenlet, and gives way to the event loop while it waits.

As SQLAlchemy does it for its async engines.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

__all__ = ["in_greenlet", "wait_for"]

T = TypeVar("T")


async def in_greenlet(function: Callable[..., T], *arguments: Any, **options: Any) -> T:
    """Call a sync function, within which `wait_for` may be called."""
    from greenlet import getcurrent, greenlet  # only async users have it

    here: Any = greenlet(function)
    here.gr_context = getcurrent().gr_context
    result: Any = here.switch(*arguments, **options)
    while not here.dead:
        try:
            value: Any = await result
        except BaseException as error:  # it is the function's to handle
            result = here.throw(type(error), error, error.__traceback__)
        else:
            result = here.switch(value)
    return cast("T", result)


def wait_for(awaitable: Awaitable[Any]) -> Any:
    """Await something from within `in_greenlet`, and return its result."""
    from greenlet import getcurrent

    parent = getcurrent().parent
    if parent is None:
        raise RuntimeError("not within in_greenlet")
    return parent.switch(awaitable)
