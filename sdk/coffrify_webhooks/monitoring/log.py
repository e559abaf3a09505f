"""The observer that writes each notice to the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coffrify_webhooks.observe import TOLD_BEFORE, Facts, logger
from coffrify_webhooks.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from coffrify_webhooks.observe import Notice, Observer

__all__ = ["listeners_of", "log"]


def log(notice: Notice) -> None:
    """Write a notice to the `coffrify_webhooks` logger, its ids in `extra`."""
    if not logger.isEnabledFor(notice.level):
        return
    event, reply, error = notice.event, notice.reply, notice.error
    # The traceback of what was told before went out with that notice.
    told = notice.kind == "replied" and isinstance(error, TOLD_BEFORE)
    cause = error.__cause__ if error is not None and not told else None
    logger.log(
        notice.level,
        notice.template,
        *notice.values,
        exc_info=cause,
        extra={
            "webhook_kind": notice.kind,
            "webhook_receiver": notice.receiver,
            "webhook_event_id": plain(event.id) if event and isinstance(event.id, str) else None,
            "webhook_event_type": plain(event.type) if event else None,
            "webhook_handler": notice.handler,
            "webhook_outcome": reply.outcome if reply else None,
            "webhook_code": error.code if error else None,
        },
    )


def listeners_of(observers: Iterable[Observer]) -> tuple[Observer, ...]:
    """Return those that are told of operations: all but the log."""
    return tuple(each for each in observers if each is not log and not isinstance(each, Facts))
