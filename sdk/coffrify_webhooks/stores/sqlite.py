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
from secrets import token_hex
from threading import Lock
from typing import Any, Literal

from coffrify_webhooks.errors import ConfigurationError, StoreUnavailable

from . import Claim

__all__ = ["SQLiteStore"]

_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    key TEXT PRIMARY KEY, status TEXT NOT NULL, token TEXT NOT NULL, lease_until REAL NOT NULL,
    digest TEXT NOT NULL, touched REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS events_touched ON events (touched);
CREATE TABLE IF NOT EXISTS finished (
    key TEXT NOT NULL, handler TEXT NOT NULL, PRIMARY KEY (key, handler)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dead_letters (
    key TEXT NOT NULL, digest TEXT NOT NULL, reason TEXT NOT NULL, buried REAL NOT NULL,
    body BLOB NOT NULL, PRIMARY KEY (key, digest)
);
"""

_CLAIM_NEW = """
INSERT INTO events (key, status, token, lease_until, digest, touched)
VALUES (:key, :status, :mine, :until, :digest, :now) ON CONFLICT (key) DO NOTHING
"""
_CLAIM_OLD = """
UPDATE events SET status = :status, token = :mine, lease_until = :until, digest = :digest,
    touched = :now
WHERE key = :key AND (
    status = 'free' OR (status = 'claimed' AND lease_until <= :now)
    OR (:token IS NOT NULL AND (
        status = 'queued' OR (status = 'running' AND lease_until <= :now)
        OR (status = 'claimed' AND token = :token))))
"""
_HELD = "key = :key AND token = :token AND status IN ('claimed', 'running')"
_RENEW = f"UPDATE events SET lease_until = :until WHERE {_HELD}"  # noqa: S608 - our own text
_CHECKPOINT = f"""
INSERT OR REPLACE INTO finished (key, handler) SELECT key, :handler FROM events WHERE {_HELD}
"""  # noqa: S608
_SETTLE = f"UPDATE events SET status = :status, lease_until = 0, touched = :now WHERE {_HELD}"  # noqa: S608
_RELEASE = f"UPDATE events SET lease_until = 0, status = 'free' WHERE {_HELD}"  # noqa: S608
_SWEEP_FREE = """
DELETE FROM events WHERE key = :key AND status = 'free'
    AND NOT EXISTS (SELECT 1 FROM finished WHERE finished.key = :key)
"""
_PURGEABLE = """
SELECT key FROM events WHERE touched < :before AND lease_until <= :now
    AND status NOT IN ('queued', 'running') LIMIT :limit
"""
_PURGE_DEAD = """
DELETE FROM dead_letters WHERE rowid IN (
    SELECT rowid FROM dead_letters WHERE buried < :before LIMIT :limit)
"""


class SQLiteStore:
    """A store in one file.

    path: the file; made on first use, its folder must be there. timeout: seconds to wait for
    another process's write before StoreUnavailable. synchronous: "FULL" survives a power cut, and
    costs a disk flush for each event. clock: seconds since 1970.

    Raises ConfigurationError if the folder is missing or not writable.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        timeout: float = 4.0,
        synchronous: Literal["NORMAL", "FULL"] = "NORMAL",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path: Path = Path(path).absolute()
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
        self._clock = clock
        self._lock = Lock()
        self._connection: sqlite3.Connection | None = None
        self._opened: tuple[int, int] | None = None
        self._inherited: list[sqlite3.Connection] = []  # never closed: see _after_fork
        _stores.add(self)

    def __del__(self) -> None:
        connection = getattr(self, "_connection", None)
        if connection is not None:
            connection.close()

    def __repr__(self) -> str:
        return f"SQLiteStore({str(self.path)!r})"

    def claim(self, key: str, digest: str, lease: float, token: str | None = None) -> Claim:
        """See `Store.claim`."""
        now = self._clock()
        mine = token_hex(16)
        row = {
            "key": key,
            "status": "claimed" if token is None else "running",
            "mine": mine,
            "until": now + lease,
            "digest": digest,
            "now": now,
            "token": token,
        }
        with self._database() as database:
            if database.execute(_CLAIM_NEW, row).rowcount == 1:
                return Claim("claimed", mine)
            if database.execute(_CLAIM_OLD, row).rowcount == 1:
                finished = database.execute("SELECT handler FROM finished WHERE key = ?", (key,))
                return Claim("claimed", mine, frozenset(name for (name,) in finished))
            found = database.execute(
                "SELECT status, digest FROM events WHERE key = ?", (key,)
            ).fetchone()
        return Claim(_refusal(found, digest))

    def renew(self, key: str, token: str, lease: float) -> bool:
        """See `Store.renew`."""
        return self._change(_RENEW, key=key, token=token, until=self._clock() + lease)

    def checkpoint(self, key: str, token: str, handler: str) -> bool:
        """See `Store.checkpoint`."""
        return self._change(_CHECKPOINT, key=key, token=token, handler=handler)

    def done(self, key: str, token: str) -> bool:
        """See `Store.done`."""
        return self._change(_SETTLE, key=key, token=token, status="done", now=self._clock())

    def queued(self, key: str, token: str) -> bool:
        """See `Store.queued`."""
        return self._change(_SETTLE, key=key, token=token, status="queued", now=self._clock())

    def release(self, key: str, token: str) -> bool:
        """See `Store.release`."""
        released = self._change(_RELEASE, key=key, token=token)
        if released:
            self._change(_SWEEP_FREE, key=key)
        return released

    def forget(self, key: str) -> bool:
        """See `Store.forget`."""
        with self._database() as database, _transaction(database):
            database.execute("DELETE FROM finished WHERE key = ?", (key,))
            return database.execute("DELETE FROM events WHERE key = ?", (key,)).rowcount > 0

    def bury(self, key: str, digest: str, reason: str, body: bytes) -> None:
        """See `Store.bury`."""
        self._change(
            "INSERT OR IGNORE INTO dead_letters VALUES (:key, :digest, :reason, :now, :body)",
            key=key,
            digest=digest,
            reason=reason,
            now=self._clock(),
            body=body,
        )

    def purge(self, older_than: float, limit: int = 1000) -> int:
        """See `Store.purge`."""
        now = self._clock()
        with self._database() as database, _transaction(database):
            old = database.execute(
                _PURGEABLE, {"before": now - older_than, "now": now, "limit": limit}
            ).fetchall()
            database.executemany("DELETE FROM finished WHERE key = ?", old)
            database.executemany("DELETE FROM events WHERE key = ?", old)
            database.execute(_PURGE_DEAD, {"before": now - older_than, "limit": limit})
        return len(old)

    def close(self) -> None:
        """See `Store.close`."""
        with self._lock:
            self._drop()

    def _change(self, statement: str, **row: Any) -> bool:
        with self._database() as database:
            return database.execute(statement, row).rowcount == 1

    @contextmanager
    def _database(self) -> Generator[sqlite3.Connection]:
        """Lend the connection to one thread at a time; each call takes microseconds."""
        if not self._lock.acquire(timeout=self._timeout):
            raise StoreUnavailable("the sqlite store is busy in another thread")
        try:
            if self._connection is not None and self._identity() != self._opened:
                self._drop()
            if self._connection is None:
                self._connection = self._connect()
                self._opened = self._identity()
            yield self._connection
        except sqlite3.Error as error:
            self._drop()  # a damaged file is opened afresh next time
            raise StoreUnavailable(f"the sqlite store failed ({type(error).__name__})") from error
        finally:
            self._lock.release()

    def _identity(self) -> tuple[int, int] | None:
        """Tell which file is there now: one that was deleted or replaced is not to be written."""
        try:
            found = self.path.stat()
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
        database.execute("PRAGMA journal_mode = WAL")
        database.execute(f"PRAGMA synchronous = {self._synchronous}")
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version > _VERSION:
            raise StoreUnavailable("the sqlite store was made by a later version of this package")
        if version < _VERSION:
            with _transaction(database):
                for statement in _SCHEMA.split(";"):
                    database.execute(statement)
                database.execute(f"PRAGMA user_version = {_VERSION}")
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


@contextmanager
def _transaction(database: sqlite3.Connection) -> Generator[None]:
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


def _refusal(
    found: tuple[str, str] | None, digest: str
) -> Literal["busy", "queued", "done", "conflict"]:
    if found is None:  # released between two statements; the sender will come again
        return "busy"
    status, known = found
    if status == "done":
        return "done" if known == digest else "conflict"
    return "busy" if status in ("claimed", "free") else "queued"


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
