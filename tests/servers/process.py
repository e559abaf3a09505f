"""A server that a test starts: as a process of its own, on loopback, in a folder of its own."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import Self

__all__ = ["Server", "free_port", "own_environment"]

_PATIENCE = 60.0
_PORTS = range(12_000, 32_000)


def free_port() -> int:
    """Return a port of loopback that nobody listens on.

    Of those that no client is given as its own: a server that was killed must find it free again.
    """
    while True:
        port = secrets.choice(_PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def own_environment() -> dict[str, str]:
    """Return the environment for a process of a test, without what other tests' Django left."""
    return {name: value for name, value in os.environ.items() if not name.startswith("DJANGO_")}


class Server(ABC):
    """Starts when made; `kill` is kill -9 of all its processes, `restart` starts it on its data."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="coffrify-server-"))
        self.folder.chmod(0o755)
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self.prepare()
            self.start()
        except BaseException:
            self.stop()
            raise

    @abstractmethod
    def prepare(self) -> None:
        """Make the data folder."""

    @abstractmethod
    def command(self) -> list[str]:
        """Return what to run."""

    @abstractmethod
    def ready(self) -> bool:
        """Tell whether it answers queries."""

    user: str | None = None
    """Who runs it, if not whoever runs the tests."""

    def start(self) -> None:
        """Start it, and return once it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(), stdout=log, stderr=log, stdin=subprocess.DEVNULL, user=self.user
            )
        give_up = time.monotonic() + _PATIENCE
        while not self.ready():
            if self._process.poll() is not None or time.monotonic() > give_up:
                raise RuntimeError((self.folder / "log").read_text(errors="replace")[-2000:])
            time.sleep(0.02)

    def kill(self) -> None:
        """Send SIGKILL to it and to all that it started."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        """Start it again on the same data and port, once what is left of it has noticed its end."""
        give_up = time.monotonic() + _PATIENCE
        while True:
            try:
                return self.start()
            except RuntimeError:
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.1)

    def pause(self) -> None:
        """Let it accept and never answer."""
        self._signal(signal.SIGSTOP)
        while not all(_is_stopped(pid) for pid in self._pids()):
            time.sleep(0.001)
            self._signal(signal.SIGSTOP)  # also to what it started meanwhile

    def resume(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """Kill it, and remove its folder."""
        if self._process is not None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _pids(self) -> list[int]:
        return [self._process.pid, *_children(self._process.pid)] if self._process else []

    def _signal(self, number: int) -> None:
        for pid in self._pids():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue


def _is_stopped(pid: int) -> bool:
    """Tell whether every thread has taken notice of a SIGSTOP."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        states = [(task / "stat").read_text().rpartition(")")[2].split()[0] for task in tasks]
    except OSError:
        return True
    return all(state in "TZX" for state in states)


def _children(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    found = [int(child) for child in text.split()]
    return [*found, *(inner for child in found for inner in _children(child))]
