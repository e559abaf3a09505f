"""Why no connection could be made, in words."""

from __future__ import annotations

import socket
import ssl

__all__ = ["reason_of"]


def reason_of(error: BaseException) -> str:
    """Return the reason, from the error that says it or from one of its causes."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            why = getattr(cause, "verify_message", "") or cause.reason or "no TLS is spoken there"
            return f"TLS failed ({why})"
        if isinstance(cause, socket.gaierror):
            return "its host name is not known"
        if isinstance(cause, ConnectionRefusedError):
            return "connection refused"
        if isinstance(cause, BaseExceptionGroup):  # one for each address of a host name
            cause = cause.exceptions[0]
        else:
            cause = cause.__cause__ or cause.__context__
    return "no connection could be made"
