"""Claims in one sqlite file: right across the threads, processes and restarts of one machine.

The embedded default. WAL journal; single autocommit statements, so that a reader never sees half
a step and a killed process leaves nothing locked. With `synchronous=NORMAL` no commit is lost when
a process is killed; a power cut may lose the last ones, and their events are then handled again.
A network file system is no place for it.
"""

import atexit
import os
import sqlite3
import time
import weakref
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Literal

from coffrify_webhooks.errors import ConfigurationError, StoreUnavailable

from .relational import Execute, RelationalStore
from .schema import ensure

__all__ = ["SQLiteStore"]


class SQLiteStore(RelationalStore):
    """A store in one file.

    path: the file; made on first use, its folder must be there. timeout: seconds to wait for
    another process's write before StoreUnavailable. synchronous: "FULL" survives a power cut, and
    costs a disk flush for each event. clock: seconds since 1970.

    Raises ConfigurationError if the folder is missing or not writable, or the file not for us.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        timeout: float = 4.0,
        synchronous: Literal["NORMAL", "FULL"] = "NORMAL",
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__("sqlite", pyformat=False, clock=clock)
        self.path: Path = Path(path).absolute()
        self._name = str(self.path)
        folder = self.path.parent
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            raise ConfigurationError(
                f"the sqlite store's folder {str(folder)!r} is missing or not writable; make it, "
                "or name another file in store= or COFFRIFY_WEBHOOKS_STORE"
            )
        if self.path.is_dir():
            raise ConfigurationError(
                f"the sqlite store {str(self.path)!r} is a folder; name a file"
            )
        if self.path.exists() and not os.access(self.path, os.W_OK):
            raise ConfigurationError(
                f"the sqlite store {str(self.path)!r} is not writable; change its owner or mode"
            )
        self._timeout = timeout / 2  # a call may wait twice: for our own threads, and for others
        self._synchronous = synchronous
        self._lock = Lock()
        self._connection: sqlite3.Connection | None = None
        self._opened: tuple[int, int] | None = None
        self._inherited: list[sqlite3.Connection] = []  # never closed: see _after_fork
        _stores.add(self)
        if self.path.exists():
            self._look_inside()

    def __del__(self) -> None:
        connection = getattr(self, "_connection", None)
        if connection is not None:
            connection.close()

    def __repr__(self) -> str:
        return f"SQLiteStore({str(self.path)!r})"

    def close(self) -> None:
        """See `Store.close`."""
        with self._lock:
            self._drop()

    def _look_inside(self) -> None:
        """Tell at once if the file is not for us; that it is busy will pass."""
        try:
            with self._session():
                pass
        except StoreUnavailable as error:
            if getattr(error.__cause__, "sqlite_errorname", "") == "SQLITE_NOTADB":
                raise ConfigurationError(
                    f"{str(self.path)!r} is no sqlite database; name another file in store="
                ) from None
        self.close()

    def _session(self) -> "_Session":
        return _Session(self)

    def _enter(self) -> Execute:
        """Lend the connection to one thread at a time; each call takes microseconds."""
        if not self._lock.acquire(timeout=self._timeout):
            raise StoreUnavailable("the sqlite store is busy in another thread")
        try:
            if self._connection is not None and self._identity() != self._opened:
                self._drop()
            if self._connection is None:
                self._connection = self._connect()
                self._opened = self._identity()
        except BaseException as error:
            self._leave(error)
            raise
        return self._connection.execute

    def _leave(self, error: BaseException | None) -> None:
        try:
            if isinstance(error, sqlite3.Error):
                self._drop()  # a damaged file is opened afresh next time
                raise StoreUnavailable(
                    f"the sqlite store failed ({type(error).__name__})"
                ) from error
        finally:
            self._lock.release()

    def _identity(self) -> tuple[int, int] | None:
        """Tell which file is there now: one that was deleted or replaced is not to be written."""
        try:
            found = os.stat(self._name)  # noqa: PTH116 - for each call, and Path takes its time
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> sqlite3.Connection:
        give_up = time.monotonic() + self._timeout
        while True:
            database = sqlite3.connect(
                self.path, timeout=self._timeout, isolation_level=None, check_same_thread=False
            )
            try:
                return self._prepare(database)
            except sqlite3.OperationalError:
                # Several processes making the file WAL at once: sqlite refuses without waiting.
                database.close()
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.01)
            except BaseException:
                database.close()
                raise

    def _prepare(self, database: sqlite3.Connection) -> sqlite3.Connection:
        with _transaction(database):
            ensure(database.execute, self._sql, _refused, grants=_GRANTS)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute(f"PRAGMA synchronous = {self._synchronous}")
        return database

    def _before_fork(self) -> bool:
        """Close the connection, and lend none until the fork is over.

        sqlite keeps its locks per process, and its books on them in memory: a child that inherits
        an open connection would believe to hold locks that it does not have.
        """
        if not self._lock.acquire(timeout=self._timeout):
            return False
        self._drop()
        return True

    def _after_fork(self) -> None:
        """Let go of a connection that was in use at the fork; closing it would harm the parent."""
        if self._connection is not None:
            self._inherited.append(self._connection)
            self._connection = None
        self._lock = Lock()


class _Session:
    """Around one call: the connection is ours, and an error of sqlite's means unavailable."""

    __slots__ = ("_store",)

    def __init__(self, store: SQLiteStore) -> None:
        self._store = store

    def __enter__(self) -> Execute:
        return self._store._enter()  # noqa: SLF001

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        self._store._leave(error)  # noqa: SLF001


@contextmanager
def _transaction(database: sqlite3.Connection) -> Generator[None]:
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


def _refused(error: Exception) -> bool:
    return isinstance(error, sqlite3.Error) and error.sqlite_errorname in (
        "SQLITE_ERROR",
        "SQLITE_READONLY",
        "SQLITE_CONSTRAINT_PRIMARYKEY",
    )


_GRANTS = "make the file writable, or name another in store="

_stores: "weakref.WeakSet[SQLiteStore]" = weakref.WeakSet()
_forking = Lock()
_paused: list[SQLiteStore] = []


def _before_fork() -> None:
    _forking.acquire()
    _paused.extend(store for store in list(_stores) if store._before_fork())  # noqa: SLF001


def _after_fork_in_parent() -> None:
    for store in _paused:
        store._lock.release()  # noqa: SLF001
    _paused.clear()
    _forking.release()


def _after_fork_in_child() -> None:
    for store in list(_stores):
        store._after_fork()  # noqa: SLF001
    _paused.clear()
    _forking.release()


def _close_all() -> None:
    for store in list(_stores):
        store.close()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
