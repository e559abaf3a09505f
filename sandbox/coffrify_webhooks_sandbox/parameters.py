"""Checks the parameters of requests, and makes the errors for invalid ones."""

from __future__ import annotations

from typing import Any, TypeGuard

from .errors import SandboxError

__all__ = ["invalid", "is_printable", "not_found", "short_text"]

_LONGEST = 200


def is_printable(value: Any) -> TypeGuard[str]:
    """Tell whether it is text without control characters, as every id is."""
    return isinstance(value, str) and value.isprintable()


def short_text(value: Any, field: str, *, empty: bool = True) -> str:
    """Return a text of up to 200 printable characters; raise SandboxError for anything else."""
    if not isinstance(value, str) or len(value) > _LONGEST or not value.isprintable():
        raise invalid("give a text of up to 200 printable characters", field)
    if not value.strip() and not empty:
        raise invalid("give a text that is not empty", field)
    return value


def invalid(why: str, param: str) -> SandboxError:
    """Return the error for a parameter that cannot be used."""
    return SandboxError(400, "invalid_parameter", f"{param}: {why}", param)


def not_found(what: str, found: Any, param: str) -> SandboxError:
    """Return the error for an id that does not exist."""
    name = f" {found[:100]!a}" if isinstance(found, str) else ""
    return SandboxError(404, "not_found", f"there is no {what}{name}", param)
