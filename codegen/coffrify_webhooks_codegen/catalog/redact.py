"""Removes a secret from a document, and secrets from a text."""

import re
from collections.abc import Mapping
from typing import Any

from coffrify_webhooks_codegen.json_types import is_list, is_mapping

__all__ = ["REDACTED", "one_line", "redact"]

REDACTED = "(the API key)"
_HIDDEN = "(a secret)"
_SECRETS = re.compile(
    r"\b(?:whsec_|cfy_|cof_|(?<=bearer )|(?<=basic ))[A-Za-z0-9+/=_.-]{8,}"
    r"|(?<=://)[^\s/@:]*:[^\s/@]+(?=@)",
    re.IGNORECASE,
)
"""Webhook secrets, API keys and tokens by how they begin, and the password in a URL."""
# No real key is shorter, and a short text occurs in many words.
_SHORTEST = 8


def one_line(text: object, key: str | None = None) -> str:
    """Return untrusted text as one printable line, without the key and whatever else is secret."""
    line = "".join(char for char in " ".join(str(text).split()) if char.isprintable())
    if key:
        line = re.sub(re.escape(key), REDACTED, line, flags=re.IGNORECASE)
    return _SECRETS.sub(_HIDDEN, line)


def redact(document: Mapping[str, Any], secret: str) -> Mapping[str, Any]:
    """Replace the secret in every text, keys included; return the same document without one."""
    if len(secret) < _SHORTEST:
        return document
    pattern = re.compile(re.escape(secret), re.IGNORECASE)
    count = 0

    def redact_text(text: Any) -> Any:
        nonlocal count
        if not isinstance(text, str):
            return text
        cleaned, times = pattern.subn(REDACTED, text)
        count += times
        return cleaned

    root: dict[str, Any] = {}
    left: list[tuple[Any, Any]] = [(document, root)]
    while left:  # no recursion: a schema may be nested deeply
        part, copy = left.pop()
        for key, value in part.items() if is_mapping(part) else enumerate(part):
            inner: Any = {} if is_mapping(value) else [] if is_list(value) else redact_text(value)
            if inner is not value and not isinstance(value, str):
                left.append((value, inner))
            if is_list(copy):
                copy.append(inner)
            else:
                copy[redact_text(key)] = inner
    return root if count else document
