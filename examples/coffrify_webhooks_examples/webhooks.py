"""What the example applications do when Coffrify calls; every one of them uses this module."""

from coffrify_webhooks import Delivery, Event, on
from coffrify_webhooks.events import TransferCreated, TransferScanInfected, TransferScanQuarantined

from .journal import note

__all__ = ["alarm", "announce", "audit", "count"]


@on("transfer.created")
def announce(event: TransferCreated) -> None:
    """Handle one type of event; editors complete `event.data.`."""
    note("announce", event, about=event.data.id)


@on(TransferScanInfected, TransferScanQuarantined)
def alarm(event: TransferScanInfected | TransferScanQuarantined, delivery: Delivery) -> None:
    """Handle several types, and look at the delivery too: when it was signed, by which secret."""
    note("alarm", event, about=f"signed at {delivery.timestamp}")


@on("transfer.*")
async def count(event: Event) -> None:
    """Handle a family, also its types of tomorrow; async works in every framework."""
    note("count", event)


@on("workspace.*", "api_key.*", "webhook.*", "scim.*", "saml.*")
def audit(event: Event) -> None:
    """Handle several families."""
    note("audit", event)
