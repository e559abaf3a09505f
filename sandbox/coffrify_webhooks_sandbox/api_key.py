"""Checks API keys. Needs no extra, because the command `trigger` needs none."""

from __future__ import annotations

import re
from typing import Any

from coffrify_webhooks.errors import ConfigurationError

__all__ = ["check_api_key"]

_KEY = re.compile(r"[!-~]*", re.ASCII)


def check_api_key(key: Any) -> str:
    """Return a key without surrounding white space; "" for None.

    Raises ConfigurationError for a key that no header can carry; the message does not repeat it.
    """
    text = "" if key is None else key
    if not isinstance(text, str) or not _KEY.fullmatch(text.strip()):
        raise ConfigurationError(
            "an API key consists of printable ASCII characters without white space; "
            "give another: --api-key KEY"
        )
    return text.strip()
