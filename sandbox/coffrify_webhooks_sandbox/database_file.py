"""Opens the sandbox's SQLite file, and explains why it cannot be used."""

from __future__ import annotations

import os
import sqlite3
from contextlib import ExitStack
from pathlib import Path

from coffrify_webhooks.stores.sqlite_file import create_private

__all__ = ["DAMAGED", "file_error_reason", "open_file"]

DAMAGED = "it is damaged, for example by a full disk; move or delete it and start again"
_VERSION = 1
_SCHEMA = """
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE endpoints (
    id TEXT PRIMARY KEY, name TEXT, url TEXT, description TEXT, events TEXT, is_active INTEGER,
    secret TEXT, old_secret TEXT, old_until REAL, created_at REAL, success_count INTEGER,
    failure_count INTEGER, dead_in_a_row INTEGER
);
CREATE TABLE events (
    number INTEGER PRIMARY KEY, id TEXT UNIQUE, type TEXT, body BLOB, created_at REAL, test INTEGER
);
CREATE TABLE deliveries (
    number INTEGER PRIMARY KEY, id TEXT UNIQUE, event_id TEXT, endpoint_id TEXT, status TEXT,
    created_at REAL, next_at REAL, attempts INTEGER, first_failed_at REAL, replay_of TEXT,
    manner TEXT, reason TEXT
);
CREATE TABLE attempts (
    id INTEGER PRIMARY KEY, delivery_id TEXT, number INTEGER, at REAL, wall_at REAL, headers TEXT,
    body BLOB, status INTEGER, error TEXT, seconds REAL, reply_headers TEXT, reply BLOB
);
CREATE INDEX due ON deliveries (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX deliveries_by_event ON deliveries (event_id);
CREATE INDEX deliveries_by_endpoint ON deliveries (endpoint_id, number);
CREATE INDEX deliveries_by_status ON deliveries (status, number);
CREATE INDEX attempts_by_delivery ON attempts (delivery_id, id);
CREATE TABLE replies (key TEXT PRIMARY KEY, digest TEXT, status INTEGER, body TEXT, at REAL);
"""


def open_file(name: str) -> sqlite3.Connection:
    """Open or create the file of a sandbox; it holds secrets, so only its owner may read it.

    Raises sqlite3.Error for a file that is not a sandbox's or cannot be used; the reason is in
    `file_error_reason`.
    """
    if name != ":memory:":
        create_private(name)
    file = sqlite3.connect(name, timeout=1, isolation_level=None, check_same_thread=False)
    file.row_factory = sqlite3.Row
    with ExitStack() as undo:
        undo.callback(file.close)
        _prepare(file)
        undo.pop_all()
    return file


def _prepare(file: sqlite3.Connection) -> None:
    run = file.execute
    run("PRAGMA locking_mode = EXCLUSIVE")  # a second sandbox would send everything again
    [version] = run("PRAGMA user_version").fetchone()
    [tables] = run("SELECT count(*) FROM sqlite_master").fetchone()
    if version != _VERSION and (version or tables):
        raise sqlite3.DatabaseError("it was created by another program")
    if run("PRAGMA quick_check(1)").fetchone()[0] != "ok":
        raise sqlite3.DatabaseError(DAMAGED)
    run("PRAGMA journal_mode = WAL")
    run("PRAGMA synchronous = NORMAL")  # a killed process loses nothing by it
    if version != _VERSION:
        file.executescript(f"BEGIN;{_SCHEMA}PRAGMA user_version = {_VERSION};COMMIT;")


_REASONS = {
    sqlite3.SQLITE_BUSY: "another sandbox is using it",
    sqlite3.SQLITE_LOCKED: "another sandbox is using it",
    sqlite3.SQLITE_NOTADB: "it was created by another program",
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_CANTOPEN: "it cannot be written",
    sqlite3.SQLITE_READONLY: "it cannot be written",
    sqlite3.SQLITE_PERM: "it cannot be written",
}


def file_error_reason(name: str, error: sqlite3.Error) -> str:
    """Return the reason why a file cannot be used."""
    is_folder = os.path.isdir  # raises nothing, as Path.is_dir does where one may not look
    folder = Path(os.path.realpath(name)).parent
    if is_folder(name):
        return "it is a folder"
    if not is_folder(folder):
        return f"there is no folder {folder}"
    kind = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without what extends it
    return _REASONS.get(kind) or str(error)
