"""The sqlite store among processes: races, forks, kills, and files that are not what they were."""

import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from coffrify_webhooks import ConfigurationError, StoreUnavailable
from coffrify_webhooks.stores import open_store
from coffrify_webhooks.stores.memory import MemoryStore
from coffrify_webhooks.stores.sqlite import SQLiteStore

PROCESSES = 8
IDS = 500


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def store(path: Path) -> Iterator[SQLiteStore]:
    made = SQLiteStore(path)
    yield made
    made.close()


def start(script: str, *arguments: object) -> "subprocess.Popen[str]":
    """Start a Python process that runs the script; it may read a line and print lines."""
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def race(script: str, *arguments: object) -> list[str]:
    """Run the script in eight processes that begin at the same moment; return what each printed.

    Each prints a line when it is ready, and reads a line before it begins.
    """
    with ExitStack() as stack:
        racers = [stack.enter_context(start(script, *arguments)) for _ in range(PROCESSES)]
        for racer in racers:
            assert racer.stdout is not None
            assert racer.stdout.readline() == "ready\n"
        for racer in racers:
            assert racer.stdin is not None
            racer.stdin.write("go\n")
            racer.stdin.flush()
        printed = [racer.communicate(timeout=60)[0] for racer in racers]
        assert [racer.returncode for racer in racers] == [0] * PROCESSES
    return printed


# --- processes --------------------------------------------------------------------------------

CLAIM_ALL = f"""
import json, sys
from coffrify_webhooks.stores.sqlite import SQLiteStore
store = SQLiteStore(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
won = []
for number in range({IDS}):
    claim = store.claim(f"k{{number}}", "d", 60)
    if claim.status == "claimed":
        won.append(number)
        if number % 2:
            assert store.done(f"k{{number}}", claim.token)
    else:
        assert claim.status in ("busy", "done"), claim
print(json.dumps(won))
"""


def test_each_id_is_claimed_once(path: Path, store: SQLiteStore) -> None:
    """Eight processes claim the same 500 ids: each is given to exactly one, and none fails."""
    won = [number for printed in race(CLAIM_ALL, path) for number in json.loads(printed)]
    assert sorted(won) == list(range(IDS))
    assert store.claim("k1", "d", 60).status == "done"
    assert store.claim("k2", "d", 60).status == "busy"


def test_each_expired_claim_is_taken_over_once(path: Path, store: SQLiteStore) -> None:
    """The same race over 500 claims that a dead process left behind: each has one heir."""
    for number in range(IDS):
        store.claim(f"k{number}", "d", -1)
    won = [number for printed in race(CLAIM_ALL, path) for number in json.loads(printed)]
    assert sorted(won) == list(range(IDS))


CREATE = """
import sys
from coffrify_webhooks.stores.sqlite import SQLiteStore
print("ready", flush=True)
sys.stdin.readline()
for number in range(10):
    claim = SQLiteStore(f"{sys.argv[1]}.{number}").claim("k", "d", 60)
    print(claim.status)
"""


def test_many_make_the_file_at_once(path: Path) -> None:
    """Eight processes make the same new file at the same moment, ten times; one claims in each."""
    printed = [answers.split() for answers in race(CREATE, path)]
    for answers in zip(*printed, strict=True):
        assert sorted(answers) == ["busy"] * (PROCESSES - 1) + ["claimed"]


def test_file_is_written_while_it_is_made(path: Path) -> None:
    """Another process that writes to the new file just then delays its making, and no more."""
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("CREATE TABLE other (x)")
    other.execute("BEGIN IMMEDIATE")
    other.execute("INSERT INTO other VALUES (1)")
    later = threading.Timer(0.1, other.execute, ["COMMIT"])
    later.start()
    store = SQLiteStore(path)
    assert store.claim("k", "d", 60).status == "claimed"
    later.join()
    other.close()
    store.close()


HANG = """
import sys, threading
from coffrify_webhooks import Receiver, Router, sign
router = Router()
@router.on("*")
def hang(event):
    print("handling", flush=True)
    threading.Event().wait()
secret = "whsec_" + "ab" * 16
receiver = Receiver(secret, router=router, store=f"sqlite:///{sys.argv[1]}", lease=0.6)
body = b'{"type": "ping", "id": "evt_1"}'
receiver.receive(body, sign(body, secret))
"""


def test_killed_in_a_handler(path: Path, store: SQLiteStore) -> None:
    """A process killed in a handler holds its claim for one more lease at the most."""
    from coffrify_webhooks.pipeline.identity import key_of

    key = key_of("default", "evt_1")
    with start(HANG, path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "handling\n"
        time.sleep(0.8)  # longer than the lease: it is renewed
        assert store.claim(key, "d", 0.6).status == "busy"
        process.kill()
    time.sleep(0.6)
    assert store.claim(key, "d", 0.6).status == "claimed"


def test_kill_mid_write_locks_nobody_out(path: Path, store: SQLiteStore) -> None:
    """A process killed inside a write leaves no lock and no half-written event behind."""
    store.claim("before", "d", 60)
    script = """
import sys, threading
from coffrify_webhooks.stores.sqlite import SQLiteStore
from coffrify_webhooks.stores.sqlite_file import transaction
store = SQLiteStore(sys.argv[1])
with store._session(), transaction(store._connection):
    store._connection.execute("DELETE FROM coffrify_webhooks_events")
    print("writing", flush=True)
    threading.Event().wait()
"""
    with start(script, path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        process.kill()
    assert store.claim("before", "d", 60).status == "busy"
    assert store.claim("after", "d", 60).status == "claimed"


def test_locked_by_another_process(path: Path) -> None:
    """While another process holds the write lock too long the store is unavailable; then not."""
    store = SQLiteStore(path, timeout=0.1)
    store.claim("a", "d", 60)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable):
        store.claim("b", "d", 60)
    other.execute("ROLLBACK")
    other.close()
    assert store.claim("b", "d", 60).status == "claimed"
    assert store.claim("a", "d", 60).status == "busy"
    store.close()


def test_held_too_long_by_another_thread(path: Path) -> None:
    """A caller that cannot have the connection in time is told so, and does not hang."""
    store = SQLiteStore(path, timeout=0.05)
    with store._session(), pytest.raises(StoreUnavailable, match="thread"):
        store.claim("a", "d", 60)
    assert store.claim("a", "d", 60).status == "claimed"
    store.close()


# --- forks ------------------------------------------------------------------------------------


def run_script(script: str, *arguments: object) -> str:
    """Run a script in a process of its own, so that it may fork; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

FORK_IN_USE = """
import os, sys
from coffrify_webhooks.stores.sqlite import SQLiteStore
store = SQLiteStore(sys.argv[1])
store.claim("before", "d", 60)
down, up = os.pipe(), os.pipe()
if os.fork() == 0:
    assert store.claim("before", "d", 60).status == "busy"
    assert store.claim("child", "d", 60).status == "claimed"
    os.write(up[1], b".")
    os.read(down[0], 1)
    assert store.claim("child 2", "d", 60).status == "claimed"
    assert store.claim("parent", "d", 60).status == "busy"
    os._exit(0)
os.read(up[0], 1)
assert store.claim("child", "d", 60).status == "busy"
store.close()
assert store.claim("parent", "d", 60).status == "claimed"
os.write(down[1], b".")
assert os.wait()[1] == 0
assert store.claim("child 2", "d", 60).status == "busy"
print("ok")
"""


@needs_fork
def test_fork_while_in_use(path: Path) -> None:
    """Parent and child of a fork see each other's claims, also when either closes the file."""
    assert run_script(FORK_IN_USE, path) == "ok\n"


FORK_LOCKED = """
import os, sys, threading
from coffrify_webhooks.stores.sqlite import SQLiteStore
from coffrify_webhooks.stores.sqlite_file import transaction
store = SQLiteStore(sys.argv[1])
store.claim("before", "d", 60)
inside, leave = threading.Event(), threading.Event()
def use():
    with store._session(), transaction(store._connection):
        inside.set()
        leave.wait()
user = threading.Thread(target=use)
user.start()
inside.wait()
threading.Timer(0.05, leave.set).start()
child = os.fork()
if child == 0:
    os._exit({"claimed": 0, "busy": 1}[store.claim("child", "d", 60).status])
assert os.waitpid(child, 0)[1] == 0
user.join()
assert store.claim("child", "d", 60).status == "busy"
assert store.claim("before", "d", 60).status == "busy"
print("ok")
"""


@needs_fork
def test_fork_while_another_thread_writes(path: Path) -> None:
    """A fork in the middle of another thread's write leaves both processes able to write."""
    assert run_script(FORK_LOCKED, path) == "ok\n"


FORK_STUCK = """
import os, sys, threading
from coffrify_webhooks.stores.sqlite import SQLiteStore
store = SQLiteStore(sys.argv[1], timeout=0.1)
store.claim("before", "d", 60)
inside, leave = threading.Event(), threading.Event()
def use():
    with store._session():
        inside.set()
        leave.wait()
user = threading.Thread(target=use)
user.start()
inside.wait()
child = os.fork()
if child == 0:
    os._exit({"claimed": 0, "busy": 1}[store.claim("child", "d", 60).status])
assert os.waitpid(child, 0)[1] == 0
leave.set()
user.join()
assert store.claim("child", "d", 60).status == "busy"
print("ok")
"""


@needs_fork
def test_fork_while_another_thread_is_stuck(path: Path) -> None:
    """A fork does not wait for ever for a thread that holds the store, and the child can use it."""
    assert run_script(FORK_STUCK, path) == "ok\n"


FORK_MANY = """
import os, sys, threading
from coffrify_webhooks.stores.sqlite import SQLiteStore
store = SQLiteStore(sys.argv[1])
stop = threading.Event()
def work(name):
    number = 0
    while not stop.is_set():
        number += 1
        claim = store.claim(f"{name}{number}", "d", 60)
        assert claim.status == "claimed" and store.done(f"{name}{number}", claim.token)
workers = [threading.Thread(target=work, args=(name,)) for name in "ab"]
for worker in workers:
    worker.start()
children = []
for number in range(20):
    child = os.fork()
    if child == 0:
        claim = store.claim(f"child{number}", "d", 60)
        assert claim.status == "claimed"
        os._exit(0 if store.done(f"child{number}", claim.token) else 1)
    children.append(child)
assert [os.waitpid(child, 0)[1] for child in children] == [0] * 20
stop.set()
for worker in workers:
    worker.join()
for number in range(20):
    assert store.claim(f"child{number}", "d", 60).status == "done"
print("ok")
"""


@needs_fork
def test_forks_under_load(path: Path) -> None:
    """Twenty forks while two threads write: every child can claim, and nothing it wrote is lost."""
    assert run_script(FORK_MANY, path) == "ok\n"


FORK_RECEIVER = """
import os, sys
from coffrify_webhooks import Receiver, Router, sign
secret = "whsec_" + "ab" * 16
router = Router()
@router.on("*", name="sync")
def one(event): pass
@router.on("*", name="async")
async def two(event): pass
receiver = Receiver(secret, router=router, store=f"sqlite:///{sys.argv[1]}")
def deliver(number):
    body = b'{"type": "ping", "id": "evt_%d"}' % number
    return receiver.receive(body, sign(body, secret)).outcome
assert deliver(1) == "handled"
if os.fork() == 0:
    os._exit(0 if (deliver(1), deliver(2)) == ("duplicate", "handled") else 1)
assert os.wait()[1] == 0
assert (deliver(2), deliver(3)) == ("duplicate", "handled")
print("ok")
"""


@needs_fork
def test_receiver_survives_a_fork(path: Path) -> None:
    """A receiver used before a fork, its loop and lease threads included, works in the child."""
    assert run_script(FORK_RECEIVER, path) == "ok\n"


# --- files ------------------------------------------------------------------------------------


def test_folder_is_missing(tmp_path: Path) -> None:
    """A path in a folder that is not there is refused at once, saying what to do."""
    with pytest.raises(ConfigurationError, match=r"missing or not writable; create it"):
        SQLiteStore(tmp_path / "nowhere" / "store.db")


def test_path_is_a_folder(tmp_path: Path) -> None:
    """A path that is a folder is refused at once, saying what to do."""
    with pytest.raises(ConfigurationError, match=r"is a folder; name a file"):
        SQLiteStore(tmp_path)


def test_made_on_first_use(path: Path) -> None:
    """Making a store touches no file, so that importing an application does not either."""
    store = SQLiteStore(path)
    assert not path.exists()
    store.claim("k", "d", 60)
    assert path.exists()
    store.close()


def foreign(path: Path, *statements: str) -> bytes:
    """Make a file with tables of somebody else's, and return it."""
    other = sqlite3.connect(path)
    for statement in statements:
        other.execute(statement)
    other.commit()
    other.close()
    return path.read_bytes()


def test_a_file_of_a_later_version_is_refused_untouched(path: Path) -> None:
    """A file of a later version is refused at once, with the remedy, and not touched."""
    before = foreign(
        path,
        "CREATE TABLE coffrify_webhooks_schema (version INTEGER)",
        "INSERT INTO coffrify_webhooks_schema VALUES (999)",
    )
    with pytest.raises(ConfigurationError, match="upgrade coffrify-webhooks"):
        SQLiteStore(path)
    assert path.read_bytes() == before


def test_a_table_that_is_not_ours(path: Path) -> None:
    """A table of our name with other columns is refused at once, and not touched."""
    before = foreign(path, "CREATE TABLE coffrify_webhooks_events (id INTEGER, what TEXT)")
    with pytest.raises(ConfigurationError, match="does not belong to coffrify-webhooks"):
        SQLiteStore(path)
    assert path.read_bytes() == before


def test_beside_tables_of_others(path: Path) -> None:
    """In a database of the application's own, our tables stand beside its own."""
    foreign(path, "CREATE TABLE events (id INTEGER)", "INSERT INTO events VALUES (7)")
    store = SQLiteStore(path)
    assert store.claim("k", "d", 60).status == "claimed"
    store.close()
    other = sqlite3.connect(path)
    assert other.execute("SELECT id FROM events").fetchall() == [(7,)]
    other.close()


def test_damaged_then_good_again(path: Path, store: SQLiteStore) -> None:
    """A damaged file makes the store unavailable; once the file is good, the store is too."""
    store.done("k", store.claim("k", "d", 60).token)
    store.close()
    good = path.read_bytes()
    path.write_bytes(b"this was a database once" * 1000)
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            store.claim("k", "d", 60)
    path.write_bytes(good)
    assert store.claim("k", "d", 60).status == "done"


def test_damaged_in_use(path: Path, store: SQLiteStore) -> None:
    """A table lost while the store is open is an unavailable store, and its return is noticed."""
    store.claim("k", "d", 60)
    other = sqlite3.connect(path)
    other.execute("ALTER TABLE coffrify_webhooks_events RENAME TO elsewhere")
    with pytest.raises(StoreUnavailable):
        store.claim("k", "d", 60)
    other.execute("ALTER TABLE elsewhere RENAME TO coffrify_webhooks_events")
    other.close()
    assert store.claim("k", "d", 60).status == "busy"


def test_error_says_nothing_of_the_content(path: Path, store: SQLiteStore) -> None:
    """An unavailable store's message holds neither sqlite's text nor the path."""
    path.write_bytes(b"junk" * 1000)
    with pytest.raises(StoreUnavailable) as caught:
        store.claim("k", "d", 60)
    assert str(path) not in str(caught.value)
    assert "not a database" not in str(caught.value)


def test_survives_the_process_that_made_it(path: Path, store: SQLiteStore) -> None:
    """What one store settled, another opened later on the same file knows."""
    store.done("k", store.claim("k", "d", 60).token)
    store.close()
    later = SQLiteStore(path)
    assert later.claim("k", "d", 60).status == "done"
    later.close()


def test_relative_path_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path is that of the moment the store was made, whatever chdir does later."""
    monkeypatch.chdir(tmp_path)
    store = SQLiteStore("store.db")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    store.claim("k", "d", 60)
    assert (tmp_path / "store.db").exists()
    store.close()


def test_journal_and_synchronous(path: Path) -> None:
    """The file is a WAL, and `synchronous` is what was asked for."""
    for asked, expected in (("NORMAL", 1), ("FULL", 2)):
        store = open_store(f"sqlite:///{path}?synchronous={asked}")
        assert isinstance(store, SQLiteStore)
        with store._session() as execute:
            assert execute("PRAGMA synchronous", {}).fetchone() == (expected,)
            assert execute("PRAGMA journal_mode", {}).fetchone() == ("wal",)
        store.close()


def test_clocks_that_differ_by_less_than_the_lease(path: Path) -> None:
    """A process whose clock is ahead by less than the lease takes no claim away."""
    here = SQLiteStore(path, clock=lambda: 1_700_000_000.0)
    ahead = SQLiteStore(path, clock=lambda: 1_700_000_059.9)
    behind = SQLiteStore(path, clock=lambda: 1_699_999_940.1)
    token = here.claim("k", "d", 60).token
    assert ahead.claim("k", "d", 60).status == "busy"
    assert behind.claim("k", "d", 60).status == "busy"
    assert here.done("k", token)
    assert [store.claim("k", "d", 60).status for store in (ahead, behind)] == ["done", "done"]
    for store in (here, ahead, behind):
        store.close()


# --- URLs -------------------------------------------------------------------------------------


def test_url_of_memory() -> None:
    """`memory:` is a store in memory, a new one each time."""
    assert isinstance(open_store("memory:"), MemoryStore)
    assert open_store("memory:") is not open_store("memory:")


@pytest.mark.parametrize("suffix", ["", "?synchronous=FULL", "?synchronous=NORMAL"])
def test_url_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    """Three slashes are a path from the working directory, four one from the root."""
    monkeypatch.chdir(tmp_path)
    relative = open_store(f"sqlite:///store.db{suffix}")
    absolute = open_store(f"sqlite:///{tmp_path}/store.db{suffix}")
    assert isinstance(relative, SQLiteStore)
    assert isinstance(absolute, SQLiteStore)
    assert relative.path == absolute.path == tmp_path / "store.db"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", '"memory:", "sqlite:///'),
        ("memory", '"memory:", "sqlite:///'),
        ("memory://", '"memory:", "sqlite:///'),
        ("store.db", '"memory:", "sqlite:///'),
        ("sqlite:store.db", "three slashes before a file"),
        ("sqlite://store.db", "three slashes before a file"),
        ("mongodb://host/db", "begins 'mongodb:'"),
        ("redsi://host", "begins 'redsi:'"),
        ("sqlite:///", "needs a file"),
        ("sqlite:///:memory:", '"memory:"'),
        ("sqlite:///a.db?timeout=3", "takes ?synchronous=FULL"),
        ("sqlite:///a.db?synchronous=OFF", "takes ?synchronous=FULL"),
        ("sqlite:////nowhere/at/all/a.db", "missing or not writable"),
    ],
)
def test_every_other_url_is_refused(url: str, says: str) -> None:
    """Every other URL is a ConfigurationError that names what would do."""
    with pytest.raises(ConfigurationError) as caught:
        open_store(url)
    assert says in str(caught.value)


def test_url_error_shows_no_password() -> None:
    """The error for an unknown URL does not repeat what may hold a password."""
    with pytest.raises(ConfigurationError) as caught:
        open_store("mongodb://user:hunter2@host/db")
    assert "hunter2" not in str(caught.value)


def test_a_deleted_file_is_not_written_on(path: Path, store: SQLiteStore) -> None:
    """A file deleted or replaced under a running process: it goes on with the one that is there."""
    other = SQLiteStore(path)
    assert store.claim("a", "d", 60).status == "claimed"
    for name in ("", "-wal", "-shm"):
        Path(f"{path}{name}").unlink(missing_ok=True)
    assert other.claim("b", "d", 60).status == "claimed"
    assert store.claim("b", "d", 60).status == "busy"
    other.close()


def test_a_file_that_is_not_writable_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that we may not write is told when the store is made."""
    path.touch()
    monkeypatch.setattr(os, "access", lambda where, mode: Path(where) != path)
    with pytest.raises(ConfigurationError, match="not writable"):
        SQLiteStore(path)


FORGOTTEN = """
import gc, sys
from coffrify_webhooks.stores.sqlite import SQLiteStore
SQLiteStore(sys.argv[1]).claim("a", "d", 60)
gc.collect()
kept = SQLiteStore(sys.argv[1])
kept.claim("b", "d", 60)
print("done")
"""


def test_nothing_is_left_open(path: Path) -> None:
    """A store that nobody closed closes its file by itself, when dropped and at exit."""
    run = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", FORGOTTEN, str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (run.stdout, run.stderr) == ("done\n", "")
    assert not Path(f"{path}-wal").exists()
