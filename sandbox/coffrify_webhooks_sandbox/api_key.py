"""What an API key may be; without any package, since `trigger` needs none."""

from __future__ import annotations

import re
from typing import Any

from coffrify_webhooks.errors import ConfigurationError

__all__ = ["check_api_key"]

_KEY = re.compile(r"[!-~]*", re.ASCII)


def check_api_key(key: Any) -> str:
    """Return a key without white space around it, "" for none.

    Raises ConfigurationError for one that no header could carry, without telling it.
    """
    text = "" if key is None else key
    if not isinstance(text, str) or not _KEY.fullmatch(text.strip()):
        raise ConfigurationError(
            "an API key has ASCII letters, digits and signs only, and no white space; "
            "give another: --api-key KEY"
        )
    return text.strip()
