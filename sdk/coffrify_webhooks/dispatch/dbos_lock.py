"""The lock of a DBOS worker: there is one worker at a time for each engine and receiver."""

from __future__ import annotations

import sqlite3
import time
from contextlib import ExitStack, closing, contextmanager, suppress
from hashlib import sha256
from typing import TYPE_CHECKING, Self

from coffrify_webhooks.clock import monotonic
from coffrify_webhooks.errors import ConfigurationError, DispatchError
from coffrify_webhooks.extras import needs
from coffrify_webhooks.stores.deadline import deadline

from .dbos_database import TIMEOUT
from .dbos_settings import CONNECT_TIMEOUT

with needs("dbos"):
    from sqlalchemy import Connection, NullPool, create_engine
    from sqlalchemy.exc import SQLAlchemyError

    from coffrify_webhooks.stores.connections import kind, socket_of

if TYPE_CHECKING:
    from collections.abc import Generator

    from sqlalchemy.engine import URL

__all__ = ["Lock"]

_PATIENCE = 3.0
"""Seconds in which a database notices that the worker before us was killed."""


class Lock:
    """Held by a worker while it lives: a second one would begin what the first is working on.

    The database gives it back when the process dies, however it dies.
    """

    def __init__(self, url: URL, queue: str) -> None:
        digest = sha256(queue.encode())
        self._queue = queue
        self._url = url
        self._key = int.from_bytes(digest.digest()[:8], "big", signed=True)
        self._file = f"{url.database}-worker-{digest.hexdigest()[:8]}"
        self._held: Connection | sqlite3.Connection | None = None

    def __enter__(self) -> Self:
        give_up = monotonic() + _PATIENCE
        while not self.take():
            if monotonic() > give_up:
                raise self._second_worker_error()
            time.sleep(0.1)
        return self

    def __exit__(self, *_: object) -> None:
        self._let_go()

    def check(self) -> None:
        """Take it again if the server has lost it; raise if another worker was quicker."""
        if not isinstance(self._held, Connection):
            if self._held is None and not self._take_if_there():
                raise self._second_worker_error()
            return
        try:
            with deadline(socket_of(self._held.connection), TIMEOUT):
                self._held.exec_driver_sql("SELECT 1")
        except SQLAlchemyError:
            self._let_go()

    def take(self) -> bool:
        """Try to take it once; raise for a database that cannot be asked."""
        sqlite = self._url.get_backend_name() == "sqlite"
        return self._take_file() if sqlite else self._take_key()

    def _take_if_there(self) -> bool:
        try:
            return self.take()
        except DispatchError:
            return True  # a server that is away gives it to nobody else

    def _second_worker_error(self) -> ConfigurationError:
        return ConfigurationError(
            f"another worker already runs on {self._queue!r} of this engine; one worker handles "
            "`concurrency` events at a time: raise `concurrency` instead of starting a second "
            "worker"
        )

    def _take_file(self) -> bool:
        # A transaction that is never ended: SQLite knows how to lock a file on every system.
        with ExitStack() as opened:
            try:
                file = opened.enter_context(closing(self._open_file()))
                file.execute("BEGIN EXCLUSIVE")
            except sqlite3.Error as error:
                if getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY"):
                    return False
                raise ConfigurationError(
                    f"the worker cannot lock the file {self._file!r} ({error}); check the "
                    "permissions of the file and its folder, and remove the file if it is not an "
                    "SQLite database"
                ) from error
            opened.pop_all()
        self._held = file
        return True

    def _open_file(self) -> sqlite3.Connection:
        return sqlite3.connect(self._file, timeout=0, isolation_level=None, check_same_thread=False)

    def _take_key(self) -> bool:
        engine = create_engine(
            self._url,
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args={"connect_timeout": CONNECT_TIMEOUT},
        )
        with _translating_errors(), ExitStack() as opened:
            connection = opened.enter_context(closing(engine.connect()))
            with deadline(socket_of(connection.connection), TIMEOUT):
                # So that the server notices within half a minute when our whole machine is gone.
                connection.exec_driver_sql("SET tcp_keepalives_idle = 10")
                connection.exec_driver_sql("SET tcp_keepalives_interval = 5")
                connection.exec_driver_sql("SET tcp_keepalives_count = 3")
                held = connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({self._key})")
                if not held.scalar():
                    return False
            opened.pop_all()
        self._held = connection
        return True

    def _let_go(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            with suppress(SQLAlchemyError):
                held.close()


@contextmanager
def _translating_errors() -> Generator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        raise DispatchError(
            f"the database of the DBOS engine does not answer ({kind(error)})"
        ) from error
