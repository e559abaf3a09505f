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
WITH_BROKEN = """
from coffrify_webhooks.cli.demo import servers
names = ("healthy", "agreeing", "refusing", "dying", "absent")
servers.SERVERS = tuple(
    servers.Server(name.replace("absent", "missing"), "uvicorn", f"{name}:app") for name in names
)
servers.ENGINES = ()
"""
WITH_BROKEN_WORKERS = """
from coffrify_webhooks.cli.demo import servers, slow
dbos = "coffrify_webhooks_examples.demo_apps:flask_with_dbos"
servers.SERVERS, slow._PATIENCE = (), 3.0
servers.ENGINES = (
    servers.Server("inline", "gunicorn", "inline:app", "inline"),
    servers.Server("ended", "gunicorn", dbos, "coffrify_webhooks_examples.journal"),
    servers.Server("idle", "gunicorn", dbos, "elsewhere"),
)
"""
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
SERVED = {
    "healthy": FASTAPI,
    "agreeing": SAYS_HANDLED,
    "refusing": ANSWERS_500,
    "dying": DIES,
}
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


def test_broken_servers_are_told_of_and_the_healthy_one_beside_them_goes_on(tmp_path: Path) -> None:
    """Each server's faults are found case by case, whatever another does; the exit code is 1.

    The healthy one is the FastAPI example, which the demo leaves out to stay small.
    """
    for name, source in SERVED.items():
        (tmp_path / f"{name}.py").write_text(source)
    ran = demo(tmp_path, WITH_BROKEN)
    assert ran.returncode == 1
    assert ran.stderr == ""
    assert "not every outcome is the one promised" in ran.stdout
    lines = ran.stdout.splitlines()
    headings = [line for line in lines if line in (*SERVED, "missing")]
    assert headings == ["agreeing", "refusing", "dying", "missing"]
    told = dict(
        zip(
            headings,
            re.split(r"^(?:agreeing|refusing|dying|missing)$", ran.stdout, flags=re.MULTILINE)[1:],
            strict=True,
        )
    )
    summary = (tmp_path / "coffrify-demo.md").read_text()

    # One that answers "handled" to everything.
    for wrong in (
        "forgery: promised 400 rejected (signature_mismatch), got 200 handled",
        "duplicate: promised 200 duplicate, got 200 handled",
        "... and succeeds on the retry: promised 200 handled, got not tried again",
        "... the other: promised 503 busy (busy, Retry-After), got 200 handled",
        "... its last status: promised dead letter, got success",
        "handlers ran: promised once each, got not once",
    ):
        assert wrong in told["agreeing"]
        assert f"- agreeing: {wrong}" in summary
    assert "the end of its log:" in told["agreeing"]
    assert "not every outcome is the one promised" in summary

    # One that never takes anything: its endpoint is disabled in the end.
    assert "ping: promised 200 ignored, got 500 without a readable reply" in told["refusing"]
    replayed = "replayed: promised 200 handled (the same event), got an error (the endpoint"
    assert replayed in told["refusing"]

    # One that is lost on the way, and one that never came.
    lost = r"events of the catalog: promised 200 handled, got no answer \("
    assert re.search(lost, told["dying"])
    assert re.search(r"server is up: promised 200 up, got no answer \(\w+\)", told["missing"])
    assert 'Could not import module "absent"' in told["missing"]


@pytest.mark.long
def test_broken_workers_are_told_of_each_by_its_fault(tmp_path: Path) -> None:
    """Without an engine the answer is late; a worker may not start, or be given nothing."""
    (tmp_path / "inline.py").write_text(INLINE)
    (tmp_path / "elsewhere.py").write_text(ELSEWHERE)
    ran = demo(tmp_path, WITH_BROKEN_WORKERS)
    assert ran.returncode == 1
    names = ("inline", "ended", "idle")
    parts = re.split(r"^(?:inline|ended|idle)$", ran.stdout, flags=re.MULTILINE)
    told = dict(zip(names, parts[1:], strict=True))
    assert "the answer: promised 200 queued, got 200 handled, too late (2" in told["inline"]
    end = "in the worker: promised begun, got the end of the worker (exit code 2)"
    assert end in told["ended"]
    assert "there is no Receiver in this module" in told["ended"]
    assert "in the worker: promised begun, got nothing within 3 s" in told["idle"]


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
    ("number", "setup", "when", "how_many"),
    [
        pytest.param(signal.SIGINT, "", "server is up", 4, marks=pytest.mark.long),
        (signal.SIGTERM, "", "server is up", 4),
        (signal.SIGINT, "servers.SERVERS = ()", "a new worker", 3),
    ],
)
def test_a_signal_leaves_no_process_and_no_file_behind(
    number: signal.Signals, setup: str, when: str, how_many: int, tmp_path: Path
) -> None:
    """Ctrl-C or SIGTERM in the middle ends every process group, and leaves no summary either."""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        words(TELL_GROUPS + setup),
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
