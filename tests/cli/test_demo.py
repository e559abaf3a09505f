"""The demo: real servers and a worker get what the sandbox sends, and none of them outlives it."""

import io
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from coffrify_webhooks.cli.demo import cases, command, servers, slow, table
from coffrify_webhooks.cli.demo.board import Board
from coffrify_webhooks.cli.demo.servers import SERVERS, Server
from coffrify_webhooks.cli.failure import Failed

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
BESIDE = """
from coffrify_webhooks.cli.demo import servers
healthy = servers.SERVERS[-1]
servers.SERVERS = (servers.Server("Ours", "uvicorn", "served:app"), healthy)
servers.ENGINES = ()
"""
ANSWERS_500 = SAYS_HANDLED.replace("200", "200 if scope['method'] == 'GET' else 500")
DIES = SAYS_HANDLED.replace(
    "headers =", "scope['method'] == 'GET' or __import__('os')._exit(3)\n        headers ="
)
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


def words(setup: str) -> list[str]:
    return [sys.executable, "-c", setup + MAIN, "demo"]


def demo(folder: Path, setup: str = "") -> "subprocess.CompletedProcess[str]":
    """Run the demo in a folder, which may have the module `served`."""
    path = f"{folder}:{os.environ.get('PYTHONPATH', '')}"
    return subprocess.run(
        words(setup),
        cwd=folder,
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


def test_every_promise_is_kept_in_real_servers_and_a_worker(tmp_path: Path) -> None:
    """The whole demo exits 0, prints each case with its outcome, and leaves a summary."""
    ran = demo(tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stderr == ""
    lines = [re.split(r"  +", line) for line in ran.stdout.splitlines()]
    assert ["", "Flask", "Django", "Starlette"] in lines
    for case in cases.script().cases:
        assert [case.name, *[case.promise.partition(" (")[0]] * 3] in lines
    assert ["", "Flask + DBOS"] in lines
    for case in slow.slow_script().cases:
        assert [case.name, case.promise] in lines
    *_, verdict, last = ran.stdout.splitlines()
    assert "all as promised" in verdict
    assert last == f"Summary: {tmp_path / 'coffrify-demo.md'}"
    summary = (tmp_path / "coffrify-demo.md").read_text()
    assert verdict in summary
    assert "| forgery | 400 rejected (signature_mismatch) | 400 rejected |" in summary
    assert "| Django | 5" in summary or "| Django | 6" in summary
    assert summary.count("\n| handler finished | once | once |") == 1
    attempts = re.findall(
        r"^\| (\d+) \| ([^|]+) \| 500 failed \(handler_failed\) \|$", summary, re.MULTILINE
    )
    assert [number for number, _ in attempts] == [str(number) for number in range(1, 13)]
    assert attempts[0][1] == "0 s"
    assert 50 <= int(attempts[-1][1].removesuffix(" h")) <= 72
    assert "| replayed |  | 200 handled |" in summary


def test_the_fastapi_example_keeps_the_same_promises(tmp_path: Path) -> None:
    """The FastAPI example, which the demo leaves out to stay small, plays the same script."""
    (tmp_path / "served.py").write_text(FASTAPI)
    ran = demo(tmp_path, WITH)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_wrong_outcome_fails_the_demo(tmp_path: Path) -> None:
    """A server that answers "handled" to everything is found out, case by case, with exit 1."""
    (tmp_path / "served.py").write_text(SAYS_HANDLED)
    ran = demo(tmp_path, WITH)
    assert ran.returncode == 1
    summary = (tmp_path / "coffrify-demo.md").read_text()
    for told in (
        "forgery: promised 400 rejected (signature_mismatch), got 200 handled",
        "duplicate: promised 200 duplicate, got 200 handled",
        "... and succeeds on the retry: promised 200 handled, got not tried again",
        "... the other: promised 503 busy (busy, Retry-After), got 200 handled",
        "... what becomes of it: promised dead letter, got success",
        "handlers ran: promised once each, got not once",
    ):
        assert told in ran.stdout
        assert f"- Ours: {told}" in summary
    assert "the end of its log:" in ran.stdout
    assert "not every outcome is the one promised" in summary


def test_a_server_that_always_fails_fails_the_demo(tmp_path: Path) -> None:
    """A server that never takes anything has its endpoint disabled in the end, and that is told."""
    (tmp_path / "served.py").write_text(ANSWERS_500)
    ran = demo(tmp_path, WITH)
    assert ran.returncode == 1
    assert "ping: promised 200 ignored, got 500 without a readable reply" in ran.stdout
    assert (
        "replayed: promised 200 handled (the same event), got an error (the endpoint" in ran.stdout
    )
    assert ran.stderr == ""


def test_a_server_that_dies_is_told_of_and_the_others_go_on(tmp_path: Path) -> None:
    """A server that is lost on the way fails the demo, and the server beside it does not."""
    (tmp_path / "served.py").write_text(DIES)
    ran = demo(tmp_path, BESIDE)
    assert ran.returncode == 1
    assert re.search(r"events of the catalog: promised 200 handled, got no answer \(", ran.stdout)
    lines = ran.stdout.splitlines()
    assert "Ours" in lines
    assert "Starlette" not in lines  # as the heading of what was not kept
    assert [line for line in lines if re.fullmatch(r"handlers ran +- +once each", line)]


def test_a_server_that_does_not_start_fails_the_demo_with_its_log(tmp_path: Path) -> None:
    """An app that cannot be imported ends the demo at once, with exit 1 and the reason."""
    ran = demo(tmp_path, WITH)
    assert ran.returncode == 1
    assert re.search(r"server is up: promised 200 up, got no answer \(\w+\)", ran.stdout)
    assert 'Could not import module "served"' in ran.stdout


def test_an_answer_that_waits_for_the_slow_handler_fails_the_demo(tmp_path: Path) -> None:
    """Without an engine the slow event is answered when its handler is done: found out."""
    (tmp_path / "served.py").write_text(INLINE)
    ran = demo(tmp_path, with_worker("served:app", "served"))
    assert ran.returncode == 1
    assert "the answer: promised 200 queued, got 200 handled, too late (2" in ran.stdout


def test_a_worker_that_does_not_start_fails_the_demo_with_its_log(tmp_path: Path) -> None:
    """A worker that ends at once is told of, with its exit code and what it said."""
    ran = demo(tmp_path, with_worker(WITH_DBOS, "coffrify_webhooks_examples.journal"))
    assert ran.returncode == 1
    assert "in the worker: promised begun, got the end of the worker (exit code 2)" in ran.stdout, (
        ran.stdout
    )
    assert "there is no Receiver in this module" in ran.stdout


def test_an_event_that_the_worker_never_begins_fails_the_demo(tmp_path: Path) -> None:
    """A worker that lives and is given nothing is waited for so long, and no longer."""
    (tmp_path / "served.py").write_text(ELSEWHERE)
    ran = demo(tmp_path, with_worker(WITH_DBOS, "served", patience=3.0))
    assert ran.returncode == 1
    assert "in the worker: promised begun, got nothing within 3 s" in ran.stdout, ran.stdout


def test_a_summary_that_cannot_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is no place for the summary, the demo says so, with exit 1."""
    monkeypatch.chdir(tmp_path)
    Path("coffrify-demo.md").mkdir()
    with pytest.raises(Failed, match=r"summary could not be written: .*coffrify-demo\.md"):
        command._write("# ...")


@pytest.mark.parametrize("module", ["gunicorn", "httpx2"])
def test_what_is_missing_is_named(tmp_path: Path, module: str) -> None:
    """Without a package the demo exits 2 with the pip command, before it starts anything."""
    ran = demo(
        tmp_path,
        "import importlib.util as u\nfind = u.find_spec\n"
        f"u.find_spec = lambda name, *rest: None if name == {module!r} else find(name, *rest)\n",
    )
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert ran.stderr == (
        f'Error: {module} is not installed; run: pip install "coffrify-webhooks[demo]"\n'
    )


@pytest.mark.parametrize(
    ("number", "when", "how_many"),
    [
        pytest.param(signal.SIGINT, "server is up", 4, marks=pytest.mark.long),
        (signal.SIGTERM, "server is up", 4),
        (signal.SIGINT, "a new worker", 6),
    ],
)
def test_a_signal_leaves_no_process_and_no_file_behind(
    number: signal.Signals, when: str, how_many: int, tmp_path: Path
) -> None:
    """Ctrl-C or SIGTERM in the middle ends every process group, and leaves no summary either."""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        words(TELL_GROUPS),
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        groups = []
        for line in process.stdout:
            if line.startswith("group"):
                groups.append(int(line.split()[1]))
            if line.startswith(when):
                break
        process.send_signal(number)
        rest = process.stdout.read()
        errors = process.stderr.read()
    assert process.returncode == 128 + number
    assert "all as promised" not in rest
    assert errors == ""
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
        for case, outcome in ((many, "200 handled"), (one, "500 failed (handler_failed)")):
            board.put(case, "Flask", outcome)
            refresh()
    assert "1 of 2" in terminal.getvalue()
    assert "500 failed (!)" in terminal.getvalue()
