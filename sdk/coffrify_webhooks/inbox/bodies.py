"""Bodies as text, and the difference of two."""

from __future__ import annotations

from difflib import unified_diff
from itertools import islice

from coffrify_webhooks.web import wording

__all__ = ["difference", "shown"]

_COMPARED = 20_000
"""Bytes of each body; a comparison takes the square of their lines."""
_LINES = 500


def shown(body: bytes) -> str:
    """Return a body as indented JSON, else as text; cut if it is long."""
    return wording.pretty(body) or wording.of_bytes(body)


def difference(old: bytes, new: bytes) -> list[str]:
    """Return the lines of a unified diff of two bodies, of their beginnings if they are long."""
    before, after = (
        (wording.pretty(body, _COMPARED) or wording.of_bytes(body, _COMPARED)).split("\n")[:_LINES]
        for body in (old, new)
    )
    lines = unified_diff(before, after, "the other body", "this body", lineterm="")
    return list(islice(lines, 2 * _LINES))
