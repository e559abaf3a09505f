"""What a sender can tell of its own deliveries, and be asked for."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol, runtime_checkable

from coffrify_webhooks.errors import WebhookError

__all__ = ["DeliveryRecord", "History", "HistoryError"]


class HistoryError(WebhookError):
    """The sender's history cannot be read, or a delivery cannot be asked for."""

    status = 503
    code = "history_unavailable"


class DeliveryRecord(NamedTuple):
    """One delivery, as the sender knows it: an event on its way to one endpoint."""

    id: str
    """What `History.redeliver` takes."""
    event_id: str
    """The `webhook-id`, by which the store knows the event."""
    event_type: str
    is_pending: bool
    """Whether the sender will still try by itself."""
    created_at: float
    """Seconds since 1970."""
    is_test: bool = False


@runtime_checkable
class History(Protocol):
    """The sender's side of a reconciliation. Both methods raise `HistoryError`."""

    def deliveries(self, since: float) -> Iterator[DeliveryRecord]:
        """Yield the deliveries that were made since a time, in any order; some may come twice.

        since: seconds since 1970.
        """
        ...

    def redeliver(self, delivery_id: str) -> None:
        """Ask for one more attempt. That it arrives is seen in the store, not here."""
        ...
