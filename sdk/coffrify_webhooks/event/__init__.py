"""What every event is, typed or unknown; `coffrify_webhooks.events` has a module for each type."""

from .base import (
    Date,
    Event,
    EventModel,
    Issue,
    Issues,
    LooseModel,
    Timestamp,
    UnknownEvent,
    Uuid,
    count_issues,
)
from .issues import Unlisted

__all__ = [
    "Date",
    "Event",
    "EventModel",
    "Issue",
    "Issues",
    "LooseModel",
    "Timestamp",
    "UnknownEvent",
    "Unlisted",
    "Uuid",
    "count_issues",
]
