"""Who has already handled what: the protocol of a store, and how a URL becomes one."""

from .open import DEFAULT_FILE, STORE_VARIABLE, default_store, open_store, place_of
from .protocol import AsyncAtomicStore, AsyncStore, AtomicStore, Claim, ClaimStatus, Store
from .record import About, Filter, Record, Status

__all__ = [
    "DEFAULT_FILE",
    "STORE_VARIABLE",
    "About",
    "AsyncAtomicStore",
    "AsyncStore",
    "AtomicStore",
    "Claim",
    "ClaimStatus",
    "Filter",
    "Record",
    "Status",
    "Store",
    "default_store",
    "open_store",
    "place_of",
]
