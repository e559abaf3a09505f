"""Why a request is refused: `diagnose` searches for the change that would make it verify."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .diagnosis import Cause, Diagnosis
    from .examine import diagnose

__all__ = ["Cause", "Diagnosis", "diagnose"]

_MODULE_OF = {"Cause": "diagnosis", "Diagnosis": "diagnosis", "diagnose": "examine"}


def __getattr__(name: str) -> object:
    # The log of a refusal needs `hints` alone, and not the search.
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
