"""Cuts JSON into pieces that a page can colour."""

from __future__ import annotations

import re

__all__ = ["json_tokens"]

_TOKEN = re.compile(r'("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d[\d.eE+-]*|true|false|null|NaN|-?Infinity)')
_MOST = 20_000
"""Pieces that get a colour; a page with more takes long to draw."""


def json_tokens(text: str) -> list[tuple[str, str]]:
    """Return the pieces of JSON with their kinds: key, string, word, or "" for what is between.

    Together the pieces are the text, whatever it is; the end of a long one is a single piece.
    """
    found: list[tuple[str, str]] = []
    end = 0
    for token in _TOKEN.finditer(text):
        if len(found) >= _MOST:
            break
        kind = "word" if token[1] is None else "string" if token[2] is None else "key"
        start, stop = (token.start(), token.end()) if token[1] is None else token.span(1)
        if start > end:
            found.append(("", text[end:start]))
        found.append((kind, text[start:stop]))
        end = stop
    if end < len(text):
        found.append(("", text[end:]))
    return found
