"""Names of attributes and metrics, and the few values that a label can have.

Those that begin with `messaging.` and `error.` are of the semantic conventions 1.36 and later for
messaging, whose names have not changed since; the rest is ours.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from coffrify_webhooks.event import UnknownEvent

if TYPE_CHECKING:
    from coffrify_webhooks.event import Event
    from coffrify_webhooks.observe import Notice

__all__ = ["OTHER", "SYSTEM", "error_of", "event_label", "processing"]

SYSTEM = "coffrify"
OTHER = "other"
"""The label of every type that is not in the catalog, or that no handler wants."""
_OTHER_ERROR = "_OTHER"
"""What the conventions have for an `error.type` that would be one too many."""
_MOST_NAMES, _LONGEST_NAME = 100, 100
_class_names: set[str] = set()
"""Of the exceptions that handlers have raised in this process."""
_OPT_IN = "OTEL_SEMCONV_STABILITY_OPT_IN"


def processing(receiver: str) -> dict[str, str]:
    """Return the attributes that the conventions have for the processing of a message."""
    found = {
        "messaging.system": SYSTEM,
        "messaging.destination.name": receiver,
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
    }
    if "messaging/dup" in {each.strip() for each in os.environ.get(_OPT_IN, "").split(",")}:
        found["messaging.operation"] = "process"  # its name up to version 1.26
    return found


def event_label(event: Event | None, outcome: str | None = None) -> str:
    """Return an event's type if it is one of those that there are in the catalog."""
    if event is None or isinstance(event, UnknownEvent) or outcome == "ignored":
        return OTHER
    return event.type


def _class_name(name: str) -> str:
    """Return a class's name: a program may make classes at run time, and name them anyhow."""
    if name not in _class_names:
        is_name = all(part.isidentifier() for part in name.replace(".<locals>", "").split("."))
        if not is_name or len(name) > _LONGEST_NAME or len(_class_names) >= _MOST_NAMES:
            return _OTHER_ERROR
        _class_names.add(name)
    return name


def error_of(notice: Notice) -> dict[str, str]:
    """Return `error.type`: a code of ours, or the name of the class that a handler raised."""
    if notice.error is None:
        return {"error.type": "dead"} if notice.phase == "failed" else {}
    cause = notice.error.__cause__
    if notice.kind == "handler" and cause is not None:
        return {"error.type": _class_name(type(cause).__qualname__)}
    return {"error.type": notice.error.code}
