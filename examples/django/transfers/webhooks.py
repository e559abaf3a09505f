"""Handlers; this module is found by its name."""

from datetime import UTC, datetime

from coffrify_webhooks import Delivery, Event, on

from .models import Entry


@on("transfer.*", atomic=True)
def record(event: Event, delivery: Delivery) -> None:
    """Write one row; it is committed together with the note that the event was handled."""
    Entry.objects.create(
        event_id=event.id or f"{delivery.timestamp}-{event.data.id}",
        signed_at=datetime.fromtimestamp(delivery.timestamp, UTC),
        transfer=event.data.id,
        what=event.type,
    )
