"""What is given as a target and is none: the sentence that says what to give instead."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, get_type_hints

from coffrify_webhooks.event import Event
from coffrify_webhooks.handlers.annotation import signature_of
from coffrify_webhooks.http.url_path import DEFAULT_PATH
from coffrify_webhooks.router import known_routers

if TYPE_CHECKING:
    from typing import Any

__all__ = ["is_event", "is_handler", "no_target", "no_url"]

_TAKES = (
    "a Receiver; an application of Flask, Django, Starlette, FastAPI or any other of WSGI or ASGI; "
    "their test clients; an httpx client; a URL"
)


def is_event(value: object) -> bool:
    """Tell an event, or a class of events, which is no target."""
    return isinstance(value, Event) or (isinstance(value, type) and issubclass(value, Event))


def is_handler(target: object) -> bool:
    """Tell a function that takes an event; one of two parameters looks like WSGI's."""
    if not inspect.isroutine(target):
        return False
    if any(each.fn is target for router in known_routers() for each in router.handlers):
        return True
    try:
        hints = get_type_hints(target)
        first = next(iter(signature_of(target).parameters), "")
    except Exception:  # annotations that name nothing here
        return False
    return is_event(hints.get(first))


def no_target(target: Any) -> str:
    """Say what to give instead of an object that nothing can be sent to."""
    kind = type(target).__name__
    if inspect.isroutine(target):
        name = getattr(target, "__name__", kind)
        return (
            f"deliver() cannot send to the function {name}; it takes the application, or a "
            f"Receiver, that has it as a handler. To run it alone, call it: "
            f'{name}(make_event("transfer.created"))'
        )
    if isinstance(target, type):
        return f"deliver() cannot send to the class {target.__name__}; give an instance of it"
    if kind.endswith("Transport"):
        return (
            f"deliver() cannot send to a {kind}; give the application itself, or a client that has "
            'the transport: httpx.AsyncClient(transport=..., base_url="http://test")'
        )
    return f"deliver() cannot send to a {kind}; it takes {_TAKES}"


def no_url(text: str) -> str:
    """Say what to give instead of a text that is no URL."""
    usual = f"a text is taken for a URL, such as 'http://127.0.0.1:8000{DEFAULT_PATH}'"
    module, colon, name = text.partition(":")
    if colon and name.isidentifier() and module.replace(".", "").isidentifier():
        return f"{usual}; give the application itself: from {module} import {name}"
    return usual
