"""The request that a receiver refused last, as its store has kept it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coffrify_webhooks.cli.failure import Failed
from coffrify_webhooks.stores.refused import LARGEST_BODY, refused_in

from .recorded import Recorded, read_request

if TYPE_CHECKING:
    from coffrify_webhooks.receiver import Receiver

__all__ = ["last_refused"]


def last_refused(receiver: Receiver, number: int) -> Recorded:
    """Return the last refused request, or the one `number` - 1 before it.

    Raises Failed if it is not there, or if its body was too large to be kept.
    """
    found = refused_in(receiver.store, receiver.name)
    if len(found) < number:
        capture = receiver.how_to_set("capture", "20")
        off = "" if receiver.captures.most else f"; to keep them, set {capture}"
        kept = "1 refused request is" if len(found) == 1 else f"{len(found)} refused requests are"
        raise Failed(f"{kept} kept of the last day{off}")
    body = found[number - 1].body or b""
    if b'"body_base64"' not in body:
        raise Failed(
            f"its body has more than {LARGEST_BODY >> 10} KiB and was not kept; record the request "
            "otherwise, and name it: --request FILE"
        )
    return read_request(body)
