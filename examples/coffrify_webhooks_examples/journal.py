"""Where the example handlers note that they ran; yours send a mail or update a row instead."""

import logging
import os

from coffrify_webhooks import Event

__all__ = ["VARIABLE", "note"]

VARIABLE = "COFFRIFY_EXAMPLES_JOURNAL"
"""Names a file that gets one line per run: the event's id and the handler."""

logger = logging.getLogger(__name__)


def note(handler: str, event: Event, about: str = "") -> None:
    """Write down that a handler ran."""
    logger.info("%s ran for %r %r %r", handler, event.type, event.id, about)
    path = os.environ.get(VARIABLE)
    if path:
        # One write in append mode, so that lines of several processes do not mix.
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(file, f"{event.id} {handler}\n".encode())
        finally:
            os.close(file)
