"""Collects what lists of deliveries show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coffrify_webhooks_sandbox.database import Database, DeliverySummary
    from coffrify_webhooks_sandbox.records import Delivery, Endpoint

__all__ = ["PAGE", "Line", "lines"]

PAGE = 50
"""The number of deliveries on one page."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a list of deliveries."""

    delivery: Delivery
    summary: DeliverySummary
    endpoint: Endpoint | None
    """None once it is deleted."""
    replay: Delivery | None
    """Its latest replay."""

    @property
    def can_replay(self) -> bool:
        """Whether its endpoint exists and is active."""
        return self.endpoint is not None and self.endpoint.is_active


def lines(database: Database, deliveries: Sequence[Delivery]) -> list[Line]:
    """Return the lines of a list of deliveries."""
    summaries = database.summaries(deliveries)
    replays = database.replays(deliveries)
    endpoints = {endpoint.id: endpoint for endpoint in database.endpoints()}
    return [
        Line(each, summaries[each.id], endpoints.get(each.endpoint_id), replays.get(each.id))
        for each in deliveries
    ]
