"""Stores record which events are handled: their protocol, and how a URL becomes a store.

Names are imported when first used: a command's help needs a few of them, and no database.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .open import default_store, open_store, place_of
    from .protocol import (
        AsyncAtomicStore,
        AsyncOrderedStore,
        AsyncStore,
        AtomicStore,
        Claim,
        ClaimStatus,
        Lock,
        Move,
        OrderedStore,
        Store,
    )
    from .record import About, Filter, Record, Status
    from .url import DEFAULT_FILE, STORE_VARIABLE

__all__ = [
    "DEFAULT_FILE",
    "STORE_VARIABLE",
    "About",
    "AsyncAtomicStore",
    "AsyncOrderedStore",
    "AsyncStore",
    "AtomicStore",
    "Claim",
    "ClaimStatus",
    "Filter",
    "Lock",
    "Move",
    "OrderedStore",
    "Record",
    "Status",
    "Store",
    "default_store",
    "open_store",
    "place_of",
]

_HOMES = {
    "open": ("default_store", "open_store", "place_of"),
    "protocol": (
        *("AsyncAtomicStore", "AsyncOrderedStore", "AsyncStore", "AtomicStore", "Claim"),
        *("ClaimStatus", "Lock", "Move", "OrderedStore", "Store"),
    ),
    "record": ("About", "Filter", "Record", "Status"),
    "url": ("DEFAULT_FILE", "STORE_VARIABLE"),
}
_MODULE_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
