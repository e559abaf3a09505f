"""Where the events commands look, and whose handlers they run: --store, --app, the environment."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from subprocess import CompletedProcess
from typing import Protocol

import pytest
from click.testing import CliRunner
from tests.cli.stored_events import StoredEvents
from tests.servers.preloaded import Preloaded

from coffrify_webhooks.cli.events import events
from coffrify_webhooks.cli.source import Source
from coffrify_webhooks.stores.memory import MemoryStore

COMMAND = str(Path(sys.executable).with_name("coffrify-webhooks"))
HANDLERS = """
from coffrify_webhooks import on

@on("transfer.*")
def announce(event):
    print("announced", event.id)
"""
RECEIVER = """
from coffrify_webhooks import Receiver
receiver = Receiver("a-secret-for-tests", store="sqlite:///store.db")
"""
HOLD = """
import sqlite3, sys
database = sqlite3.connect("store.db", isolation_level=None)
database.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""
SLOW = """
import time
from coffrify_webhooks import on

@on("transfer.*")
def announce(event):
    print("begun", event.id, flush=True)
    time.sleep(1)
    print("ended", event.id, flush=True)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and no store in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COFFRIFY_WEBHOOKS_STORE", raising=False)
    monkeypatch.delenv("COFFRIFY_WEBHOOK_SECRET", raising=False)
    return tmp_path


def fill(path: Path, *names: str) -> None:
    """Make a store with these events, dead, and one second between them."""
    stored_events = StoredEvents(path)
    for number, name in enumerate(names):
        stored_events.put(name, "dead", age=100 - number)
    stored_events.store.close()


class Command(Protocol):
    """Runs the installed command, and asserts its exit code."""

    def __call__(self, *arguments: str, status: int = 0) -> "CompletedProcess[str]": ...


@pytest.fixture
def command(preloaded: Preloaded) -> Command:
    """Run the installed command in the working directory."""

    def run(*arguments: str, status: int = 0) -> "CompletedProcess[str]":
        ran = preloaded.run(COMMAND, "events", *arguments)
        assert ran.returncode == status, ran
        assert "Traceback" not in ran.stderr
        return ran

    return run


def listed(*arguments: str) -> list[str]:
    """The ids that the command lists."""
    ran = CliRunner().invoke(events, ["list", "--json", *arguments])
    assert ran.exit_code == 0, ran.output
    return [json.loads(line)["id"] for line in ran.stdout.splitlines()]


def told(*arguments: str) -> str:
    """The one line on stderr of a command that cannot be run here."""
    ran = CliRunner().invoke(events, arguments)
    assert ran.exit_code == 2, ran.output
    assert ran.stdout == ""
    return ran.stderr.splitlines()[-1]


# --- --store ---


def test_the_option_comes_before_the_variable_and_the_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--store comes before the variable, and that before the file in the working directory."""
    for name in ("coffrify-webhooks", "variable", "option"):
        fill(folder / f"{name}.db", name)
    assert listed() == ["coffrify-webhooks"]
    monkeypatch.setenv("COFFRIFY_WEBHOOKS_STORE", "sqlite:///variable.db")
    assert listed() == ["variable"]
    assert listed("--store", "sqlite:///option.db") == ["option"]


def test_without_a_store_no_file_is_made(folder: Path) -> None:
    """Without any it names --store, and makes no file."""
    assert "Name it by --store or COFFRIFY_WEBHOOKS_STORE" in told()
    assert list(folder.iterdir()) == []


def test_a_missing_file_is_reported_and_not_made(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is not there is told, and not made, whoever names it."""
    assert "store init" in told("--store", "sqlite:///gone.db")
    monkeypatch.setenv("COFFRIFY_WEBHOOKS_STORE", "sqlite:///gone.db")
    assert "gone.db" in told("stats")
    assert list(folder.iterdir()) == []


@pytest.mark.usefixtures("folder")
def test_a_store_in_memory_is_refused() -> None:
    """A store in memory is refused: this process would see nothing in it."""
    assert "only to its own process" in told("--store", "memory:")


@pytest.mark.usefixtures("folder")
def test_an_unusable_url_is_reported_without_its_password() -> None:
    """A URL of no store is told in a line that does not have its password."""
    line = told("--store", "gopher://user:hunter2@host/db")
    assert line.startswith("Error: no store is known by a URL that begins 'gopher:'")
    assert "hunter2" not in line


def test_a_file_that_is_no_database_stays_as_it_was(folder: Path) -> None:
    """A file that is no database exits 2, and stays as it was."""
    path = folder / "store.db"
    path.write_text("something else, and long enough to be looked at by sqlite" * 20)
    before = path.read_bytes()
    assert "is not an sqlite database" in told("--store", f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_an_unavailable_store_exits_with_one_line(folder: Path, command: Command) -> None:
    """A store that does not answer exits 2 with one line: nothing was looked at."""
    fill(folder / "store.db", "evt_1")
    held = subprocess.Popen(
        [
            sys.executable,
            "-c",
            HOLD,
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with held:
        assert held.stdout
        held.stdout.readline()
        ran = command("forget", "evt_1", "--yes", "--store", "sqlite:///store.db", status=2)
        held.communicate()
    (line,) = ran.stderr.splitlines()
    assert line.startswith("Error: the sqlite store failed")
    assert line.endswith("check that its server or file can be used from here, and try again")


# --- obj ---


def test_an_embedding_program_uses_its_own_source() -> None:
    """A program's own source is used, and its user cannot name another."""
    stored_events = StoredEvents()
    stored_events.put("evt_1")
    assert "evt_1" in stored_events.run().stdout
    for option in (["--store", "memory:"], ["--app", "json"]):
        ran = stored_events.run("list", *option, status=2)
        assert "determined by your settings" in ran.stderr


def test_embedded_stays_open(tmp_path: Path) -> None:
    """A store that was given is not closed."""

    class Closing(MemoryStore):
        closed = False

        def close(self) -> None:
            self.closed = True

    store = Closing()
    assert CliRunner().invoke(events, [], obj=Source(store, None)).exit_code == 0
    assert not store.closed


# --- --app ---


def test_a_module_that_registers_handlers_is_enough(folder: Path, command: Command) -> None:
    """A module that registers handlers is enough; the folder need not be on the path."""
    (folder / "shop").mkdir()
    (folder / "shop" / "webhooks.py").write_text(HANDLERS)
    fill(folder / "coffrify-webhooks.db", "evt_1")
    ran = command("replay", "--dead", "--app", "shop.webhooks")
    assert ran.stdout == "announced evt_1\n1 handled, 0 failed, 0 queued, 0 skipped\n"
    assert "evt_1" in command("--status", "done").stdout


def test_no_exception_text(folder: Path, command: Command) -> None:
    """What a handler raises is named, and its text kept off the terminal."""
    (folder / "hooks.py").write_text(f"{HANDLERS}\n    raise ValueError('confidential')\n")
    fill(folder / "coffrify-webhooks.db", "evt_1")
    ran = command("replay", "--dead", "--app", "hooks", status=1)
    assert ran.stderr == "evt_1 failed: hooks:announce raised ValueError at hooks.py:8\n"


@pytest.mark.parametrize("app", ["hooks", "hooks:receiver"])
def test_a_modules_receiver_is_found_by_name_or_without(
    folder: Path, command: Command, app: str
) -> None:
    """A module's Receiver is found with and without its name, and its store is used."""
    (folder / "hooks.py").write_text(RECEIVER + HANDLERS)
    fill(folder / "store.db", "evt_1")
    fill(folder / "other.db", "evt_2")
    assert "announced evt_1" in command("replay", "--dead", "--app", app).stdout
    assert "evt_1" in command("show", "evt_1", "--app", app).stdout
    ran = command("replay", "--dead", "--app", app, "--store", "sqlite:///other.db")
    assert "announced evt_2" in ran.stdout


def test_missing_file_of_receiver(folder: Path, command: Command) -> None:
    """A Receiver whose file is not there yet has no events to look at, and makes no file."""
    (folder / "hooks.py").write_text(RECEIVER)
    assert "store.db" in command("--app", "hooks", status=2).stderr
    assert not (folder / "store.db").exists()


@pytest.mark.parametrize(
    ("app", "source", "said"),
    [
        (
            "hooks",
            RECEIVER + "other = Receiver('another-secret-of-ours', store='memory:')",
            "--app hooks:receiver or :",
        ),
        ("hooks:gone", RECEIVER, "hooks has no Receiver of that name"),
        ("hooks:Receiver", RECEIVER, "hooks has no Receiver of that name"),
        ("gone", "", "there is no module 'gone' in this folder"),
        (":x", "", "could not be imported"),
        ("hooks", "1 +", "SyntaxError"),
        ("hooks", "{}['key']", "KeyError: 'key'"),
        ("hooks", "from coffrify_webhooks import Receiver; Receiver()", "there is no secret"),
    ],
)
def test_a_bad_app_is_reported_in_one_line(
    folder: Path, command: Command, app: str, source: str, said: str
) -> None:
    """What cannot be imported or is no Receiver is told in one line, and exits 2."""
    (folder / "hooks.py").write_text(source)
    ran = command("replay", "--dead", "--app", app, "--store", "sqlite:///x.db", status=2)
    (line,) = ran.stderr.splitlines()
    assert said in line


def test_same_receiver_twice(folder: Path, command: Command) -> None:
    """One Receiver under two names is one."""
    (folder / "hooks.py").write_text(RECEIVER + "again = receiver\n" + HANDLERS)
    fill(folder / "store.db", "evt_1")
    assert "evt_1" in command("--app", "hooks").stdout


# --- Ctrl-C ---


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
@pytest.mark.parametrize("times", [1, 2])
def test_an_interrupt_lets_the_handler_end(folder: Path, times: int) -> None:
    """Ctrl-C lets the handler end and tells the counts; a second one tells them at once."""
    (folder / "hooks.py").write_text(SLOW)
    fill(folder / "coffrify-webhooks.db", "evt_1", "evt_2", "evt_3")
    with subprocess.Popen(
        [COMMAND, "events", "replay", "--dead", "--yes", "--app", "hooks"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as ran:
        assert ran.stdout
        assert ran.stderr
        assert ran.stdout.readline() == "begun evt_1\n"
        ran.send_signal(signal.SIGINT)
        assert ran.stderr.readline() == "\n"
        assert "stopping after this event" in ran.stderr.readline()
        if times > 1:
            ran.send_signal(signal.SIGINT)
        out, err = ran.communicate(timeout=30)
    assert "Traceback" not in err
    assert ran.returncode == 130
    if times == 1:
        assert out == "ended evt_1\n1 handled, 0 failed, 0 queued, 0 skipped; 2 not tried\n"
    else:
        assert out == "0 handled, 0 failed, 0 queued, 0 skipped; 3 not tried\n"
