"""What SQLAlchemy leaves to us: whether a connection is dead, and what an error means."""

from __future__ import annotations

import select
from typing import TYPE_CHECKING

from .deadline import descriptor

if TYPE_CHECKING:
    from sqlalchemy.pool import PoolProxiedConnection

__all__ = ["is_dead", "is_our_mistake", "kind", "socket_of"]

_ACCESS_DENIED = (1044, 1045, 1049, 1698)
"""MySQL's codes for a wrong user, password or database."""
_TURNED_AWAY = (
    "authentication failed",
    "does not exist",
    "no pg_hba.conf entry",
    "permission denied for database",
    "not permitted to log in",
)
"""PostgreSQL's words for the same; a server that speaks another language is only away for us."""


def socket_of(connection: PoolProxiedConnection) -> int | None:
    """Return the descriptor of a connection's socket, if it has one."""
    return descriptor(connection.dbapi_connection)


def is_dead(socket: int | None) -> bool:
    """Tell whether an idle connection has something to say, which can only be its end."""
    if socket is None:
        return False
    waiting = select.poll()
    waiting.register(socket, select.POLLIN)
    return bool(waiting.poll(0))


def is_our_mistake(error: BaseException | None) -> bool:
    """Tell whether the server is there and turns us away: no such user, password or database."""
    orig: BaseException | None = getattr(error, "orig", error)
    if orig is None:
        return False
    if getattr(orig, "sqlite_errorname", "") in ("SQLITE_NOTADB", "SQLITE_CANTOPEN"):
        return True
    code = orig.args[0] if orig.args else None
    if isinstance(code, int):
        return code in _ACCESS_DENIED
    text = str(orig)
    return "FATAL" in text and any(word in text for word in _TURNED_AWAY)


def kind(error: BaseException) -> str:
    """Name what the driver raised, without its text: it may quote."""
    return type(getattr(error, "orig", None) or error).__name__
