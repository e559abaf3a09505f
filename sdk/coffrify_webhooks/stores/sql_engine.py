"""The SQLAlchemy engines behind `SQLStore`: made of a URL, or beside the application's."""

from contextlib import suppress
from importlib.util import find_spec
from typing import Any

from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.extras import needs

from .connections import prepares
from .sqlite_file import create_private, write_ahead
from .url import place_of

with needs("sql"):
    from sqlalchemy import Engine, create_engine, event
    from sqlalchemy.engine import URL, make_url
    from sqlalchemy.exc import ArgumentError, SQLAlchemyError
    from sqlalchemy.ext.asyncio import AsyncEngine
    from sqlalchemy.pool import QueuePool

__all__ = [
    "PREPARES",
    "drivername",
    "engine_beside",
    "is_async_database",
    "open_engine",
    "place_of_engine",
    "shown",
    "stop_preparing",
]

# The drivers we know; a URL may name another: postgresql+psycopg2://...
_DRIVERS = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
}
_EXTRAS = {
    "psycopg": ("postgresql", ["psycopg"]),
    "pymysql": ("mysql", ["pymysql"]),
    "asyncpg": ("postgresql-async", ["asyncpg", "greenlet"]),
    "psycopg_async": ("postgresql-async", ["psycopg", "greenlet"]),
}
_ASYNC = ("asyncpg", "psycopg_async", "aiosqlite", "asyncmy", "aiomysql")
"""Drivers that a URL names; only some make a store, and the others are told which."""
_CONNECT_TIMEOUT = 2
"""Seconds, whole ones: libpq takes no others."""
PREPARES = "coffrify_webhooks_prepares"
_TIMED = dict.fromkeys(
    ("psycopg", "psycopg2", "psycopg_async", "pymysql", "mysqldb"), "connect_timeout"
) | {"asyncpg": "timeout"}
"""The option that limits how long connecting takes, by driver."""


def is_async_database(database: object) -> bool:
    """Tell whether an engine is async, or a URL names an async driver."""
    return isinstance(database, AsyncEngine) or drivername(database).partition("+")[2] in _ASYNC


def drivername(database: object) -> str:
    """Return what a URL names as its dialect and driver; nothing of what is no readable URL."""
    url = _read(database) if isinstance(database, (str, URL)) else None
    return "" if url is None else url.drivername


def open_engine(database: object) -> Engine:
    """Return an engine that ends in time and leaves nothing behind; raise ConfigurationError."""
    if not isinstance(database, (str, URL)):
        raise ConfigurationError(
            f"SQLStore takes a URL, an Engine or an AsyncEngine, not {type(database).__name__}"
        )
    url = _read(database)
    if url is None:  # raised here, as what refused it holds the password
        raise ConfigurationError(
            "the SQL store's URL cannot be read; it looks like "
            "postgresql://user:password@host/database, with special characters of the password "
            "percent-encoded"
        )
    url = url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))
    driver = url.drivername.partition("+")[2]
    extra, modules = _EXTRAS.get(driver, ("", []))
    for module in modules:
        if find_spec(module) is None:
            raise ConfigurationError(
                f'{module} is not installed; run: pip install "coffrify-webhooks[{extra}]"'
            )
    if url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:"):
        create_private(str(url.database))
    try:
        engine = create_engine(url, **_options(url, driver))
    except (SQLAlchemyError, TypeError, ValueError) as error:  # unknown dialects and options
        raise ConfigurationError(
            f"SQLAlchemy cannot use the store's URL ({type(error).__name__}: {url.drivername})"
        ) from None
    except ImportError as error:
        raise ConfigurationError(
            f"the driver of {url.drivername} is not installed ({error.name}); install it, or use "
            'pip install "coffrify-webhooks[postgresql]" or [mysql]'
        ) from None
    if driver == "pymysql":
        event.listen(engine, "connect", _wait_for_answers)
    if url.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _write_ahead)
    return engine


def _read(database: str | URL) -> URL | None:
    with suppress(ArgumentError, ValueError):
        url = make_url(database)
        if "@" not in (url.host or ""):  # an @ of the password's own, which then is half the host
            return url
    return None


def _options(url: URL, driver: str) -> dict[str, Any]:
    # Nothing is left to roll back when a connection is given back.
    options: dict[str, Any] = {"isolation_level": "AUTOCOMMIT", "pool_reset_on_return": None}
    if url.get_backend_name() != "sqlite":
        options |= {"pool_size": 5, "max_overflow": 35, "pool_timeout": _CONNECT_TIMEOUT}
    if driver in _TIMED:
        options["connect_args"] = {_TIMED[driver]: _CONNECT_TIMEOUT}
    if driver == "pymysql":  # its connect_timeout ends before the server's greeting
        options["connect_args"]["read_timeout"] = _CONNECT_TIMEOUT
    return options


def _write_ahead(connection: Any, _record: object) -> None:
    """Set what `SQLiteStore` sets: no commit is lost when a process is killed."""
    write_ahead(connection)
    connection.execute("PRAGMA synchronous = NORMAL")


def stop_preparing(connection: Any, record: Any) -> None:
    """Let psycopg prepare none of our statements; see `unprepared`."""
    if prepares(connection):
        connection.prepare_threshold = None
        record.info[PREPARES] = True


def _wait_for_answers(connection: Any, _record: object) -> None:
    """Lift PyMySQL's limit again once it is connected: an atomic handler may ask for long work."""
    connection._read_timeout = None  # there is no other way


def engine_beside(app: Engine) -> Engine:
    """Return an engine like the application's, with connections of its own.

    Handlers that fill the application's pool must not keep leases from being renewed. A pool that
    is but one connection (a database in memory) can only be shared.
    """
    if isinstance(app.pool, QueuePool):
        return Engine(app.pool.recreate(), app.dialect, app.url)
    return app


def shown(url: URL) -> str:
    """Return a URL without its password, and without its query, where one may stand as well."""
    text = url.set(query={}).render_as_string(hide_password=True)
    # And in what is no usual URL: after a semicolon, or after an @ of the password's own.
    is_usual = "%" not in text and "@" not in text.partition("@")[2]
    return text if is_usual else url.drivername


def place_of_engine(engine: Engine) -> object:
    """Return what is equal for the engines of one database; see `place_of`."""
    url = engine.url
    is_file = url.database not in (None, "", ":memory:") and "memory" not in str(url.query)
    if is_file if url.get_backend_name() == "sqlite" else url.host or "host" in url.query:
        return place_of(url.render_as_string(hide_password=False))
    return f"engine {id(engine.pool)}"  # in memory, or connected by a function of the application's
