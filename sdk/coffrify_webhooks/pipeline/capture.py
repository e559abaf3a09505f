"""Keeps a refused request in the store, for whoever asked for it: see `Receiver(capture=...)`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coffrify_webhooks.doctor.headers import pairs
from coffrify_webhooks.errors import StoreUnavailable
from coffrify_webhooks.stores.refused import KEPT_FOR, free_key, refused_of, request

from .handle import call_store

if TYPE_CHECKING:
    from typing import Any

    from coffrify_webhooks.signature.headers import Headers
    from coffrify_webhooks.stores import Record

    from .effects import Settings, Steps

__all__ = ["capture", "forget_old"]


def capture(settings: Settings, code: str, body: Any, headers: Headers, method: str) -> Steps[None]:
    """Store a request that was refused, in place of the oldest; a store may be unavailable."""
    name, most = settings.name, settings.captures.most
    try:
        found: list[Record] = yield from call_store("find", refused_of(name), most)
        kept = request(name, code, str(method), bytes(body), pairs(headers), settings.clock())
        key = free_key(found, name, most)
        yield from call_store("forget", key)
        yield from call_store("conflict", key, kept.digest, kept.about, kept.body)
    except StoreUnavailable:
        settings.captures.rest()


def forget_old(settings: Settings) -> Steps[None]:
    """Drop the refused requests that are a day old."""
    old = refused_of(settings.name)._replace(idle=KEPT_FOR)
    try:
        found: list[Record] = yield from call_store("find", old, settings.captures.most)
        for each in found:
            yield from call_store("forget", each.key)
    except StoreUnavailable:  # readers do not show them, and the next delivery tries again
        return
