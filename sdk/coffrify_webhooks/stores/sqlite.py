"""Claims in one sqlite file: right across the threads, processes and restarts of one machine.

The embedded default. WAL journal; single autocommit statements, so that a reader never sees half
a step and a killed process leaves nothing locked. With `synchronous=NORMAL` no commit is lost when
a process is killed; a power cut may lose the last ones, and their events are then handled again.
Do not put the file on a network file system.

What is not yet in the file is in the one beside it, `-wal`, and the processes coordinate through
`-shm`. If one of these is removed, the processes that have it open go on with data that nobody else
can see. They notice, save their data into the file, and open it again; a process that starts
meanwhile waits for them.
"""

import os
import sqlite3
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import get_ident
from typing import Any, Literal

from coffrify_webhooks.clock import monotonic, now
from coffrify_webhooks.errors import ConfigurationError, StoreUnavailable
from coffrify_webhooks.observe import logger

from . import sqlite_checkpoints, sqlite_forks
from .relational import Execute, RelationalStore, Result
from .schema import ensure
from .sqlite_file import (
    Files,
    create_private,
    identify,
    identify_beside,
    may_begin,
    transaction,
    write_ahead,
)
from .statements import SCHEMA
from .turn import Turn, WouldWait, make_turn

__all__ = ["SQLiteStore"]

_LOOK_EVERY = 0.1
"""Seconds between two looks whether the files beside ours are still there."""
_SETTLE = ("checkpoint", "done", "queued", "failed", "dead", "release")
_SHORT = frozenset(("claim", *_SETTLE, "conflict", "lock", "unlock"))
"""What an event loop may wait for: one small transaction each, without a flush to the disk."""
_LARGE = 65_536
"""Bytes from which on a body takes too long to write."""
_WAITS = (0.001, 0.002, 0.005, 0.01, 0.025)
"""Seconds between two tries while another process writes; the last of them again and again."""


class SQLiteStore(RelationalStore):
    """A store in one file.

    path: the file; created on first use, in a folder that must exist. timeout: seconds to wait for
    another process's write before StoreUnavailable. synchronous: "FULL" survives a power cut, and
    costs a disk flush for each event. clock: seconds since 1970.

    Raises ConfigurationError if the folder is missing or not writable, or the file cannot be used.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        timeout: float = 4.0,
        synchronous: Literal["NORMAL", "FULL"] = "NORMAL",
        clock: Callable[[], float] = now,
    ) -> None:
        super().__init__("sqlite", pyformat=False, clock=clock)
        self.path: Path = Path(path).absolute()
        self._name = str(self.path)
        folder = self.path.parent
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            raise ConfigurationError(
                f"the sqlite store's folder {str(folder)!r} is missing or not writable; create it, "
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
        self.place: str = f"sqlite:{self.path.resolve()}"
        """What it shares with every other store in this file."""
        self._turn: Turn = make_turn(self._timeout)
        self._on_loop = 0
        """The thread whose turn it is, if that runs an event loop, so that it must not wait."""
        self._has_written = False
        self._connection: sqlite3.Connection | None = None
        self._opened: Files = (None,)
        self._beside: Files = ()
        self._next_look = 0.0
        self._inherited: list[sqlite3.Connection] = []  # never closed: see after_fork_in_child
        self._checkpoints = sqlite_checkpoints.Checkpoints(self._connect_beside)
        sqlite_forks.register(self)
        if self.path.exists():
            self._look_inside()

    def __del__(self) -> None:
        connection = getattr(self, "_connection", None)
        if connection is not None:
            connection.close()

    def __repr__(self) -> str:
        return f"SQLiteStore({str(self.path)!r})"

    def beside(self) -> "SQLiteStore":
        """Return another store of the same file, whose long reads block no call of this one."""
        return SQLiteStore(self.path, timeout=2 * self._timeout, clock=self._clock or now)

    def close(self) -> None:
        """See `Store.close`."""
        with suppress(StoreUnavailable), self._turn:
            self._drop()

    def _look_inside(self) -> None:
        """Tell at once if the file is not for us; that it is busy will pass."""
        try:
            with self._session():
                pass
        except StoreUnavailable as error:
            if getattr(error.__cause__, "sqlite_errorname", "") == "SQLITE_NOTADB":
                raise ConfigurationError(
                    f"{str(self.path)!r} is not an sqlite database; name another file in store="
                ) from None
        self.close()

    def at_once(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Call a method on the thread of an event loop, where it takes a third of a hop to another.

        Raises WouldWait, with nothing done, if it might block: while another thread or process
        writes, for the disk, or because the file is not open.
        """
        large = any(type(each) is bytes and len(each) > _LARGE for each in arguments)
        if method not in _SHORT or large or self._synchronous != "NORMAL":
            raise WouldWait
        with self._turn.at_once():
            if self._connection is None or identify(self._name) != self._opened:
                raise WouldWait
            if monotonic() >= self._next_look:
                if identify_beside(self._name) != self._beside:
                    raise WouldWait
                self._next_look = monotonic() + _LOOK_EVERY
            self._has_written, self._on_loop = False, get_ident()
            try:
                return getattr(self, method)(*arguments, **options)
            finally:
                self._on_loop = 0

    @contextmanager
    def _session(self) -> Generator[Execute]:
        """Lend the connection to one thread at a time; each call takes microseconds."""
        if self._on_loop == get_ident():  # the turn is ours
            with self._reopening_on_error():
                yield self._execute_at_once
        else:
            with self._turn, self._reopening_on_error():
                self._open()
                yield self._execute
        self._checkpoints.count_call()

    @contextmanager
    def _reopening_on_error(self) -> Generator[None]:
        """Open the connection afresh next time if it is damaged, or was broken off by a signal."""
        try:
            yield
        except WouldWait:
            raise
        except BaseException as error:
            self._drop()
            if not isinstance(error, sqlite3.Error):
                raise
            raise StoreUnavailable(f"the sqlite store failed ({type(error).__name__})") from error

    def _execute(self, statement: str, row: Mapping[str, Any]) -> Result:
        """Execute a statement; while another process writes, wait for it.

        It is we who wait, and not sqlite, which would do so on an event loop as well.
        """
        give_up, waits = monotonic() + self._timeout, iter(_WAITS)
        while True:
            try:
                return self._connection.execute(statement, row)  # type: ignore[union-attr]
            except sqlite3.OperationalError as error:
                if not _is_busy(error) or monotonic() > give_up:
                    raise
            time.sleep(next(waits, _WAITS[-1]))

    def _execute_at_once(self, statement: str, row: Mapping[str, Any]) -> Result:
        try:
            result = self._connection.execute(statement, row)  # type: ignore[union-attr]
        except sqlite3.OperationalError as error:
            if not _is_busy(error):
                raise
            if not self._has_written:
                raise WouldWait from None
            result = self._execute(statement, row)  # a read, after the write that took the lock
        self._has_written = self._has_written or result.rowcount > 0
        return result

    def _open(self) -> None:
        """Open the connection, if it is not open or not to the files that are there now."""
        is_saved = False
        if self._connection is not None:
            if identify(self._name) != self._opened:
                self._abandon()
            elif monotonic() >= self._next_look:
                self._next_look = monotonic() + _LOOK_EVERY
                now = identify_beside(self._name)
                if now != self._beside:
                    is_saved = self._save(self._connection, now)
        if self._connection is None:
            self._connection = self._connect(is_saved=is_saved)
            self._opened = identify(self._name)
            self._beside = identify_beside(self._name)

    def _save(self, connection: sqlite3.Connection, now: Files) -> bool:
        """Move what the removed files held into ours, unless others have begun new ones."""
        begun = any(new not in (None, old) for new, old in zip(now, self._beside, strict=True))
        saved = False
        if not begun:
            with suppress(sqlite3.Error):
                connection.execute(f"PRAGMA busy_timeout = {self._timeout * 1000:.0f}")
                checkpoint = connection.execute("PRAGMA wal_checkpoint(FULL)")
                busy, frames, moved = checkpoint.fetchone()
                saved = not busy and frames == moved
        logger.error(
            "%s-wal or -shm was removed while the file was in use: %s. Exclude the three "
            "files from any clean-up",
            self._name,
            "its content was saved" if saved else "some events may be handled again",
        )
        if begun:
            self._abandon()
        else:
            self._drop()
        return saved

    def _abandon(self) -> None:
        """Close without a last write: the files of these names are others' now."""
        if sys.version_info >= (3, 12) and self._connection is not None:
            self._connection.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, True)  # noqa: FBT003
        self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connect(self, *, is_saved: bool) -> sqlite3.Connection:
        give_up = monotonic() + self._timeout
        while True:
            if not is_saved and not may_begin(self._name):
                if monotonic() > give_up:
                    raise StoreUnavailable(
                        "the sqlite store's -wal or -shm was removed while other processes have it "
                        "open; they notice at their next delivery, or restart them"
                    )
                time.sleep(0.01)
                continue
            create_private(self.path)
            database = sqlite3.connect(
                self.path, timeout=self._timeout, isolation_level=None, check_same_thread=False
            )
            try:
                return self._prepare(database)
            except sqlite3.OperationalError:
                # Several processes making the file WAL at once: sqlite refuses without waiting.
                database.close()
                if monotonic() > give_up:
                    raise
                time.sleep(0.01)
            except BaseException:
                database.close()
                raise

    def _prepare(self, database: sqlite3.Connection) -> sqlite3.Connection:
        with transaction(database):
            ensure(database.execute, self._sql, _is_refusal, grants=_GRANTS)
        write_ahead(database)
        sqlite_checkpoints.leave_to_us(database)
        database.execute(f"PRAGMA synchronous = {self._synchronous}")
        database.execute(f"SELECT 1 FROM {SCHEMA}")  # now the files beside ours are there
        database.execute("PRAGMA busy_timeout = 0")  # from now on see _execute
        return database

    def _connect_beside(self) -> sqlite3.Connection | None:
        """Open another connection to what the first one has open, if that is still there."""
        with self._turn:
            now = identify(self._name), identify_beside(self._name)
            if self._connection is None or now != (self._opened, self._beside):
                return None
            beside = sqlite3.connect(
                self._name, timeout=0, isolation_level=None, check_same_thread=False
            )
            beside.execute(f"SELECT 1 FROM {SCHEMA}")  # which opens the files beside ours
            return beside

    def before_fork(self) -> bool:
        """Close the connection, and lend none until the fork is over.

        sqlite keeps its locks per process, and its records of them in memory: a child that inherits
        an open connection would assume locks that it does not have.
        """
        if not self._turn.take():
            return False
        self._drop()
        return True

    def after_fork_in_parent(self) -> None:
        """Lend the connection again."""
        self._turn.give_back()

    def after_fork_in_child(self) -> None:
        """Abandon a connection that was in use at the fork; closing it would harm the parent."""
        if self._connection is not None:
            self._inherited.append(self._connection)
            self._connection = None
        self._turn = make_turn(self._timeout)


def _is_refusal(error: Exception) -> bool:
    return isinstance(error, sqlite3.Error) and error.sqlite_errorname in (
        "SQLITE_ERROR",
        "SQLITE_READONLY",
        "SQLITE_CONSTRAINT_PRIMARYKEY",
    )


def _is_busy(error: sqlite3.OperationalError) -> bool:
    return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


_GRANTS = "make the file writable, or name another in store="
