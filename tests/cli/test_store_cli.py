"""`store init`: a store is made ready, as often as one likes, and named without its password."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.cli.stored_events import StoredEvents
from tests.servers.postgres import Postgres

from coffrify_webhooks import Receiver, Router, sign
from coffrify_webhooks.cli.group import commands
from coffrify_webhooks.cli.store import _without_password


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and no store in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COFFRIFY_WEBHOOKS_STORE", raising=False)
    return tmp_path


def init(*arguments: str, status: int = 0) -> Result:
    ran = CliRunner().invoke(commands, ["store", "init", *arguments])
    assert ran.exit_code == status, ran.output
    return ran


def test_a_new_store_gets_its_tables(folder: Path) -> None:
    """A new store gets its tables, and the events commands then work on it."""
    ran = init("--store", "sqlite:///new.db")
    assert ran.stdout == "the store sqlite:///new.db is ready; events: 0\n"
    listed = CliRunner().invoke(commands, ["events", "--store", "sqlite:///new.db"])
    assert (listed.exit_code, listed.output) == (0, "no events\n")


def test_a_ready_store_keeps_what_it_has(folder: Path) -> None:
    """A store that is ready keeps what it has."""
    stored_events = StoredEvents(folder / "store.db")
    stored_events.put("evt_1")
    stored_events.store.close()
    for _ in range(2):
        assert init("--store", "sqlite:///store.db").stdout.endswith("ready; events: 1\n")


def test_without_the_option_it_is_the_default_store(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without --store it is that of the variable, else the file in the working directory."""
    init()
    monkeypatch.setenv("COFFRIFY_WEBHOOKS_STORE", "sqlite:///variable.db")
    init()
    assert (folder / "coffrify-webhooks.db").exists()
    assert (folder / "variable.db").exists()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("memory:", "needs no tables"),
        ("gopher://user:hunter2@host/db", "no store is known"),
        ("sqlite:///gone/store.db", "missing or not writable"),
    ],
)
def test_an_unusable_store_exits_with_one_line(url: str, said: str) -> None:
    """A store that cannot be exits 2 with one line, and no password."""
    ran = init("--store", url, status=2)
    (line,) = ran.stderr.splitlines()
    assert said in line
    assert "hunter2" not in line


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://shop:hunter2@db:5432/events", "postgresql://db/events"),
        ("redis://:hunter2@cache/0", "redis://cache/0"),
        ("mysql://shop:hunter2%40x@db/events?password=hunter2@x", "mysql://db/events"),
        ("postgresql://shop:hunter2@p@db/events#hunter2", "postgresql://db/events"),
        ("postgresql://shop:2/hunter2@db/events", "postgresql://shop"),
        ("postgresql://shop:2?hunter2@db/events", "postgresql://shop"),
        ("sqlite:////var/lib/store.db?synchronous=FULL", "sqlite:////var/lib/store.db"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    """A URL is shown without its password and its query, however they are written."""
    assert _without_password(url) == shown


def test_the_installed_command_has_its_help() -> None:
    """The installed command has it, with its help."""
    command = str(Path(sys.executable).with_name("coffrify-webhooks"))
    ran = subprocess.run(
        [command, "store", "init", "--help"], capture_output=True, text=True, check=True
    )
    assert "COFFRIFY_WEBHOOKS_STORE" in ran.stdout


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg_async"])
def test_an_async_store_works_in_commands(postgres: Postgres, driver: str) -> None:
    """The URL of an async application is one for each command too."""
    url = postgres.database("async_cli").replace("postgresql:", f"postgresql+{driver}:")
    assert "is ready; events: 0" in init("--store", url).stdout
    router = Router()
    router.on("*", name="handler")(lambda event: None)
    receiver = Receiver("whsec_" + "ab" * 32, store=url, router=router)
    body = b'{"id": "evt_1", "type": "ping"}'
    assert receiver.receive(body, sign(body, "whsec_" + "ab" * 32)).outcome == "handled"
    receiver.store.close()
    for command, said in (("", "evt_1"), ("stats", "done"), ("show evt_1", "ping")):
        ran = CliRunner().invoke(commands, ["events", *command.split(), "--store", url])
        assert ran.exit_code == 0, ran.output
        assert said in ran.output


@pytest.mark.parametrize("words", [["store", "init"], ["events", "list"], ["keys"]])
def test_a_server_that_does_not_answer_is_one_line(
    words: list[str], capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """It names the remedy, and promises no delivery that would try again."""
    url = "postgresql://user:secret@127.0.0.1:1/name"
    ran = CliRunner().invoke(commands, [*words, "--store", url])
    (line,) = ran.stderr.splitlines()
    assert line.startswith("Error: ")
    assert line.endswith(("and try again", "--app myapp.webhooks"))
    assert (caplog.text, *capfd.readouterr(), ran.stdout) == ("", "", "", "")
