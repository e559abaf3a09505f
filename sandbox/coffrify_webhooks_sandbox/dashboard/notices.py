"""What a page tells about what was just done; the address carries a word, never a text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["notice"]

_NOTICES = {
    "created": "The endpoint was created. Copy its secret now.",
    "deleted": "The endpoint was deleted. What was on its way to it is cancelled.",
    "disabled": "The endpoint is disabled. What is due waits until it is enabled.",
    "enabled": "The endpoint is enabled.",
    "passing": "Time is still passing: it waits for a receiver's answer.",
    "replayed": "Replayed: the same event is on its way again, by this new delivery.",
    "retried": "Put back into the queue, with all its attempts.",
    "rotated": "The secret was rotated. Copy the new one now.",
    "saved": "Saved.",
    "skipped": "Time has passed. What became due is being sent.",
    "tested": "A test event is on its way.",
}
_COUNTED = {
    "replayed_all": "Dead letters replayed: {count}.",
    "triggered": "Events triggered: {count}.",
    "unheard": "Events triggered: {count}. No active endpoint subscribes to them.",
}
_MOST_DIGITS = 6


def notice(query: Mapping[str, str]) -> str:
    """Return what to tell, by the words of an address; "" for nothing."""
    done, count = query.get("done", ""), query.get("count", "")
    if done in _COUNTED and count.isascii() and count.isdecimal() and len(count) <= _MOST_DIGITS:
        return _COUNTED[done].format(count=count)
    return _NOTICES.get(done, "")
