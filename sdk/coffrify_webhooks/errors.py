"""Every error of this package, each with the HTTP status and the code its reply carries.

The text of an error may be sent to whoever made the request and may be logged, so none of them
ever holds a secret, a payload or another exception's text.
"""

__all__ = [
    "BodyTooLarge",
    "BodyUnavailable",
    "Busy",
    "ClaimLost",
    "CompressedBody",
    "ConfigurationError",
    "DispatchError",
    "HandlerError",
    "IncompleteBody",
    "MalformedSignature",
    "MessageError",
    "MethodNotAllowed",
    "MissingSignature",
    "NoHandlers",
    "NotBegun",
    "NotReplayable",
    "PayloadError",
    "SecretsUnavailable",
    "SignatureMismatch",
    "StoreUnavailable",
    "TimestampTooNew",
    "TimestampTooOld",
    "VerificationError",
    "WebhookError",
    "shown",
]


def shown(value: object) -> str:
    """Return an option's value for an error's text, unless it could be a secret put there."""
    if value is None or isinstance(value, (bool, int, float)):
        return repr(value)
    if not isinstance(value, str):
        return f"<{type(value).__name__}>"
    secretive = "whsec_" in value or value.startswith(("cof_", "cfy_"))
    is_name = value.islower() and any(mark in value for mark in "._/")
    if not secretive and (len(value) < _SHORT or (is_name and not any(map(str.isdigit, value)))):
        return repr(value)
    return f"<a text of {len(value)} characters>"


def is_shown(value: object) -> bool:
    """Tell whether `shown` repeats a value, so that what caused its error may repeat it too."""
    return shown(value) == repr(value)


_SHORT = 16


class WebhookError(Exception):
    """The base of every error here; `status` and `code` are what a reply says of it."""

    status = 500
    code = "error"
    outcome = "failed"
    """The `Reply.outcome` it leads to."""
    retry_after: float = 10.0
    """Seconds after which an engine's worker should try again; see `Receiver.execute`."""


class ConfigurationError(WebhookError):
    """A mistake in how this package is set up; the text names the fix."""

    code = "configuration"
    outcome = "misconfigured"


# --- what a stranger sent ---------------------------------------------------------------------


class VerificationError(WebhookError):
    """The delivery cannot be believed."""

    status = 400
    code = "verification_failed"
    outcome = "rejected"
    reason = ""
    """What else the request shows, in a receiver's log; no reply tells it."""


class MissingSignature(VerificationError):
    """No signature header, or not all that a scheme needs."""

    code = "missing_signature"


class MalformedSignature(VerificationError):
    """A signature header that no sender of ours would write."""

    code = "malformed_signature"


class SignatureMismatch(VerificationError):
    """Well formed, but made with another secret, or for another body."""

    code = "signature_mismatch"


class CompressedBody(VerificationError):
    """The body was compressed on its way, so it is not what was signed, or not JSON."""

    code = "compressed_body"

    @classmethod
    def by(cls, encoding: str) -> "CompressedBody":
        """Return the error for a body of this `Content-Encoding`."""
        return cls(
            f"the body came compressed ({encoding!a}), and the sender signs plain JSON; switch off "
            "the compression of requests where it was added: in a proxy, a CDN, an API gateway or "
            "the tool that sent it"
        )


class TimestampTooOld(VerificationError):
    """Signed longer ago than the tolerance allows: a replayed request, or a clock that is off."""

    code = "timestamp_too_old"


class TimestampTooNew(VerificationError):
    """Signed further in the future than the tolerance allows: a clock is off."""

    code = "timestamp_too_new"


class MethodNotAllowed(WebhookError):
    """Webhooks are POSTed; anything else is refused."""

    status = 405
    code = "method_not_allowed"
    outcome = "rejected"


class BodyTooLarge(WebhookError):
    """The body is over the cap, so it was not even hashed."""

    status = 413
    code = "body_too_large"
    outcome = "rejected"

    @classmethod
    def over(cls, limit: int) -> "BodyTooLarge":
        """Return the error for a body over our own cap."""
        return cls(f"the body is over {limit} bytes; the option max_body sets the cap")


class IncompleteBody(WebhookError):
    """The body could not be read to its end: it stopped arriving, or was framed wrongly."""

    status = 400
    code = "incomplete_body"
    outcome = "rejected"


class PayloadError(WebhookError):
    """The body is not a JSON object with a string `type`; in strict mode, not of its schema."""

    status = 422
    code = "unreadable_payload"
    outcome = "unreadable"


# --- what is wrong on our side ----------------------------------------------------------------


class BodyUnavailable(WebhookError):
    """Something in the application consumed or changed the body before us."""

    code = "body_unavailable"
    outcome = "misconfigured"


class HandlerError(WebhookError):
    """A handler raised; the original is its `__cause__` and in the log, never in the reply."""

    code = "handler_failed"
    outcome = "failed"
    reason = ""
    """Which handler raised what, and where; kept in the store."""
    put_off: bool = False
    """Whether another handler of the event waits for its turn, so that this cannot be the end."""


class Busy(WebhookError):
    """The same event is being handled right now, or another one of the same object in order."""

    status = 503
    code = "busy"
    outcome = "busy"


class ClaimLost(Busy):
    """Our claim on the event ended while we were handling it; whoever took it settles it."""

    code = "claim_lost"


class NoHandlers(WebhookError):
    """No handler at all is registered, or none of those that should: a module was not imported."""

    status = 503
    code = "no_handlers"
    outcome = "unavailable"
    reason = ""
    """Which handlers are missing; kept in the store."""


class NotReplayable(WebhookError):
    """The store does not have what it would take to handle an event again."""

    code = "not_replayable"


class NotBegun(WebhookError):
    """No thread and no event loop took the work in time; it never begins, so try again."""

    status = 503
    code = "overloaded"
    outcome = "unavailable"


class SecretsUnavailable(WebhookError):
    """The callable that should return the secrets raised, or returned nothing usable."""

    status = 503
    code = "secrets_unavailable"
    outcome = "unavailable"
    reason = ""
    """What it raised and where, or what is wrong with the secrets; for the log, never a secret."""


class StoreUnavailable(WebhookError):
    """The store did not answer, or not in time."""

    status = 503
    code = "store_unavailable"
    outcome = "unavailable"


class DispatchError(WebhookError):
    """The engine did not take the event, or not in time."""

    status = 503
    code = "dispatch_failed"
    outcome = "unavailable"


class MessageError(WebhookError):
    """What an engine handed back to `Receiver.execute` is not a message of ours."""

    code = "bad_message"
    outcome = "unreadable"
