"""Verify, deduplicate and handle Coffrify webhooks.

Names are imported when first used: `import coffrify_webhooks` alone loads nothing, and `verify`
runs on the standard library.
"""

from ._version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .delivery import Delivery
    from .dispatch import Dispatcher, Message
    from .errors import (
        BodyTooLarge,
        BodyUnavailable,
        Busy,
        ClaimLost,
        ConfigurationError,
        DispatchError,
        HandlerError,
        IncompleteBody,
        MalformedSignature,
        MessageError,
        MethodNotAllowed,
        MissingSignature,
        NoHandlers,
        PayloadError,
        SecretsUnavailable,
        SignatureMismatch,
        StoreUnavailable,
        TimestampTooNew,
        TimestampTooOld,
        VerificationError,
        WebhookError,
    )
    from .event import Event, Issue, Issues, UnknownEvent
    from .http.reply import Outcome, Reply
    from .monitoring.health import Health
    from .observe import Notice, Observer
    from .parsing.parse import parse
    from .receiver import Receiver
    from .retries import Retries
    from .router import Router, on
    from .signature import Secret, Verifier, sign, verify
    from .stores import Claim, Store

__all__ = [
    "BodyTooLarge",
    "BodyUnavailable",
    "Busy",
    "Claim",
    "ClaimLost",
    "ConfigurationError",
    "Delivery",
    "DispatchError",
    "Dispatcher",
    "Event",
    "HandlerError",
    "Health",
    "IncompleteBody",
    "Issue",
    "Issues",
    "MalformedSignature",
    "Message",
    "MessageError",
    "MethodNotAllowed",
    "MissingSignature",
    "NoHandlers",
    "Notice",
    "Observer",
    "Outcome",
    "PayloadError",
    "Receiver",
    "Reply",
    "Retries",
    "Router",
    "Secret",
    "SecretsUnavailable",
    "SignatureMismatch",
    "Store",
    "StoreUnavailable",
    "TimestampTooNew",
    "TimestampTooOld",
    "UnknownEvent",
    "VerificationError",
    "Verifier",
    "WebhookError",
    "__version__",
    "on",
    "parse",
    "sign",
    "verify",
]

_HOMES = {
    "delivery": ("Delivery",),
    "dispatch": ("Dispatcher", "Message"),
    "event": ("Event", "Issue", "Issues", "UnknownEvent"),
    "monitoring.health": ("Health",),
    "observe": ("Notice", "Observer"),
    "parsing.parse": ("parse",),
    "receiver": ("Receiver",),
    "http.reply": ("Outcome", "Reply"),
    "retries": ("Retries",),
    "router": ("Router", "on"),
    "signature": ("Secret", "Verifier", "sign", "verify"),
    "stores": ("Claim", "Store"),
}
_MODULE_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module = import_module(f"{__name__}.{_MODULE_OF.get(name, 'errors')}")
    value = globals()[name] = getattr(module, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
