"""Nothing missed: compare what the sender delivered with what was handled here, and ask again."""

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
