"""One event on its way to an engine's worker, as plain JSON."""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from coffrify_webhooks.delivery import Delivery
from coffrify_webhooks.errors import MessageError
from coffrify_webhooks.http.trace_context import carried_context, valid_context

from .protocol import Message, Named

if TYPE_CHECKING:
    from coffrify_webhooks.stores import Record

__all__ = ["Unpacked", "facts", "finished_in", "handlers_in", "pack", "restore", "unpack"]

_VERSION = 1
"""The version of a message; a worker refuses one that it might not understand."""


class Unpacked(NamedTuple):
    """What a message holds."""

    key: str
    """Of the event in the store; made up for one without an id."""
    token: str
    delivery: Delivery
    handlers: tuple[str, ...]


def pack(  # what a message holds
    receiver: str,
    key: str,
    token: str,
    delivery: Delivery,
    received_at: float,
    handlers: Iterable[str] = (),
) -> Message:
    """Return the message for a verified delivery.

    handlers: the names of those that are known to want the event where it is handed over.
    """
    return {
        "version": _VERSION,
        "receiver": receiver,
        "claim": key,
        "token": token,
        "received_at": received_at,
        **facts(delivery),
        "handlers": list(handlers),
        "body": b64encode(delivery.body).decode(),
    }


def facts(delivery: Delivery) -> dict[str, Any]:
    """Return what was verified of a delivery, less the body, as plain JSON."""
    found: dict[str, Any] = {
        "id": delivery.id,
        "timestamp": delivery.timestamp,
        "scheme": delivery.scheme,
        "key": delivery.key,
        "encoding": delivery.encoding,
        "test": delivery.test,
    }
    if context := delivery.trace_context:
        found["trace_context"] = context
    return found


def restore(text: str, body: bytes) -> Delivery:
    """Return the delivery whose facts a store kept as JSON."""
    try:
        return _delivery(json.loads(text), body)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise MessageError("the stored record of this delivery is damaged") from None


def handlers_in(text: str) -> tuple[str, ...]:
    """Return the handlers that wanted the delivery whose facts a store kept as JSON."""
    try:
        return tuple(map(str, json.loads(text).get("handlers", ())))
    except (AttributeError, TypeError, ValueError):
        return ()


def finished_in(record: "Record") -> frozenset[str]:
    """Return the handlers that have finished an event; once it is done, all that wanted it.

    Stores drop the checkpoints then.
    """
    if record.status != "done":
        return record.finished
    return record.finished.union(handlers_in(record.delivery))


def _delivery(fields: Any, body: bytes) -> Delivery:
    delivery = Delivery(
        fields["id"],
        int(fields["timestamp"]),
        fields["scheme"],
        int(fields["key"]),
        str(fields["encoding"]),
        body,
        test=bool(fields["test"]),
    )
    # Neither is in every message, and no event is worth losing for one of them.
    delivery.trace_context = valid_context(carried_context(fields.get("trace_context")))
    delivery.dispatch_context = carried_context(fields.get("dispatch_context"))
    return delivery


def unpack(message: Any, receiver: Named) -> Unpacked:
    """Return what `pack` was given; raise MessageError for what it did not make."""
    fields = cast("dict[str, Any]", message) if isinstance(message, dict) else {}
    if fields.get("version") != _VERSION:
        raise MessageError(
            "the engine handed over something that is not a message of this version; "
            "run the web process and the worker from the same release"
        )
    if fields.get("receiver") != receiver.name:
        raise MessageError(
            f"the message is for another receiver than {receiver.name!r}; give the web process "
            f"and the worker the same name: {receiver.how_to_set('name', '...')}"
        )
    try:
        delivery = _delivery(fields, b64decode(fields["body"], validate=True))
        event_id, key, token = fields["id"], fields["claim"], fields["token"]
        handlers = tuple(map(str, fields["handlers"]))
    except (KeyError, TypeError, ValueError, OverflowError):
        raise MessageError("the engine's message is damaged") from None
    known = isinstance(token, str) and isinstance(key, str) and key
    if not known or not (event_id is None or isinstance(event_id, str)):
        raise MessageError("the engine's message is damaged")
    return Unpacked(key, token, delivery, handlers)
