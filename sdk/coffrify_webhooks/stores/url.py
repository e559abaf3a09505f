"""The URL of a store or an engine: shown without its password, and which place it names."""

from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import SplitResult, urlsplit

from coffrify_webhooks.errors import is_shown

__all__ = [
    "DEFAULT_FILE",
    "STORE_VARIABLE",
    "MaskedText",
    "MaskedURL",
    "hide_passwords",
    "mask",
    "place_of",
]

STORE_VARIABLE = "COFFRIFY_WEBHOOKS_STORE"
"""The environment variable that holds the store's URL, where no store is given."""
DEFAULT_FILE = "coffrify-webhooks.db"
"""The name of the SQLite file, where neither is given."""
_PORTS = {"postgresql": 5432, "mysql": 3306, "redis": 6379}
_FAMILIES = {
    "postgres": "postgresql",
    "mariadb": "mysql",
    "rediss": "redis",
    "valkey": "redis",
    "valkeys": "redis",
}


class MaskedURL(str):
    """A URL whose repr, as in a crash report or a dump of settings, shows no password."""

    __slots__ = ()

    def __repr__(self) -> str:
        scheme, separator, rest = self.partition("://")
        if not separator:
            return super().__repr__()
        # A query may hold one too.
        place = rest.rpartition("@")[2].partition("?")[0]
        return repr(f"{scheme}://***@{place}")


class MaskedText(str):
    """A text that may be a secret, in the place of another option: its repr shows nothing of it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


def mask(value: Any) -> Any:
    """Return a value with its repr masked, if it is a URL that may hold a password."""
    is_url = isinstance(value, str) and "://" in value and ("@" in value or "?" in value)
    return MaskedURL(value) if is_url else value


def hide_passwords(settings: Any) -> Any:
    """Mask the URLs in a framework's settings where they stand, and return the settings."""
    if isinstance(settings, MutableMapping):
        _mask_options(cast("MutableMapping[str, Any]", settings))
    return cast("Any", settings)


def _mask_options(options: MutableMapping[str, Any]) -> None:
    for option, value in options.items():
        options[option] = mask(value) if option in ("STORE", "DISPATCHER") else _mask_text(value)


def _mask_text(value: Any) -> Any:
    """Mask what may be a secret under a misspelt name, which no framework would hide."""
    if isinstance(value, (list, tuple)):
        found: list[Any] = [_mask_text(each) for each in cast("Any", value)]
        return found if isinstance(value, list) else tuple(found)
    return value if not isinstance(value, str) or is_shown(value) else MaskedText(value)


def place_of(url: str) -> str:
    """Return the place that a URL names, the same for every way to write it; without a password."""
    parts = urlsplit(url)
    family = parts.scheme.partition("+")[0]
    family = _FAMILIES.get(family, family)
    if family == "sqlite":
        return f"sqlite:{Path(parts.path[1:]).resolve()}"
    if family == "unix":
        return f"redis:{parts.path}?{parts.query}"
    return f"{family}:{_host(parts, family)}{parts.path.rstrip('/') or '/0'}"


def _host(parts: SplitResult, family: str) -> str:
    host = "127.0.0.1" if parts.hostname in (None, "localhost", "::1") else parts.hostname
    return f"{host}:{parts.port or _PORTS.get(family)}"
