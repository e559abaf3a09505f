"""The URL of a store or an engine: shown without its password, and which place it names."""

from collections.abc import MutableMapping
from itertools import takewhile
from pathlib import Path
from typing import Any, cast
from urllib.parse import SplitResult, parse_qs, urlsplit

from coffrify_webhooks.errors import is_shown
from coffrify_webhooks.text import MaskedText

__all__ = [
    "DEFAULT_FILE",
    "STORE_VARIABLE",
    "MaskedURL",
    "hide_password",
    "hide_passwords",
    "mask",
    "mask_text",
    "place_of",
]

STORE_VARIABLE = "COFFRIFY_WEBHOOKS_STORE"
"""The environment variable that holds the store's URL, where no store is given."""
DEFAULT_FILE = "coffrify-webhooks.db"
"""The name of the SQLite file, where neither is given."""
_AFTER = frozenset("?#;")
"""What ends the path of a URL, and begins where a password may stand as well."""
_PORTS = {"postgresql": 5432, "mysql": 3306, "redis": 6379}
_FAMILIES = {
    "postgres": "postgresql",
    "mariadb": "mysql",
    "rediss": "redis",
    "valkey": "redis",
    "valkeys": "redis",
}


class MaskedURL(MaskedText):
    """A URL whose repr, as in a crash report or a dump of settings, shows no password."""

    __slots__ = ()

    def __repr__(self) -> str:
        scheme, _, rest = self.partition("://")
        before, separator, place = rest.rpartition("@")
        if separator and not _AFTER.isdisjoint(before):
            return repr(f"{scheme}://***")  # a password that holds one of these: where does it end?
        # What follows the path may hold one too.
        return repr(f"{scheme}://***@{''.join(takewhile(_is_of_place, place))}")


def mask(value: Any) -> Any:
    """Return a value with its repr masked, if it is a URL or another text with a password."""
    if not isinstance(value, str) or isinstance(value, MaskedText):
        return value
    if "://" not in value:  # as libpq takes it: "host=db password=..."
        return mask_text(value)
    return value if _AFTER.isdisjoint(value) and "@" not in value else MaskedURL(value)


def _is_of_place(character: str) -> bool:
    return character not in _AFTER


def hide_passwords(settings: Any) -> Any:
    """Mask the URLs in a framework's settings where they stand, and return the settings."""
    if isinstance(settings, MutableMapping):
        _mask_options(cast("MutableMapping[str, Any]", settings))
    return cast("Any", settings)


def _mask_options(options: MutableMapping[str, Any]) -> None:
    for option, value in options.items():
        options[option] = hide_password(option, value)


def hide_password(option: str, value: Any) -> Any:
    """Mask the value of a setting, which may be a secret in the wrong place."""
    if option == "SECRETS" and isinstance(value, str):
        return MaskedText(value)
    return mask(value) if option in ("STORE", "DISPATCHER") else mask_text(value)


def mask_text(value: Any) -> Any:
    """Mask what may be a secret, as under a misspelt name, which no framework would hide."""
    if isinstance(value, (list, tuple)):
        found: list[Any] = [mask_text(each) for each in cast("Any", value)]
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
    query = parse_qs(parts.query)
    name = query["db"][-1] if family == "redis" and "db" in query else parts.path.strip("/")
    # PostgreSQL's own schema for a user, or for each of several applications.
    return f"{family}:{_host(parts, family, query)}/{name or 0}{''.join(query.get('options', []))}"


def _host(parts: SplitResult, family: str, query: dict[str, list[str]]) -> str:
    host = (parts.hostname or query.get("host", ["127.0.0.1"])[0]).removesuffix(".")
    host = "127.0.0.1" if host in ("localhost", "::1") else host
    return f"{host}:{parts.port or query.get('port', [_PORTS.get(family)])[0]}"
