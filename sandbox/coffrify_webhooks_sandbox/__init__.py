"""Coffrify's sending side on your own machine: signed deliveries, retries, dead letters, replay.

with Sandbox() as sandbox:
    endpoint = sandbox.create_endpoint("http://127.0.0.1:8000/webhooks/coffrify")
    sandbox.trigger("transfer.created")
    sandbox.run_out()
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .errors import SandboxError
    from .records import Attempt, Delivery, Endpoint, Event
    from .sandbox import Sandbox

__all__ = ["Attempt", "Delivery", "Endpoint", "Event", "Sandbox", "SandboxError"]

_HOMES = {"Sandbox": "sandbox", "SandboxError": "errors"}


def __getattr__(name: str) -> object:
    """Import names on first use: pytest imports this package even if its fixture is not used."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOMES.get(name, 'records')}", __name__), name)
