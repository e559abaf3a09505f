"""A payload that does not fit its class, made into that class all the same.

What fits is typed; what does not is kept as received; a required field that is missing is None.
`event.issues` lists the first hundred such places, and counts the rest.

Each part of the payload is looked at once, as long as the steps last; what is left when they are
spent is kept as received. So the cost is a few times that of reading the JSON, for any class.
"""

from typing import Any, TypeVar, cast

from coffrify_webhooks.event import Event, Unlisted

from .compiler import plan_of
from .walk import Walk

__all__ = ["salvage"]

E = TypeVar("E", bound=Event)


def salvage(event_class: type[E], document: dict[str, Any]) -> E:
    """Return `document` as an `event_class`, valid or not."""
    walk = Walk()
    event = cast("E", plan_of(event_class).take(document, None, walk))
    if not walk.found:
        return event._attach(b"")
    return event._attach(b"", Unlisted(len(walk.found) + walk.more, walk.listed))
