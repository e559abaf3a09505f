"""The files beside the sqlite store's, -wal and -shm, removed while it is open."""

import queue
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from coffrify_webhooks import StoreUnavailable
from coffrify_webhooks.stores import sqlite
from coffrify_webhooks.stores.sqlite import SQLiteStore
from coffrify_webhooks.stores.statements import EVENTS

OTHER = """
import sys
from coffrify_webhooks.stores.sqlite import SQLiteStore
store = SQLiteStore(sys.argv[1], timeout=0.4)
for line in sys.stdin:
    try:
        print(store.claim(line.strip(), "d", 60.0).status, flush=True)
    except Exception as error:
        print(error, flush=True)
"""
REMOVED = [("-wal", "-shm"), ("-wal",), ("-shm",)]


class Process:
    """Another process that has the file open from its first claim on."""

    def __init__(self, path: Path) -> None:
        command = [sys.executable, "-c", OTHER, str(path)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)

    def claim(self, key: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{key}\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()

    def end(self) -> None:
        self._process.communicate()


@pytest.fixture(autouse=True)
def looking_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look whether the files are there at each call, not ten times a second."""
    monkeypatch.setattr(sqlite, "_LOOK_EVERY", 0.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def store(path: Path) -> Iterator[SQLiteStore]:
    made = SQLiteStore(path)
    yield made
    made.close()


@pytest.fixture
def other(path: Path) -> Iterator[Process]:
    made = Process(path)
    yield made
    made.end()


def remove(path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        path.with_name(path.name + name).unlink()


@pytest.mark.parametrize("names", REMOVED, ids="".join)
def test_what_removed_files_held_is_saved(
    path: Path, store: SQLiteStore, names: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    """The process that has them open moves it into the file, says so, and goes on with new ones."""
    token = store.claim("k", "d", 60.0).token
    remove(path, names)
    assert store.done("k", token)
    assert "removed while the file was in use: its content was saved" in caplog.text
    assert store.claim("k", "d", 60.0).status == "done"
    assert caplog.text.count("was removed while") == 1
    fresh = SQLiteStore(path)
    assert fresh.claim("k", "d", 60.0).status == "done"
    fresh.close()


@pytest.mark.parametrize("names", REMOVED, ids="".join)
def test_nobody_begins_anew_beside_them(
    path: Path, store: SQLiteStore, other: Process, names: tuple[str, ...]
) -> None:
    """A process that comes later runs no event again: it says why it waits, then knows all."""
    store.done("k", store.claim("k", "d", 60.0).token)
    remove(path, names)
    assert "was removed while other processes have it open" in other.claim("k")
    assert store.claim("k", "d", 60.0).status == "done"  # noticed, and saved
    assert other.claim("k") == "done"
    assert other.claim("new") == "claimed"
    assert store.claim("new", "d", 60.0).status == "busy"


@pytest.mark.parametrize("names", REMOVED, ids="".join)
def test_two_that_had_the_files_open_agree_again(
    path: Path, store: SQLiteStore, other: Process, names: tuple[str, ...]
) -> None:
    """Neither waits for the other to notice, and what one claims is busy for the other."""
    assert store.claim("one", "d", 60.0).status == "claimed"
    assert other.claim("two") == "claimed"
    remove(path, names)
    assert store.claim("two", "d", 60.0).status == "busy"
    assert store.claim("three", "d", 60.0).status == "claimed"
    assert [other.claim(key) for key in ("one", "two", "three")] == ["busy"] * 3
    assert other.claim("four") == "claimed"
    assert store.claim("four", "d", 60.0).status == "busy"


def test_files_left_by_a_killed_process_are_no_obstacle(path: Path) -> None:
    """After kill -9 and a clean-up nobody has the file open: the next process begins at once."""
    process = Process(path)
    assert process.claim("k") == "claimed"
    process._process.kill()
    process.end()
    remove(path, ("-shm",))
    store = SQLiteStore(path, timeout=0.4)
    assert store.claim("k", "d", 60.0).status == "busy"
    store.close()


def test_threads_that_begin_at_once_are_not_refused(path: Path) -> None:
    """Opening and closing look like removed files for a moment, for which others wait."""
    failed: list[StoreUnavailable] = []

    def use(number: int) -> None:
        try:
            for turn in range(5):
                store = SQLiteStore(path)
                store.claim(f"{number} {turn}", "d", 60.0)
                store.close()
        except StoreUnavailable as error:
            failed.append(error)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_checkpoints_run_in_a_thread_beside_the_deliveries(tmp_path: Path) -> None:
    """What was written ahead is moved into the file without a commit that waits for it."""
    store = SQLiteStore(tmp_path / "store.db")
    moved: queue.SimpleQueue[str] = queue.SimpleQueue()
    connect = store._connect_beside

    def noted() -> sqlite3.Connection | None:
        moved.put(threading.current_thread().name)
        return connect()

    checkpoints = store._checkpoints
    vars(checkpoints)["_connect"] = lambda: noted
    for number in range(130):
        store.done(f"{number}", store.claim(f"{number}", "d", 60).token)
    assert moved.get(timeout=30) == "coffrify-webhooks-checkpoints"
    with checkpoints.lock:  # it is over
        pass
    with closing(sqlite3.connect(f"file:{store.path}?immutable=1", uri=True)) as file:
        # Without the log, which is not read so: what is there has been moved.
        [count] = file.execute(f"SELECT COUNT(*) FROM {EVENTS}").fetchone()
    assert count > 100
    store.close()


def test_commits_leave_the_log_alone(tmp_path: Path) -> None:
    """A log of the length at which SQLite would move it by itself is left to the thread."""
    store = SQLiteStore(tmp_path / "store.db")
    with store._session():
        assert store._connection is not None
        [pages] = store._connection.execute("PRAGMA wal_autocheckpoint").fetchone()
    assert pages >= 16_000
    store.close()
