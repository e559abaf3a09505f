"""The sender's trace, from the headers of W3C Trace Context: unsigned, so it is good for links."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["NAMES", "carried_context", "trace_context", "valid_context"]

NAMES = ("traceparent", "tracestate")
_PARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_LONGEST_STATE = 512
"""Characters that everybody should pass on (W3C Trace Context, section 3.3.1.5)."""
_MEMBER = re.compile(r"[a-z0-9][a-z0-9_\-*/@]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,256}")
_MOST_MEMBERS = 32
"""The most that a state may have (W3C Trace Context, section 3.3.1)."""
_MOST_KEPT, _LONGEST_KEPT = 16, 1024


def trace_context(headers: Any) -> dict[str, str]:
    """Return `traceparent` and `tracestate` as they were sent; not what is no such thing.

    headers: whatever `Receiver.receive` takes.
    """
    found: dict[str, str] = {}
    pairs: Iterable[tuple[Any, Any]] = headers.items() if hasattr(headers, "items") else headers
    for name, value in pairs:
        lower = _text(name).lower()
        if lower in NAMES:
            if lower in found:
                return {}  # twice is none (section 3.2)
            found[lower] = _text(value).strip(" \t")
    return valid_context(found)


def valid_context(found: Mapping[str, str]) -> dict[str, str]:
    """Return those that are well-formed; the state belongs to the parent."""
    parent, state = (found.get(name, "") for name in NAMES)
    if not _PARENT.fullmatch(parent):
        return {}
    return {"traceparent": parent, **({"tracestate": state} if _is_state(state) else {})}


def carried_context(found: object) -> dict[str, str]:
    """Return what an engine's message carries of a context: short texts, and not many."""
    if not isinstance(found, dict):
        return {}
    pairs = list(cast("dict[object, object]", found).items())[:_MOST_KEPT]
    return {
        name: value
        for name, value in pairs
        if isinstance(name, str) and isinstance(value, str) and len(value) <= _LONGEST_KEPT
    }


def _is_state(text: str) -> bool:
    if not text or len(text) > _LONGEST_STATE:
        return False
    members = [each.strip(" \t") for each in text.split(",")]
    return len(members) <= _MOST_MEMBERS and all(
        not each or _MEMBER.fullmatch(each) for each in members
    )


def _text(value: object) -> str:
    return str(value, "latin-1") if isinstance(value, bytes) else str(value)
