"""Tools for testing the handlers of webhooks; nothing in here runs in production.

Names are imported when first used: pytest imports this package whether its fixture is used or not.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .case_names import Case
    from .check import check_handlers
    from .clock import Clock
    from .delivering import deliver, deliver_async
    from .event_maker import make_event
    from .kit import Kit, isolated
    from .report import Checked, Finding, Report
    from .result import Result
    from .signed_request import SignedRequest, make_delivery

__all__ = [
    "Case",
    "Checked",
    "Clock",
    "Finding",
    "Kit",
    "Report",
    "Result",
    "SignedRequest",
    "check_handlers",
    "deliver",
    "deliver_async",
    "isolated",
    "make_delivery",
    "make_event",
]

_HOMES = {
    "case_names": ("Case",),
    "check": ("check_handlers",),
    "clock": ("Clock",),
    "delivering": ("deliver", "deliver_async"),
    "event_maker": ("make_event",),
    "kit": ("Kit", "isolated"),
    "report": ("Checked", "Finding", "Report"),
    "result": ("Result",),
    "signed_request": ("SignedRequest", "make_delivery"),
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
