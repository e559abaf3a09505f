"""How a URL, or nothing, becomes a store."""

import logging
import os
from collections.abc import Hashable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, cast

from coffrify_webhooks.errors import ConfigurationError, shown
from coffrify_webhooks.extras import needs

from .blocking import blocking_form, is_async
from .protocol import AsyncStore, Store
from .url import DEFAULT_FILE, STORE_VARIABLE, mask

__all__ = ["default_store", "open_store", "place_of"]

logger: logging.Logger = logging.getLogger("coffrify_webhooks")

_MISSPELT = "COFFRIFY_WEBHOOK_STORE"


def default_store(folder: Path) -> Store:
    """Return the store of the variable COFFRIFY_WEBHOOKS_STORE, else a file in `folder`."""
    url = os.environ.get(STORE_VARIABLE)
    if url:
        return open_store(mask(url))
    if os.environ.get(_MISSPELT):
        raise ConfigurationError(
            f"{_MISSPELT} is set but is not read; the variable is {STORE_VARIABLE}"
        )
    with suppress(OSError):  # the store says what is wrong with it, and what to do
        folder.mkdir(parents=True, exist_ok=True)
    path = (folder / DEFAULT_FILE).absolute()
    if path not in _told:
        _told.add(path)
        logger.info(
            "claims are kept in %s; to keep them elsewhere, set store= or %s", path, STORE_VARIABLE
        )
    return open_store(f"sqlite:///{path}")


def place_of(store: Any) -> object:
    """Return a value that is equal for two stores of one place, as far as that can be known."""
    place = getattr(store, "place", None)
    if place is not None:
        return place
    return store if isinstance(store, Hashable) else id(store)


_told: set[Path] = set()
_SQL = {"postgresql": "postgresql", "postgres": "postgresql", "mysql": "mysql", "mariadb": "mysql"}
"""The extra that each needs, its driver included."""
_SYNCHRONOUS: dict[str, Literal["NORMAL", "FULL"]] = {
    "": "NORMAL",
    "synchronous=NORMAL": "NORMAL",
    "synchronous=FULL": "FULL",
}
"""By the query of the URL."""
_REDIS = ("redis", "rediss", "valkey", "valkeys", "unix")
_FORMS = (
    '"memory:", "sqlite:///path/to/webhooks.db", "postgresql://user:password@host/database", '
    '"mysql://...", "mariadb://...", "redis://host:6379/0" or "valkey://..."'
)


def open_store(url: str) -> Store:
    """Return the store that a URL names.

    Known are "memory:" (this process only: for tests), "sqlite:///relative.db" or
    "sqlite:////absolute.db" (all processes of one machine; `?synchronous=FULL` makes each commit
    survive a power cut), and for several machines "postgresql://", "mysql://", "mariadb://",
    "redis://", "rediss://", "valkey://" and "unix://". A driver may be named as SQLAlchemy does:
    "postgresql+psycopg2://"; an async one, "postgresql+asyncpg://" or
    "postgresql+psycopg_async://", is awaited by `receive_async`. Raises ConfigurationError for any
    other, and for a store that cannot be used, with what to do.
    """
    url = mask(url)
    if url == "memory:":
        from .memory import MemoryStore  # only what is used is imported

        return MemoryStore()
    store = _open(url)
    return blocking_form(cast("AsyncStore", store)) if is_async(store) else store


def _open(url: str) -> Store:
    scheme = url.partition(":")[0] if ":" in url else ""
    if url.startswith("sqlite:///"):
        return _sqlite(url)
    if scheme.partition("+")[0] in _SQL or scheme.startswith("sqlite+"):
        with needs(_SQL.get(scheme, "sql")):  # the driver included, where it is ours to choose
            import_module("sqlalchemy")
        from .sql import SQLStore

        return SQLStore(url)
    if scheme in _REDIS:
        from .redis import RedisStore

        return RedisStore(url)
    if scheme == "sqlite":
        raise ConfigurationError(
            "the sqlite store's URL has three slashes before a file in the working directory, four "
            'before an absolute path: "sqlite:///webhooks.db", "sqlite:////var/lib/webhooks.db"'
        )
    begins = f"that begins {shown(scheme[:15] + ':')}" if scheme else "without a scheme"
    raise ConfigurationError(f"no store is known by a URL {begins}; use {_FORMS}")


def _sqlite(url: str) -> Store:
    # No name is bound to the query: it may hold a password, as other databases of one file take.
    path = url.removeprefix("sqlite:///").partition("?")[0]
    synchronous = _SYNCHRONOUS.get(url.partition("?")[2])
    if synchronous is None:
        raise ConfigurationError(
            "an sqlite store's URL takes ?synchronous=FULL or ?synchronous=NORMAL and nothing else"
        )
    if path in ("", ":memory:"):
        raise ConfigurationError(
            'the sqlite store needs a file; for a store in memory use "memory:"'
        )
    from .sqlite import SQLiteStore

    return SQLiteStore(path, synchronous=synchronous)
