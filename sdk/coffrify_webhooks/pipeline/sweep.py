"""Looking for events that an engine seems to have lost, and dispatching them again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coffrify_webhooks.errors import Busy, DispatchError, StoreUnavailable, WebhookError
from coffrify_webhooks.stores.record import Filter
from coffrify_webhooks.text import plain, quoted

from .effects import Notify, Steps
from .execute import replay
from .handle import call_store

if TYPE_CHECKING:
    from coffrify_webhooks.stores import Record, Status

    from .effects import Settings

__all__ = ["sweep"]

_STATUSES: tuple[Status, ...] = ("queued", "running", "claimed")
"""Claimed is what a web process or another sweep was handling when it died."""


def sweep(settings: Settings, limit: int) -> Steps[int]:
    """Dispatch again up to `limit` events that were not handled in time; return how many."""
    swept = 0
    if settings.dispatcher is None:
        return swept
    wanted = Filter(receiver=plain(settings.name), statuses=_STATUSES, idle=settings.lost_after)
    after: Record | None = None
    while found := (yield from call_store("find", wanted, after=after)):
        for lost in (each for each in found if _is_overdue(settings, each)):
            if swept >= limit:
                return swept
            swept += yield from _dispatch_again(settings, lost)
        after = found[-1]
    return swept


def _is_overdue(settings: Settings, record: Record) -> bool:
    """Tell whether an engine should have handled an event by now."""
    now = settings.clock()  # that of the store may differ; what is dispatched twice runs once
    patience = settings.lost_after + settings.retries.longest_wait(record.attempts)
    return record.lease_until <= now and record.touched_at + patience <= now


def _dispatch_again(settings: Settings, lost: Record) -> Steps[bool]:
    record: Record | None = yield from call_store("get", lost.key)
    if record is None or record.body is None:
        return False
    values = (quoted(record.type), quoted(record.id))
    try:
        yield from replay(settings, record)
    except Busy:
        return False  # its worker, or another sweep, has it
    except (DispatchError, StoreUnavailable):
        raise
    except WebhookError as error:  # the others must not wait for this one
        text = f"%s cannot be dispatched ({error.code}: %s)"
        yield Notify("swept", text, error=error, values=(values[1], error))
        return False
    yield Notify("swept", "%s %s was not handled in time; it was dispatched again", values=values)
    return True
