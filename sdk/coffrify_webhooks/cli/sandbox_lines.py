"""The lines that a sandbox prints of its deliveries: what it sends, and what is answered."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from .answer import printable, read_answer

if TYPE_CHECKING:
    from collections.abc import Generator

    from coffrify_webhooks_sandbox.sender import Sent

__all__ = ["delivery_lines"]

_LOGGER = "coffrify_webhooks_sandbox.deliveries"


@contextmanager
def delivery_lines() -> Generator[None]:
    """Print a line for each delivery that is sent, and one for its answer."""
    log, handler = logging.getLogger(_LOGGER), _Lines()
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(logging.NOTSET)
        log.propagate = True


class _Lines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        """Print one record of the courier's."""
        sent: Sent | None = getattr(record, "sent", None)
        if sent is None:
            return
        if sent.answer is None:
            line = f"-> {sent.event_type} {sent.event_id} POST {sent.url}"
        elif sent.answer.status is None:
            line = f"<- {sent.answer.error} ({sent.event_id})"
        else:
            reply = read_answer(sent.answer.status, sent.answer.body)
            what = f" {reply}" if reply else ""
            took = f"{sent.answer.seconds * 1000:.0f} ms"
            line = f"<- {sent.answer.status}{what} {took} ({sent.event_id})"
        try:
            click.echo(printable(line))
        except OSError:  # nobody reads it any more; the sandbox goes on
            return
