"""A store on a SQLAlchemy engine: how it gets a connection, and what it does when one fails.

Its text is sync; on an async engine it runs in a greenlet, see `sql_async`.
"""

import os
import weakref
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from threading import current_thread
from typing import Any, TypeVar, cast

from coffrify_webhooks.errors import ClaimLost, ConfigurationError, StoreUnavailable
from coffrify_webhooks.extras import needs
from coffrify_webhooks.observe import logger

from .connections import (
    POOLED,
    commits_by_itself,
    is_dead,
    is_our_mistake,
    is_out_of_service,
    is_pooled,
    kind,
    mistake_for_driver,
    socket_of,
    unprepared,
)
from .deadline import deadline
from .driver_frames import unframed
from .protocol import Move
from .relational import Execute, RelationalStore, Result
from .schema import ensure
from .sql_engine import PREPARES, place_of_engine, shown
from .statements import EVENTS, MARKS, SCHEMA, Dialect

with needs("sql"):
    from sqlalchemy import Connection, Engine
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError
    from sqlalchemy.exc import TimeoutError as PoolTimeoutError
    from sqlalchemy.pool import Pool, PoolProxiedConnection

__all__ = ["EngineStore"]

T = TypeVar("T")

_DIALECTS: dict[str, Dialect] = {
    "sqlite": "sqlite",
    "postgresql": "postgresql",
    "mysql": "mysql",
    "mariadb": "mysql",
}
_AUTOCOMMIT = "coffrify_webhooks_autocommit"


class EngineStore(RelationalStore):
    """See `SQLStore`."""

    def _set_up(
        self,
        engine: Engine,
        app: Engine | None,
        timeout: float,
        clock: Callable[[], float] | None,
        *,
        is_own: bool,
    ) -> None:
        """engine: for claims. app: whose transactions atomic handlers get, if not the engine's."""
        self._engine, self._app, self._is_own = engine, app, is_own
        name = self._engine.dialect.name
        dialect = _DIALECTS.get(name)
        if dialect is None:
            raise ConfigurationError(
                f"SQLStore does not support {name}; it supports PostgreSQL, MariaDB, MySQL and "
                "SQLite"
            )
        pyformat = self._engine.dialect.paramstyle in ("pyformat", "format")
        RelationalStore.__init__(self, dialect, pyformat=pyformat, clock=clock)
        self._timeout = timeout
        self._ready = False
        self._was_ready = False
        self._is_closed = False
        _stores.add(self)

    def _begin(self) -> None:
        """Make the tables, or say at once why the database cannot be used."""
        try:
            with self._session():
                pass
        except StoreUnavailable as error:
            if is_our_mistake(error.__cause__):
                raise ConfigurationError(
                    f"the database refused the connection ({error}); check the user, password and "
                    "database name in the store's URL"
                ) from None
            logger.warning("%s; each delivery tries again", error)
        except (AttributeError, ImportError, LookupError, TypeError, ValueError) as error:
            told = mistake_for_driver(self._engine.url.drivername, error)
            raise ConfigurationError(told) from unframed(error)
        finally:
            self.close()  # nothing is left open over a fork
            self._is_closed = False

    def __repr__(self) -> str:
        if not hasattr(self, "_engine"):
            return "SQLStore(...)"  # half made, in a crash report
        return f"SQLStore({shown(self._engine.url)!r})"

    @property
    def place(self) -> object:
        """What it shares with every other store in this database."""
        return place_of_engine(self._app or self._engine)

    def close(self) -> None:
        """See `Store.close`; the application's own connections are the application's."""
        if self._engine is not self._app:
            self._is_closed = True
            self._engine.dispose()

    def atomically(
        self,
        key: str | None,
        token: str,
        lease: float,
        handler: str,
        work: Callable[[Any], T],
        move: Move | None = None,
        /,
    ) -> T:
        """See `AtomicStore.atomically`; `work` is given the SQLAlchemy `Connection`."""
        pool = self._engine.pool
        try:
            with self._transactional().connect() as connection:
                return self._work_on(connection, key, token, lease, handler, work, move)
        except SQLAlchemyError as error:
            if isinstance(error, DBAPIError) and is_out_of_service(error.orig):
                self._renew(self._app or self._engine)
                raise StoreUnavailable(
                    f"the SQL store is not writable ({kind(error)})"
                ) from unframed(error)
            lost = isinstance(error, DBAPIError) and error.connection_invalidated
            if lost or isinstance(error, PoolTimeoutError):
                raise StoreUnavailable(f"the SQL store failed ({kind(error)})") from unframed(error)
            raise  # the handler's: what it did left nothing that could be committed
        finally:
            self._tidy(pool)

    def _work_on(
        self,
        connection: Connection,
        key: str | None,
        token: str,
        lease: float,
        handler: str,
        work: Callable[[Any], T],
        move: Move | None,
    ) -> T:
        raw = cast("Any", connection.connection).dbapi_connection

        def change(statement: str, **row: Any) -> bool:
            with unprepared(raw):
                return self._update(connection, statement, self._row(**row)) == 1

        def update(statement: str) -> None:
            # Made anew each time: a lease counts from now, not from before the work.
            row = {"key": key, "token": token, "lease": lease, "handler": f"{handler}\n"}
            if key is not None and not change(statement, **row):
                raise ClaimLost("the claim on this event ended while the event was handled")

        with connection.begin() as transaction:
            if commits_by_itself(connection):
                raise ConfigurationError(
                    "the engine of the SQLStore is in AUTOCOMMIT, which has no transactions; give "
                    "an engine without that isolation level"
                )
            if self._sql.dialect == "sqlite":
                # A write at the beginning: nobody else can write until the end, nor take the
                # claim. On a server it would let the renewals wait.
                update(self._sql.renew)
            result = work(connection)
            with self._limit_time(cast("Any", connection.connection)):
                update(self._sql.finish)
                if move is not None:
                    self._move(change, move)
                transaction.commit()
        return result

    def _transactional(self) -> Engine:
        if self._app is not None:
            return self._app
        with self._session():
            level = self._engine.dialect.default_isolation_level
        if self._sql.dialect != "sqlite":
            level = "READ COMMITTED"  # under a stricter one, a renewal would end the transaction
        return self._engine.execution_options(isolation_level=level)

    @contextmanager
    def _session(self) -> Generator[Execute]:
        if self._is_closed and not current_thread().name.startswith("coffrify-webhooks-"):
            self._is_closed = False  # it is in use again; what a thread of ours asks is no use
        try:
            with self._lend_connection() as connection:
                cursor = connection.cursor()

                def execute(statement: str, row: Mapping[str, Any]) -> Result:
                    self._execute(connection, cursor, statement, row)
                    return cast("Result", cursor)

                with self._limit_time(connection):
                    if not self._ready:
                        self._prepare(execute, connection)
                    yield execute
        except (SQLAlchemyError, self._driver_error, OSError, MemoryError) as error:
            raise StoreUnavailable(f"the SQL store failed ({kind(error)})") from unframed(error)

    def _prepare(self, execute: Execute, connection: PoolProxiedConnection) -> None:
        """Make the tables, or look at them: at first, and after any error."""
        try:
            refused, marks = partial(self._is_refusal, connection), self._wants_marks
            self._has_marks = ensure(execute, self._sql, refused, grants=_GRANTS, marks=marks)
        except ConfigurationError as error:
            if self._was_ready:  # a server that became read-only, as after a failover
                raise StoreUnavailable(str(error)) from error
            raise
        if not self._was_ready and connection.info.get(PREPARES) and not self._is_own:
            raw: Any = connection.dbapi_connection
            if is_pooled(raw, execute):
                logger.warning(POOLED, 'connect_args={"prepare_threshold": None}')
        self._ready = self._was_ready = True

    def _want_marks(self) -> None:
        super()._want_marks()
        self._ready = False

    @contextmanager
    def _lend_connection(self) -> Generator[PoolProxiedConnection]:
        """Lend a live connection of the driver in autocommit: SQLAlchemy's own costs its price."""
        pool = self._engine.pool
        connection = self._connect()
        try:
            while self._is_dead(connection):  # the server was restarted
                connection.invalidate()
                connection = self._connect()
            if not self._is_own and not connection.info.get(_AUTOCOMMIT):
                raw: Any = connection.dbapi_connection
                self._engine.dialect.set_isolation_level(raw, "AUTOCOMMIT")
                connection.info[_AUTOCOMMIT] = True
            yield connection
        except BaseException as error:
            self._drop(connection, pool, error)
            raise
        finally:
            self._give_back(connection)
            self._tidy(pool)

    def _drop(self, connection: PoolProxiedConnection, pool: Pool, error: BaseException) -> None:
        """Let go of a connection on which a call failed, and of those that were opened before it.

        Whatever the error is: the server may have become read-only, the tables may be gone, or a
        signal broke the call off before its answer was read.
        """
        self._ready = False
        if self._engine is not self._app:
            connection.invalidate()
            if self._engine.pool is pool:
                self._renew(self._engine)
        elif isinstance(error, self._driver_error) and self._is_disconnect(error, connection):
            connection.invalidate(error)

    # --- what differs where the driver is async -----------------------------------------------

    def _connect(self) -> PoolProxiedConnection:
        return self._engine.raw_connection()

    def _execute(
        self,
        _connection: PoolProxiedConnection,
        cursor: Any,
        statement: str,
        row: Mapping[str, Any],
    ) -> None:
        cursor.execute(statement, row)

    def _update(self, connection: Connection, statement: str, row: Mapping[str, Any]) -> int:
        return connection.exec_driver_sql(statement, row).rowcount

    def _limit_time(self, connection: PoolProxiedConnection) -> AbstractContextManager[None]:
        """Cut the connection unless the block ends in time."""
        return deadline(socket_of(connection), self._timeout)

    def _is_dead(self, connection: PoolProxiedConnection, /) -> bool:
        return is_dead(socket_of(connection))

    def _renew(self, engine: Engine, /) -> None:
        """Let no connection that was opened before now be used again."""
        engine.dispose()

    def _tidy(self, pool: Pool) -> None:
        """Close a connection that is returned after `close`, as by a renewal or a purge."""
        if self._engine.pool is not pool:
            pool.dispose()
        if self._is_closed:
            self._engine.dispose()

    def _give_back(self, connection: PoolProxiedConnection) -> None:
        if self._engine is self._app and connection.info.pop(_AUTOCOMMIT, False):
            raw: Any = connection.dbapi_connection
            self._engine.dialect.reset_isolation_level(raw)
        connection.close()

    @property
    def _driver_error(self) -> type[Exception]:
        return self._engine.dialect.loaded_dbapi.Error

    def _is_disconnect(self, error: Exception, connection: PoolProxiedConnection) -> bool:
        raw: Any = connection.dbapi_connection
        return self._engine.dialect.is_disconnect(cast("Any", error), raw, None)

    def _is_refusal(self, connection: PoolProxiedConnection, error: Exception) -> bool:
        """Tell whether the database is there, and does not want the statement."""
        if not isinstance(error, self._driver_error) or self._is_disconnect(error, connection):
            return False
        name = getattr(error, "sqlite_errorname", "SQLITE_ERROR")
        return name not in ("SQLITE_BUSY", "SQLITE_LOCKED")


_GRANTS = (
    "run `coffrify-webhooks store init --store URL` as a user who may create tables, then grant "
    f"SELECT, INSERT, UPDATE and DELETE on {EVENTS} and {MARKS}, SELECT on {SCHEMA}, to this user"
)

_stores: "weakref.WeakSet[EngineStore]" = weakref.WeakSet()
_parents: list[Pool] = []


def _after_fork() -> None:
    """Leave the parent's connections to the parent, and let nothing end them here.

    asyncpg ends one that is collected, and with that takes its socket out of the event loop's
    epoll, which is the parent's as well: the parent would wait for an answer for ever.
    """
    for store in list(_stores):
        _parents.append(store._engine.pool)
        store._engine.dispose(close=False)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
