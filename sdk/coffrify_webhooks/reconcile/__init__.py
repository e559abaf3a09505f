"""Nothing missed: compare what the sender delivered with what was handled here, and ask again."""

from .coffrify import CoffrifyHistory
from .history import DeliveryRecord, History, HistoryError
from .run import Report, reconcile

__all__ = [
    "CoffrifyHistory",
    "DeliveryRecord",
    "History",
    "HistoryError",
    "Report",
    "reconcile",
]
