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
    "is_secretive",
    "is_shown",
    "shown",
]


def shown(value: object) -> str:
    """Return an option's value for an error's text, unless it could be a secret put there."""
    if value is None or isinstance(value, (bool, int, float)):
        return repr(value)
    if not isinstance(value, str):
        return f"<{type(value).__name__}>"
    is_name = value.islower() and any(mark in value for mark in "._/")
    if not is_secretive(value) and (
        len(value) < _SHORT or (is_name and not any(map(str.isdigit, value)))
    ):
        return repr(value)
    return f"<a text of {len(value)} characters>"


def is_secretive(text: str) -> bool:
    """Tell whether a text is a secret or an API key by its prefix."""
    return "whsec_" in text or text.startswith(("cof_", "cfy_"))


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
    """A mistake in how this package is set up; the text names the fix.

    Remedy: the text names the setting and what to write; it is raised when the object is created.
    If a delivery meets one, it is in the log.
    """

    code = "configuration"
    outcome = "misconfigured"


# --- what a stranger sent ---------------------------------------------------------------------


class VerificationError(WebhookError):
    """The delivery is not authentic, or cannot be verified."""

    status = 400
    code = "verification_failed"
    outcome = "rejected"
    reason = ""
    """What else the request shows, for a receiver's log; it is in no reply."""


class MissingSignature(VerificationError):
    """No signature header, or not all that a scheme needs.

    Remedy: let the proxy, gateway or middleware in front pass the signature headers on. If the
    request is not the sender's, nothing needs to be done.
    """

    code = "missing_signature"


class MalformedSignature(VerificationError):
    """A signature header that Coffrify would not write.

    Remedy: look for what rewrites headers on the way, such as a proxy that joins or trims them.
    """

    code = "malformed_signature"


class SignatureMismatch(VerificationError):
    """The signature is well formed, but was made with another secret or for another body.

    Remedy: compare the secret with the endpoint's in the dashboard, and pass the raw body on
    unchanged; `coffrify-webhooks doctor` proves which of them it is.
    """

    code = "signature_mismatch"


class CompressedBody(VerificationError):
    """The body was compressed on its way, so it is not what was signed, or not JSON.

    Remedy: switch off the compression of requests in the proxy, CDN or gateway in front.
    """

    code = "compressed_body"

    @classmethod
    def by(cls, encoding: str) -> "CompressedBody":
        """Return the error for a body of this `Content-Encoding`."""
        return cls(
            f"the body is compressed ({encoding!a}), and the sender signs plain JSON; switch off "
            "the compression of requests where it was added: in a proxy, a CDN, an API gateway or "
            "the tool that sent it"
        )


class TimestampTooOld(VerificationError):
    """Signed longer ago than the tolerance allows: a replayed request, or a clock that is off.

    Remedy: set this machine's clock (NTP). Behind a queue that delivers late, raise `tolerance`.
    """

    code = "timestamp_too_old"


class TimestampTooNew(VerificationError):
    """Signed further in the future than the tolerance allows: a clock is off.

    Remedy: set this machine's clock (NTP); it is behind.
    """

    code = "timestamp_too_new"


class MethodNotAllowed(WebhookError):
    """Webhooks are POSTed; anything else is refused.

    Remedy: send a POST; a redirect on the way may have turned it into a GET.
    """

    status = 405
    code = "method_not_allowed"
    outcome = "rejected"


class BodyTooLarge(WebhookError):
    """The body is larger than the limit, so it was not even hashed.

    Remedy: raise `max_body`, and the limit of the proxy or framework in front, if the sender's
    events are that large.
    """

    status = 413
    code = "body_too_large"
    outcome = "rejected"

    @classmethod
    def over(cls, limit: int) -> "BodyTooLarge":
        """Return the error for a body that is larger than our own limit."""
        return cls(f"the body is larger than {limit} bytes; the option max_body sets the limit")


class IncompleteBody(WebhookError):
    """The body could not be read to its end: it stopped arriving, or was framed wrongly.

    Remedy: none, if it is rare: the sender tries again. Otherwise look at the time-outs of the
    proxy in front, and at a middleware that reads the body.
    """

    status = 400
    code = "incomplete_body"
    outcome = "rejected"


class PayloadError(WebhookError):
    """The body is not a JSON object with a string `type`; in strict mode, not of its schema.

    Remedy: check that only the sender of these events knows the endpoint's URL; with `strict`,
    generate the classes again with `coffrify-webhooks codegen`, or turn `strict` off.
    """

    status = 422
    code = "unreadable_payload"
    outcome = "unreadable"


# --- what is wrong on our side ----------------------------------------------------------------


class BodyUnavailable(WebhookError):
    """A part of the application consumed or changed the body before the receiver.

    Remedy: make the middleware or function that the log names leave the endpoint's path alone.
    """

    code = "body_unavailable"
    outcome = "misconfigured"


class HandlerError(WebhookError):
    """A handler raised; the original is its `__cause__` and in the log, never in the reply.

    Remedy: fix the handler; the log has the traceback. The sender, or the engine, tries again, and
    `coffrify-webhooks events replay` handles dead letters again.
    """

    code = "handler_failed"
    outcome = "failed"
    reason = ""
    """Which handler raised what, and where; kept in the store."""
    put_off: bool = False
    """Whether another handler of the event waits for its turn, so that it is not finished."""


class Busy(WebhookError):
    """The same event is being handled right now, or another one of the same object in order.

    Remedy: none; the sender, or the engine, tries again.
    """

    status = 503
    code = "busy"
    outcome = "busy"


class ClaimLost(Busy):
    """The claim on the event ended while it was being handled; whoever took it settles it.

    Remedy: none, if it is rare. Otherwise the process stands still for longer than a lease: raise
    `lease`, and look for what blocks the process or its store.
    """

    code = "claim_lost"


class NoHandlers(WebhookError):
    """No handler is registered, or a required one is missing: a module was not imported.

    Remedy: import the module with your `@on` functions, or name it in `handlers`.
    """

    status = 503
    code = "no_handlers"
    outcome = "unavailable"
    reason = ""
    """Which handlers are missing; kept in the store."""


class NotReplayable(WebhookError):
    """The store does not have what it would take to handle an event again.

    Remedy: ask the sender for a redelivery; raise `keep_body` if bodies are not kept.
    """

    code = "not_replayable"


class NotBegun(WebhookError):
    """No thread and no event loop took the work in time; it never begins, so try again.

    Remedy: let slow handlers run on an engine, or give the server more threads or processes.
    """

    status = 503
    code = "overloaded"
    outcome = "unavailable"


class SecretsUnavailable(WebhookError):
    """The callable that should return the secrets raised, or returned nothing usable.

    Remedy: fix the function given as `secrets`; the log says what it raised. The sender tries
    again.
    """

    status = 503
    code = "secrets_unavailable"
    outcome = "unavailable"
    reason = ""
    """What it raised and where, or what is wrong with the secrets; for the log, never a secret."""


class StoreUnavailable(WebhookError):
    """The store did not answer, or not in time.

    Remedy: start the store, or correct its URL or network; the log has the cause. The sender tries
    again.
    """

    status = 503
    code = "store_unavailable"
    outcome = "unavailable"


class DispatchError(WebhookError):
    """The engine did not take the event, or not in time.

    Remedy: start the engine's database or broker; the log has the cause. The sender tries again.
    """

    status = 503
    code = "dispatch_failed"
    outcome = "unavailable"


class MessageError(WebhookError):
    """What an engine handed back to `Receiver.execute` is not a message of this package.

    Remedy: give `Receiver.execute` what its own dispatcher took from a receiver of the same name.
    """

    code = "bad_message"
    outcome = "unreadable"
