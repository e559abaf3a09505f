"""Notices of what was just done; the address of a page carries a code for one, never its text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["notice"]

_NOTICES = {
    "created": "The endpoint was created. Copy its secret now.",
    "deleted": "The endpoint was deleted. Its pending deliveries are cancelled.",
    "disabled": "The endpoint is disabled. Due deliveries wait until it is enabled.",
    "enabled": "The endpoint is enabled.",
    "misbehaved": "An event is being sent as a faulty sender would send it.",
    "passing": "Time is still advancing: a receiver has not answered yet.",
    "replayed": "Replayed: this new delivery sends the same event again.",
    "retried": "The delivery is queued again, with all its attempts.",
    "rotated": "The secret was rotated. Copy the new one now.",
    "saved": "The changes were saved.",
    "skipped": "Time was advanced. Due deliveries are being sent.",
    "tested": "A test event is being sent.",
}
_COUNTED = {
    "replayed_all": "Replayed dead letters: {count}.",
    "replayed_some": "Replayed deliveries: {count}. Disabled and deleted endpoints are left out.",
    "triggered": "Triggered events: {count}.",
    "unheard": "Triggered events: {count}. No active endpoint subscribes to them.",
}
_MOST_DIGITS = 6


def notice(query: Mapping[str, str]) -> str:
    """Return the notice that the query of an address asks for; "" for none."""
    done, count = query.get("done", ""), query.get("count", "")
    if done in _COUNTED and count.isascii() and count.isdecimal() and len(count) <= _MOST_DIGITS:
        return _COUNTED[done].format(count=count)
    return _NOTICES.get(done, "")
