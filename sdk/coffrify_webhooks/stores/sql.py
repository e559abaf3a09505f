"""Claims in a SQL database, by SQLAlchemy: PostgreSQL, MariaDB and MySQL, SQLite.

For several machines, or to keep claims beside the application's own tables. Server databases count
leases by their own clock, so that the machines' clocks need not agree.
"""

from collections.abc import Callable
from typing import Any, Self, overload
from weakref import finalize

from coffrify_webhooks.extras import needs

from .engine_store import EngineStore
from .sql_async import AsyncSQLStore
from .sql_engine import engine_beside, is_async_database, open_engine, stop_preparing
from .url import mask

with needs("sql"):
    from sqlalchemy import Engine, event
    from sqlalchemy.engine import URL
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["AsyncSQLStore", "SQLStore"]


class SQLStore(EngineStore):
    """A store in the database of a SQLAlchemy URL or engine; makes its two tables if need be.

    database: "postgresql://user:password@host/name", "mariadb://...", "mysql://...",
    "sqlite:///file.db", or the application's own `Engine`, whose handlers may then be
    atomic. An `AsyncEngine`, and a URL that names an async driver, make an `AsyncSQLStore`.
    timeout: seconds for one answer of the server before StoreUnavailable. clock: seconds
    since 1970, instead of the server's; for tests.

    Raises ConfigurationError, naming the remedy, for a URL or a driver that cannot be used, for
    tables that are not ours and for missing permissions. A server that is unavailable is no such
    error: deliveries are answered 503 until it is back.
    """

    @overload
    def __new__(  # type: ignore[misc]
        cls,
        database: AsyncEngine,
        *,
        timeout: float = ...,
        clock: Callable[[], float] | None = ...,
    ) -> AsyncSQLStore: ...
    @overload
    def __new__(
        cls,
        database: str | URL | Engine,
        *,
        timeout: float = ...,
        clock: Callable[[], float] | None = ...,
    ) -> Self: ...
    def __new__(cls, database: Any, **options: Any) -> Any:
        """Make a store of the kind of the engine."""
        if is_async_database(database):
            return AsyncSQLStore(database, **options)
        return super().__new__(cls)

    def __init__(  # pyright: ignore[reportInconsistentConstructor]
        self,
        database: str | URL | Engine | AsyncEngine,
        *,
        timeout: float = 3.0,
        clock: Callable[[], float] | None = None,
    ) -> None:
        database = mask(database)
        app = database if isinstance(database, Engine) else None
        engine = engine_beside(app) if app is not None else open_engine(database)
        self._set_up(engine, app, timeout, clock, is_own=app is None)
        if engine is not app:
            event.listen(engine, "connect", stop_preparing)
            # As in tests that make an application each: else the driver warns of open connections.
            finalize(self, engine.dispose).atexit = False
        self._begin()
