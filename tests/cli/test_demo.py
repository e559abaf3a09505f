"""The demo: real servers and a worker keep the promises, and none of them outlives it."""

import io
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from coffrify_webhooks.cli.demo import cases, servers, slow, table
from coffrify_webhooks.cli.demo.board import Board
from coffrify_webhooks.cli.demo.servers import SERVERS, Server

pytestmark = pytest.mark.skipif(os.name != "posix", reason="gunicorn needs POSIX")

MAIN = "\nfrom coffrify_webhooks.cli import main\nmain()\n"
WITH = """
from coffrify_webhooks.cli.demo import servers
servers.SERVERS = (servers.Server("Ours", "uvicorn", "served:app"),)
servers.ENGINES = ()
"""
WITH_DBOS = "coffrify_webhooks_examples.demo_apps:flask_with_dbos"
TELL_GROUPS = """
from coffrify_webhooks.cli.demo import servers
start = servers.Processes.start
def telling(*arguments):
    process = start(*arguments)
    print("group", process.pid, flush=True)
    return process
servers.Processes.start = telling
"""
SAYS_HANDLED = """
def app():
    async def handled(scope, receive, send):
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"outcome": "handled"}'})
    return handled
"""
INLINE = """
from flask import Flask
from coffrify_webhooks import Receiver
from coffrify_webhooks.flask import CoffrifyWebhooks
from coffrify_webhooks_examples import demo_handlers
receiver = Receiver()
def app():
    made = Flask(__name__)
    CoffrifyWebhooks(made, receiver)
    made.add_url_rule("/", "index", lambda: "")
    return made
"""
ELSEWHERE = """
from coffrify_webhooks import Receiver
from coffrify_webhooks_examples import demo_handlers
receiver = Receiver(name="another", dispatcher="dbos+sqlite:///engine.db")
"""
FASTAPI = """
from coffrify_webhooks_examples import demo_handlers
def app():
    from coffrify_webhooks_examples.fastapi_app import app
    return app
"""


DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(60)
"""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def command(setup: str) -> list[str]:
    return [sys.executable, "-c", setup + MAIN, "demo"]


def demo(setup: str = "", served: Path | None = None) -> "subprocess.CompletedProcess[str]":
    """Run the demo; `served` is a folder that has a module of that name."""
    path = f"{served or ''}:{os.environ.get('PYTHONPATH', '')}"
    return subprocess.run(
        command(setup),
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def with_worker(app: str, worker: str, patience: float = 30.0) -> str:
    """Leave only the part of the demo that has a worker, with another application."""
    return (
        "from coffrify_webhooks.cli.demo import servers, slow\n"
        f"servers.SERVERS, slow._PATIENCE = (), {patience}\n"
        f"servers.ENGINES = (servers.Server('Ours', 'gunicorn', {app!r}, {worker!r}),)"
    )


def gone(group: int) -> bool:
    """Tell whether no process of a group is left, allowing init a moment to reap."""
    for _ in range(100):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


def test_every_promise_is_kept_in_real_servers_and_a_worker() -> None:
    """The whole demo exits 0 and prints each case with what came of it, per framework."""
    ran = demo()
    assert ran.returncode == 0, ran.stdout + ran.stderr
    lines = [re.split(r"  +", line) for line in ran.stdout.splitlines()]
    assert ["", "Flask", "Django", "Starlette"] in lines
    for case in cases.script().cases:
        assert [case.name, *[case.promise.partition(" (")[0]] * 3] in lines
    assert ["", "Flask + DBOS"] in lines
    for case in slow.slow_script().cases:
        assert [case.name, case.promise] in lines
    assert "all as promised" in ran.stdout


def test_the_fastapi_example_keeps_the_same_promises(tmp_path: Path) -> None:
    """The FastAPI example, which the demo leaves out to stay small, plays the same script."""
    (tmp_path / "served.py").write_text(FASTAPI)
    ran = demo(WITH, tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_wrong_outcome_fails_the_demo(tmp_path: Path) -> None:
    """A server that answers "handled" to everything is found out, case by case, with exit 1."""
    (tmp_path / "served.py").write_text(SAYS_HANDLED)
    ran = demo(WITH, tmp_path)
    assert ran.returncode == 1
    for told in (
        "forgery: promised 400 rejected (signature_mismatch), came 200 handled",
        "duplicate: promised 200 duplicate, came 200 handled",
        "... the other: promised 503 busy (busy, Retry-After), came 200 handled",
        "handlers ran: promised once each, came not once",
        "the end of its log:",
    ):
        assert told in ran.stdout


def test_a_server_that_does_not_start_fails_the_demo_with_its_log() -> None:
    """An app that cannot be imported ends the demo at once, with exit 1 and the reason."""
    ran = demo(WITH)
    assert ran.returncode == 1
    assert re.search(r"server is up: promised 200 up, came no answer \(\w+\)", ran.stdout)
    assert 'Could not import module "served"' in ran.stdout


def test_an_answer_that_waits_for_the_slow_handler_fails_the_demo(tmp_path: Path) -> None:
    """Without an engine the slow event is answered when its handler is done: found out."""
    (tmp_path / "served.py").write_text(INLINE)
    ran = demo(with_worker("served:app", "served"), tmp_path)
    assert ran.returncode == 1
    assert "the answer: promised 200 queued, came 200 handled, too late (2" in ran.stdout


def test_a_worker_that_does_not_start_fails_the_demo_with_its_log() -> None:
    """A worker that ends at once is told of, with its exit code and what it said."""
    ran = demo(with_worker(WITH_DBOS, "coffrify_webhooks_examples.journal"))
    assert ran.returncode == 1
    assert (
        "in the worker: promised begun, came the end of the worker (exit code 2)" in ran.stdout
    ), ran.stdout
    assert "there is no Receiver in this module" in ran.stdout


def test_an_event_that_the_worker_never_begins_fails_the_demo(tmp_path: Path) -> None:
    """A worker that lives and is given nothing is waited for so long, and no longer."""
    (tmp_path / "served.py").write_text(ELSEWHERE)
    ran = demo(with_worker(WITH_DBOS, "served", patience=3.0), tmp_path)
    assert ran.returncode == 1
    assert "in the worker: promised begun, came nothing within 3 s" in ran.stdout, ran.stdout


def test_what_is_missing_is_named() -> None:
    """Without gunicorn the demo exits 2 with the pip command, before it starts anything."""
    ran = demo(
        "import importlib.util as u\nfind = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name == 'gunicorn' else find(name, *rest)\n"
    )
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert ran.stderr == (
        'Error: gunicorn is not installed; run: pip install "coffrify-webhooks[demo]"\n'
    )


@pytest.mark.parametrize(
    ("number", "when", "how_many"),
    [
        (signal.SIGINT, "server is up", 4),
        (signal.SIGTERM, "server is up", 4),
        (signal.SIGINT, "a new worker", 6),
    ],
)
def test_a_signal_leaves_no_process_and_no_file_behind(
    number: signal.Signals, when: str, how_many: int, tmp_path: Path
) -> None:
    """Ctrl-C or SIGTERM in the middle ends every process group, workers' too, within seconds."""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        command(TELL_GROUPS), env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        groups = []
        for line in process.stdout:
            if line.startswith("group"):
                groups.append(int(line.split()[1]))
            if line.startswith(when):
                break
        process.send_signal(number)
        rest = process.stdout.read()
    assert process.returncode == 128 + number
    assert "all as promised" not in rest
    assert len(groups) == how_many
    assert all(map(gone, groups))
    assert list(tmp_path.iterdir()) == []


def test_an_exception_ends_the_servers(tmp_path: Path) -> None:
    """Whatever is raised while the servers run, none of them survives it."""
    with (
        pytest.raises(ZeroDivisionError),
        servers.running(
            [server for server in SERVERS if server.name == "Starlette"], tmp_path
        ) as started,
    ):
        raise ZeroDivisionError
    assert len(started) == 1
    assert gone(started[0].process.pid)


def test_a_server_that_ignores_sigterm_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGKILL follows when SIGTERM did not help."""
    monkeypatch.setattr(servers, "_command", lambda *_: [sys.executable, "-c", DEAF])
    monkeypatch.setattr(servers, "_GRACE", 0.1)
    with servers.running([Server("Deaf", "", "")], tmp_path) as [server]:
        log = Path(server.folder, "log")
        while not log.read_text():
            time.sleep(0.01)
    assert server.process.returncode == -signal.SIGKILL


def test_a_terminal_gets_a_live_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal the table is redrawn as outcomes come, with counts and wrong ones marked."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")
    many, one = cases.Case("many", "200 handled", 2), cases.Case("one", "200 ignored")
    board = Board([many, one], ["Flask"])
    with table.shown(board) as refresh:
        for case, came in ((many, "200 handled"), (one, "500 failed (handler_failed)")):
            board.put(case, "Flask", came)
            refresh()
    assert "1 of 2" in terminal.getvalue()
    assert "500 failed (!)" in terminal.getvalue()
