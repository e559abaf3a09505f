"""Reconcile missed events: compare deliveries with what was handled, and request the rest."""

from .coffrify import CoffrifyHistory
from .history import DeliveryRecord, History, HistoryError
from .run import Report, reconcile
from .schedule import reconcile_every

__all__ = [
    "CoffrifyHistory",
    "DeliveryRecord",
    "History",
    "HistoryError",
    "Report",
    "reconcile",
    "reconcile_every",
]
