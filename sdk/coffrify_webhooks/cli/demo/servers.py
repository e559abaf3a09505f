"""The example apps as real servers on loopback, and a worker: none of them outlives the demo."""

import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import NamedTuple

from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.extras import needs

__all__ = ["ENGINES", "SERVERS", "Running", "Server", "check_requirements", "running"]

_SETTINGS = Path(__file__).with_name("gunicorn_conf.py")
_UNWANTED = ("GUNICORN_", "UVICORN_", "WEB_CONCURRENCY", "FLASK_", "DJANGO_", "COFFRIFY_", "DBOS_")
"""Variables of the caller's own servers."""
_GRACE = 3.0
_START_UP = 30.0
_MODULES = ("gunicorn", "uvicorn", "flask", "django", "starlette", "dbos")
_SANDBOX = ("httpx2", "jinja2", "jsonschema")


class Server(NamedTuple):
    """An application and what serves it."""

    name: str
    runner: str
    app: str
    """A function that returns the application: `module:function`."""
    worker: str = ""
    """The module of its Receiver, if a worker handles its events."""


SERVERS = (
    Server("Flask", "gunicorn", "coffrify_webhooks_examples.demo_apps:flask"),
    Server("Django", "gunicorn", "coffrify_webhooks_examples.demo_apps:django"),
    Server("Starlette", "uvicorn", "coffrify_webhooks_examples.demo_apps:starlette"),
)
ENGINES = (
    Server(
        "Flask + DBOS",
        "gunicorn",
        "coffrify_webhooks_examples.demo_apps:flask_with_dbos",
        "coffrify_webhooks_examples.demo_engine",
    ),
)


class Processes:
    """All that was started; nothing more is, once they are being stopped."""

    def __init__(self) -> None:
        self._started: list[subprocess.Popen[bytes]] = []
        self._stopping = False
        self._lock = Lock()  # a worker is started while a signal may already end the demo

    def start(
        self, command: list[str], folder: Path, settings: dict[str, str], *files: int
    ) -> subprocess.Popen[bytes]:
        """Start one, in a session of its own; what it writes is added to the log."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(_UNWANTED)}
        with self._lock, (folder / "log").open("ab") as log:
            if self._stopping:
                raise InterruptedError("the demo is at its end")
            process = subprocess.Popen(  # noqa: S603 - our own command
                command,
                env=inherited | settings,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=files,
                start_new_session=True,
            )
            self._started.append(process)
            return process

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """kill -9."""
        with self._lock:
            if not self._stopping:
                _signal(process, signal.SIGKILL)
                process.wait()
                self._started.remove(process)  # its number may soon be another's

    def stop(self) -> None:
        """End them all, however deaf they are."""
        with self._lock:
            self._stopping = True
        # From here on the list stays as it is.
        for process in self._started:
            _signal(process, signal.SIGTERM)
        deadline = monotonic() + _GRACE
        for process in self._started:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0, deadline - monotonic()))
        for process in self._started:
            _signal(process, signal.SIGKILL)  # also workers that their master left behind
            process.wait()


class Running(NamedTuple):
    """A server's process, and all that a sender has to know of it."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    settings: dict[str, str]
    folder: Path
    processes: Processes
    worker: str

    @property
    def secret(self) -> str:
        """What deliveries are signed with."""
        return self.settings["COFFRIFY_WEBHOOK_SECRET"]

    @property
    def store(self) -> str:
        """The URL of its store."""
        return self.settings["COFFRIFY_WEBHOOKS_STORE"]

    def start_worker(self) -> subprocess.Popen[bytes]:
        """Start a worker beside the server."""
        main = "from coffrify_webhooks.cli import main; main()"
        command = [sys.executable, "-c", main, "worker", "--app", self.worker]
        return self.processes.start(command, self.folder, self.settings)

    def wait_until_up(self) -> str:
        """Return once it answers; raises OSError or HTTPException if it does not."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=_START_UP)
        try:
            connection.request("GET", "/")
            return f"{connection.getresponse().status} up"
        finally:
            connection.close()

    @property
    def journal(self) -> Path:
        """The file to which the handlers write that they ran."""
        return self.folder / "journal"

    def mark(self, event_id: str) -> Path:
        """Return the file for which the handlers of an event wait."""
        return self.journal.with_name(f"{event_id}.mark")

    def last_log_lines(self, count: int = 15) -> list[str]:
        """Return the end of what the server wrote."""
        text = (self.folder / "log").read_text(encoding="utf-8", errors="replace")
        return text.splitlines()[-count:]


def check_requirements() -> None:
    """Raise ConfigurationError if the demo cannot run here."""
    if os.name != "posix":
        raise ConfigurationError("the demo needs gunicorn, which runs on Linux and macOS")
    with needs("demo"):
        for module in (*_MODULES, *_SANDBOX):
            if find_spec(module) is None:
                raise ModuleNotFoundError(name=module)


@contextmanager
def running(servers: Sequence[Server], folder: Path) -> Generator[list[Running]]:
    """Start the servers, and on the way out end them, whatever happened."""
    processes = Processes()
    try:
        yield [
            _start(server, folder / f"server-{i}", processes) for i, server in enumerate(servers)
        ]
    finally:
        processes.stop()


def _start(server: Server, folder: Path, processes: Processes) -> Running:
    from coffrify_webhooks_examples.journal import VARIABLE

    folder.mkdir()
    (folder / "journal").touch()
    settings = {
        "COFFRIFY_WEBHOOK_SECRET": f"whsec_{secrets.token_hex(32)}",
        "COFFRIFY_WEBHOOKS_STORE": f"sqlite:///{folder / 'webhooks.db'}",
        VARIABLE: str(folder / "journal"),
    }
    # Bound and listening here: no other process can take the port, and requests wait for the
    # server to come up. Once ours is closed, they fail at once if it dies instead.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        fd, port = listener.fileno(), listener.getsockname()[1]
        process = processes.start(_command(server, fd), folder, settings, fd)
    return Running(server.name, process, port, settings, folder, processes, server.worker)


def _command(server: Server, fd: int) -> list[str]:
    if server.runner == "gunicorn":
        options = ["--config", str(_SETTINGS), "--bind", f"fd://{fd}", f"{server.app}()"]
    else:
        options = ["--fd", str(fd), "--timeout-graceful-shutdown", "1", "--factory", server.app]
    return [sys.executable, "-m", server.runner, *options]


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    """Signal the whole group: the session that the server was started in."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
