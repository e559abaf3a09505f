"""`sandbox --with-example`: something to try the sandbox with, in one command."""

import json
import re
import shlex
import signal
import sys
import time
import urllib.request
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest
from click.testing import CliRunner
from tests.servers.preloaded import Preloaded
from tests.servers.process import own_environment

from coffrify_webhooks.cli import sandbox_example
from coffrify_webhooks.cli.group import commands
from coffrify_webhooks_sandbox.service import Service


class Running(Protocol):
    """Runs the command until Ctrl-C, and yields what it has printed, by its first words."""

    def __call__(self, file: Path | str, *more: str) -> AbstractContextManager[dict[str, str]]: ...


@pytest.fixture
def running(preloaded: Preloaded, tmp_path: Path) -> Running:
    @contextmanager
    def run(file: Path | str, *more: str) -> Generator[dict[str, str]]:
        output, errors = tmp_path / "output", tmp_path / "errors"
        output.unlink(missing_ok=True)
        words = ["sandbox", "--port", "0", "--db", str(file), "--with-example", *more]
        command = [str(Path(sys.executable).with_name("coffrify-webhooks")), *words]
        process = preloaded.start(command, tmp_path, own_environment(), output, errors)
        try:
            while not (printed := output.read_text()).partition("\ntry ")[2].endswith("\n"):
                assert process.poll() is None, errors.read_text()
                time.sleep(0.02)
            lines = [line.strip().partition("  ") for line in printed.splitlines()]
            yield {name: text.strip() for name, _, text in lines}
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0
            assert output.read_text().startswith(printed)
            assert errors.read_text() == ""
        finally:
            process.kill()

    return run


def triggered(told: dict[str, str]) -> str:
    """Do what the last line says is to be tried, and return what was answered."""
    _, *words = shlex.split(told["try"])
    ran = CliRunner().invoke(commands, words)
    assert ran.exit_code == 0, ran.output
    return ran.stdout


def endpoints(told: dict[str, str]) -> list[Any]:
    headers = {"Authorization": f"Bearer {told['API key']}"}
    request = urllib.request.Request(f"{told['API']}/webhooks", headers=headers)
    with urllib.request.urlopen(request, timeout=30) as response:
        found: list[Any] = json.load(response)["data"]
    return found


def test_the_example_handles_what_is_triggered(running: Running, tmp_path: Path) -> None:
    """What is triggered is handled by it, in the next run too, and Ctrl-C ends both, in silence."""
    file = tmp_path / "sandbox.db"
    with running(file) as told:
        assert f"{told['example']}: 200 handled in " in triggered(told)
        [first] = endpoints(told)
    first_line, second_line = (tmp_path / "output").read_text().splitlines()[-2:]
    assert re.fullmatch(rf"-> transfer.created [\w-]+ POST {told['example']}", first_line)
    assert re.fullmatch(r"<- 200 handled \d+ ms \([\w-]+\)", second_line)
    with running(file) as told:
        assert f"{told['example']}: 200 handled in " in triggered(told)
        [second] = endpoints(told)
        assert second["url"] == told["example"]
    assert first["id"] == second["id"]


def test_example_of_an_open_sandbox(running: Running, tmp_path: Path) -> None:
    """Where others can reach the sandbox, what is printed to be tried has the key it needs."""
    with running(tmp_path / "sandbox.db", "--host", "0.0.0.0") as told:
        assert told["try"].endswith(f" --api-key {told['API key']}")
        assert ": 200 handled in " in triggered(told)


@pytest.mark.parametrize("host", ["::", "[::1]"])
def test_example_of_another_address(running: Running, host: str) -> None:
    """What is printed to be tried can be typed as it is, whatever is in the key and the address."""
    key = "-k'$HOME \"&;`".replace(" ", "")
    with running(":memory:", "--host", host, "--api-key", key) as told:
        assert "--sandbox 'http://[::1]:" in told["try"]
        assert ": 200 handled in " in triggered(told)
        if host == "::":
            assert shlex.split(told["try"])[-2:] == ["--api-key", key]


def test_endpoint_is_kept(tmp_path: Path) -> None:
    """Its endpoint is made active again, and made anew after it was deleted."""
    service = Service(db=tmp_path / "sandbox.db")
    with sandbox_example.example(service) as first:
        service.endpoints.update(first.id, {"is_active": False, "name": "Mine"})
    with sandbox_example.example(service) as second:
        assert (second.id, second.name, second.is_active) == (first.id, "Mine", True)
        service.endpoints.delete(second.id)
    with sandbox_example.example(service) as third:
        assert service.database.endpoints() == [third]
    service.close()


def test_without_flask_the_example_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without Flask, which the example is made with, nothing begins but to say what to install."""
    monkeypatch.setitem(sys.modules, "flask", None)
    file = tmp_path / "sandbox.db"
    words = ["sandbox", "--port", "0", "--db", str(file), "--with-example"]
    ran = CliRunner().invoke(commands, words)
    assert (ran.exit_code, ran.stdout, file.exists()) == (2, "", False)
    assert 'flask is not installed; run: pip install "coffrify-webhooks[flask]"' in ran.stderr
