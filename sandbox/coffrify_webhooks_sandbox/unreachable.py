"""Explains why a connection could not be made."""

from __future__ import annotations

import socket
import ssl
from typing import Any

__all__ = ["connection_error_reason"]


def connection_error_reason(error: BaseException) -> str:
    """Return the reason, from the error or one of its causes."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            why = getattr(cause, "verify_message", "") or cause.reason
            why = why or "the server there does not speak TLS"
            return f"TLS failed ({why})"
        if isinstance(cause, socket.gaierror):
            return "its host name is not known"
        if isinstance(cause, ConnectionRefusedError):
            return "connection refused"
        group: Any = cause  # of several addresses of a host name, the first
        several = isinstance(cause, BaseExceptionGroup)
        cause = group.exceptions[0] if several else group.__cause__ or group.__context__
    return "no connection could be established"
