"""The SQL store on async engines: PostgreSQL by asyncpg or psycopg.

SQLAlchemy runs sync text over async drivers in greenlets, and so do we: `EngineStore` is the one
text of both. What a driver opens belongs to the event loop that it was opened on, so each loop has
an `EngineStore` of its own.
"""

import asyncio
from collections.abc import Awaitable, Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.extras import needs

from .async_calls import AsyncCalls
from .async_driver_quirks import (
    cut,
    is_closed,
    number_parameters,
    prepare_nothing,
    runs_in_transactions,
)
from .engine_store import EngineStore
from .per_loop import PerLoop
from .protocol import Move
from .sql_engine import drivername, open_engine, place_of_engine, shown
from .url import mask

with needs("sql"):
    from sqlalchemy import Connection, Engine, event
    from sqlalchemy.engine import URL
    from sqlalchemy.exc import DisconnectionError
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
    from sqlalchemy.pool import Pool, PoolProxiedConnection
    from sqlalchemy.util import await_only, greenlet_spawn

__all__ = ["AsyncSQLStore"]

T = TypeVar("T")

_KNOWN = ("postgresql+asyncpg", "postgresql+psycopg_async")
_ALSO = {"psycopg": "psycopg_async"}
_CONNECT_WITHIN = 3.0
"""Seconds, where the application's engine sets no limit."""
_CLOSE_WITHIN = 2.0
_BORN = "coffrify_webhooks_born"


class AsyncSQLStore(AsyncCalls):
    """An `AsyncStore` in PostgreSQL; makes its two tables if need be.

    database: "postgresql+asyncpg://user:password@host/name", "postgresql+psycopg_async://...", or
    the application's own `AsyncEngine`, whose async handlers may then be atomic: they are given an
    `AsyncConnection`. timeout and clock: see `SQLStore`, and for what is raised.
    """

    def __init__(
        self,
        database: str | URL | AsyncEngine,
        *,
        timeout: float = 3.0,
        clock: Callable[[], float] | None = None,
    ) -> None:
        database = mask(database)
        is_own = not isinstance(database, AsyncEngine)
        if isinstance(database, AsyncEngine):
            driver = database.dialect.driver  # of "psycopg" the async one
            _check(f"{database.dialect.name}+{_ALSO.get(driver, driver)}")
            self._template = database.sync_engine
        else:
            _check(drivername(database))
            self._template = open_engine(database)
        self._clock = clock
        self._stores = PerLoop(
            lambda: _LoopStore(self._template, timeout, self._clock, is_own=is_own), _close
        )
        with ThreadPoolExecutor(1) as thread:  # there may be a loop in this one
            thread.submit(asyncio.run, self._begin()).result()

    async def _begin(self) -> None:
        store = await self._stores.get()
        await greenlet_spawn(store._begin)

    def __repr__(self) -> str:
        if not hasattr(self, "_template"):
            return "AsyncSQLStore(...)"  # half made, in a crash report
        return f"AsyncSQLStore({shown(self._template.url)!r})"

    @property
    def place(self) -> object:
        """What it shares with every other store in this database."""
        return place_of_engine(self._template)

    async def _call(self, method: str, *arguments: Any, **options: Any) -> Any:
        store = await self._stores.get()
        return await greenlet_spawn(getattr(store, method), *arguments, **options)

    async def atomically(
        self,
        key: str | None,
        token: str,
        lease: float,
        handler: str,
        work: Callable[[Any], Awaitable[T]],
        move: Move | None = None,
        /,
    ) -> T:
        """See `AsyncAtomicStore.atomically`; `work` is given an `AsyncConnection`."""

        def await_work(connection: Connection) -> T:
            given = AsyncConnection(AsyncEngine(connection.engine), connection)
            return await_only(work(given))

        store = await self._stores.get()
        return await greenlet_spawn(store.atomically, key, token, lease, handler, await_work, move)

    async def close(self) -> None:
        """See `Store.close`; closes what was opened on the running loop."""
        await self._stores.close()


class _LoopStore(EngineStore):
    """The store of one event loop; each call of it runs in a greenlet."""

    def __init__(
        self,
        template: Engine,
        timeout: float,
        clock: Callable[[], float] | None,
        *,
        is_own: bool,
    ) -> None:
        engine = _engine_beside(template)
        # The application's pool belongs to its loop, which need not be this one.
        app = None if is_own else _engine_beside(template)
        self._born = 0
        self._set_up(engine, app, timeout, clock, is_own=is_own)
        for each in (engine, app):
            if each is not None:  # first of all: also SQLAlchemy's first look prepares a statement
                event.listen(each, "connect", self._note, insert=True)
                event.listen(each, "checkout", self._look)

    def _note(self, connection: Any, record: Any) -> None:
        record.info[_BORN] = self._born
        with self._cut_in_time(connection.driver_connection):
            prepare_nothing(connection, record, await_only)

    def _look(self, connection: Any, record: Any, _fairy: Any) -> None:
        """Let the pool replace a connection that has ended, or was opened before an error."""
        driver = connection.driver_connection
        if record.info.get(_BORN) != self._born or is_closed(driver):
            cut(driver)  # or it would be closed with a farewell, for which a server may not wait
            raise DisconnectionError

    def _is_dead(self, _connection: PoolProxiedConnection, /) -> bool:
        return False  # the pool has looked

    def close(self) -> None:
        for engine in (self._engine, self._app):
            if engine is not None:
                engine.dispose()

    def _connect(self) -> PoolProxiedConnection:
        if self._is_own:
            return super()._connect()  # which the driver limits
        limit = asyncio.timeout(_CONNECT_WITHIN)
        await_only(limit.__aenter__())
        try:
            connection = super()._connect()
        except BaseException as error:
            await_only(limit.__aexit__(type(error), error, error.__traceback__))
            raise
        await_only(limit.__aexit__(None, None, None))
        return connection

    def _execute(
        self,
        connection: PoolProxiedConnection,
        cursor: Any,
        statement: str,
        row: Mapping[str, Any],
    ) -> None:
        text, values = number_parameters(self._engine.dialect.paramstyle, statement, row)
        raw: Any = connection.dbapi_connection
        if not runs_in_transactions(connection):
            cursor.execute(text, values)
            return
        raw.isolation_level = None
        try:
            cursor.execute(text, values)
            raw.commit()
        except BaseException:
            raw.rollback()
            raise
        finally:
            raw.isolation_level = "autocommit"

    def _update(self, connection: Connection, statement: str, row: Mapping[str, Any]) -> int:
        text, values = number_parameters(self._engine.dialect.paramstyle, statement, row)
        return connection.exec_driver_sql(text, values).rowcount

    @contextmanager
    def _limit_time(self, connection: PoolProxiedConnection) -> Generator[None]:
        with self._cut_in_time(connection.driver_connection):
            yield

    @contextmanager
    def _cut_in_time(self, driver: Any) -> Generator[None]:
        """Cut the connection unless the block ends in time.

        Its query is not cancelled: psycopg would ask the server, which does not answer.
        """
        alarm = asyncio.get_running_loop().call_later(self._timeout, cut, driver)
        try:
            yield
        finally:
            alarm.cancel()

    def _drop(self, connection: PoolProxiedConnection, pool: Pool, error: BaseException) -> None:
        with suppress(Exception):
            cut(connection.driver_connection)
        super()._drop(connection, pool, error)

    def _renew(self, _engine: Engine, /) -> None:
        """See `EngineStore._renew`; to close them all would wait for a server that hangs."""
        self._born += 1


def _check(driver: str) -> None:
    if driver and driver not in _KNOWN:
        raise ConfigurationError(
            f"there is no async store for {driver}; use postgresql+asyncpg:// or "
            "postgresql+psycopg_async://. For a file use sqlite:///..., which needs no async "
            "driver, and for others their sync drivers"
        )


def _engine_beside(template: Engine) -> Engine:
    return Engine(template.pool.recreate(), template.dialect, template.url)


async def _close(store: _LoopStore) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(_CLOSE_WITHIN):
            await greenlet_spawn(store.close)
