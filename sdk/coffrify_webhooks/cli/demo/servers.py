"""The example apps as real servers on loopback, none of which outlives the demo."""

import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.extras import needs

__all__ = ["SERVERS", "Running", "Server", "check_requirements", "running"]

_SETTINGS = Path(__file__).with_name("gunicorn_conf.py")
_UNWANTED = ("GUNICORN_", "UVICORN_", "WEB_CONCURRENCY", "FLASK_", "DJANGO_", "COFFRIFY_")
"""Variables of the caller's own servers."""
_GRACE = 3.0


class Server(NamedTuple):
    """An application and what serves it."""

    name: str
    runner: str
    app: str
    """A function that returns the application: `module:function`."""


SERVERS = (
    Server("Flask", "gunicorn", "coffrify_webhooks_examples.demo_apps:flask"),
    Server("Django", "gunicorn", "coffrify_webhooks_examples.demo_apps:django"),
    Server("Starlette", "uvicorn", "coffrify_webhooks_examples.demo_apps:starlette"),
)


class Running(NamedTuple):
    """A server's process, and all that a sender has to know of it."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    secret: str
    folder: Path

    @property
    def journal(self) -> Path:
        """The file to which the handlers write that they ran."""
        return self.folder / "journal"

    def last_log_lines(self, count: int = 15) -> list[str]:
        """Return the end of what the server wrote."""
        text = (self.folder / "log").read_text(encoding="utf-8", errors="replace")
        return text.splitlines()[-count:]


def check_requirements() -> None:
    """Raise ConfigurationError if the demo cannot run here."""
    if os.name != "posix":
        raise ConfigurationError("the demo needs gunicorn, which runs on Linux and macOS")
    with needs("demo"):
        for module in ("gunicorn", "uvicorn", "flask", "django", "starlette"):
            if find_spec(module) is None:
                raise ModuleNotFoundError(name=module)


@contextmanager
def running(servers: Sequence[Server], folder: Path) -> Generator[list[Running]]:
    """Start the servers, and on the way out end them, whatever happened."""
    started: list[Running] = []
    try:
        for server in servers:
            started.append(_start(server, folder / server.name.lower()))  # noqa: PERF401 - each counts at once
        yield started
    finally:
        _stop([server.process for server in started])


def _start(server: Server, folder: Path) -> Running:
    from coffrify_webhooks_examples.journal import VARIABLE  # noqa: PLC0415

    folder.mkdir()
    (folder / "journal").touch()
    secret = f"whsec_{secrets.token_hex(32)}"
    settings = {
        "COFFRIFY_WEBHOOK_SECRET": secret,
        "COFFRIFY_WEBHOOKS_STORE": f"sqlite:///{folder / 'webhooks.db'}",
        VARIABLE: str(folder / "journal"),
    }
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(_UNWANTED)}
    # Bound and listening here: no other process can take the port, and requests wait for the
    # server to come up. Once ours is closed, they fail at once if it dies instead.
    with socket.create_server(("127.0.0.1", 0)) as listener, (folder / "log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own command
            _command(server, listener.fileno()),
            env=inherited | settings,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )
        return Running(server.name, process, listener.getsockname()[1], secret, folder)


def _command(server: Server, fd: int) -> list[str]:
    if server.runner == "gunicorn":
        options = ["--config", str(_SETTINGS), "--bind", f"fd://{fd}", f"{server.app}()"]
    else:
        options = ["--fd", str(fd), "--timeout-graceful-shutdown", "1", "--factory", server.app]
    return [sys.executable, "-m", server.runner, *options]


def _stop(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        _signal(process, signal.SIGTERM)
    deadline = monotonic() + _GRACE
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0, deadline - monotonic()))
    for process in processes:
        _signal(process, signal.SIGKILL)  # also workers that their master left behind
        process.wait()


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    """Signal the whole group: the session that the server was started in."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
