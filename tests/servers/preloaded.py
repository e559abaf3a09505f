"""Commands in processes that need not import anew what is slow to import.

A parent imports it once; each command then runs in a fork of it, as `python command` would run it.
"""

import json
import os
import runpy
import select
import socket
import subprocess
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGTERM, default_int_handler, signal
from tempfile import TemporaryDirectory
from typing import Any, Self

__all__ = ["Forked", "Preloaded"]


class Forked:
    """A process that runs a command; it has of `subprocess.Popen` what the tests need."""

    def __init__(self, reply: int, args: list[str]) -> None:
        self._reply = reply
        self.args = args
        self.pid = self._number(None)
        self.returncode: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit code, as Popen does."""
        if self.returncode is None:
            self.returncode = self._number(timeout)
            os.close(self._reply)
        return self.returncode

    def poll(self) -> int | None:
        """Return its exit code, or None while it runs."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it is still there."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send it SIGTERM."""
        self.send_signal(SIGTERM)

    def kill(self) -> None:
        """Send it SIGKILL."""
        self.send_signal(SIGKILL)

    def _number(self, timeout: float | None) -> int:
        ready, _, _ = select.select([self._reply], [], [], timeout)
        if not ready:
            assert timeout is not None
            raise subprocess.TimeoutExpired(self.args, timeout)
        return int(os.read(self._reply, 20))


class Preloaded:
    """The parent: it imports the modules, and nothing of the tests."""

    def __init__(self, *modules: str) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._parent = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno()), *modules],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )

    def start(
        self,
        command: list[str],
        folder: Path,
        environment: dict[str, str],
        log: Path,
        errors: Path | None = None,
    ) -> Forked:
        """Run `bin/command ...`, `python -m module ...` or `python -c code ...` in its own session.

        log: for what it prints; also on stderr, unless `errors` is another file for that.
        """
        reply, theirs = os.pipe()
        with log.open("ab") as output, (errors or log).open("ab") as told:
            asked = json.dumps([command, str(folder), environment]).encode()
            socket.send_fds(self._control, [asked], [output.fileno(), told.fileno(), theirs])
        os.close(theirs)
        return Forked(reply, command)

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """Run a command here, with the environment of the moment, and wait for its end."""
        with TemporaryDirectory() as name:
            output, errors = Path(name, "output"), Path(name, "errors")
            process = self.start([*command], Path.cwd(), {**os.environ}, output, errors)
            try:
                code = process.wait(60)
            finally:
                process.kill()
            return subprocess.CompletedProcess(
                command, code, output.read_text(), errors.read_text()
            )

    def close(self) -> None:
        """End the parent; its forks are for those who started them to end."""
        self._control.close()
        self._parent.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _serve(control: socket.socket) -> list[str] | None:
    """Fork for each request; return its command in the fork, and None when there are no more."""
    waiting: dict[int, tuple[int, int]] = {}
    """By the descriptor of a fork: its id, and where to tell its exit code."""
    while True:
        ready, _, _ = select.select([control.fileno(), *waiting], [], [])
        for fork in {*ready} & {*waiting}:
            pid, reply = waiting.pop(fork)
            _, status = os.waitpid(pid, 0)
            _tell(reply, os.waitstatus_to_exitcode(status))
            os.close(fork)
            os.close(reply)
        if control.fileno() not in ready:
            continue
        asked, descriptors, _, _ = socket.recv_fds(control, 1 << 20, 3)
        if not asked:
            return None
        output, errors, reply = descriptors
        pid = os.fork()
        if pid == 0:
            for each in [control.detach(), *waiting, *(reply for _, reply in waiting.values())]:
                os.close(each)
            os.close(reply)
            return _entered(json.loads(asked), output, errors)
        os.close(output)
        os.close(errors)
        _tell(reply, pid)
        waiting[os.pidfd_open(pid)] = pid, reply


def _tell(reply: int, number: int) -> None:
    with suppress(BrokenPipeError):  # nobody waits for it
        os.write(reply, str(number).encode())


def _entered(asked: Any, output: int, errors: int) -> list[str]:
    """Become the process of a command."""
    command, folder, environment = asked
    os.setsid()
    signal(SIGINT, default_int_handler)
    for standard, file in ((1, output), (2, errors)):
        os.dup2(file, standard)
        os.close(file)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    return list(command)


def _run(command: list[str]) -> None:
    sys.path[1:1] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    if command[1:2] == ["-c"]:
        sys.argv = command[1:2] + command[3:]
        sys.path[0] = ""
        exec(compile(command[2], "<string>", "exec"), {"__name__": "__main__"})
    elif command[1:2] == ["-m"]:
        sys.argv = command[2:]
        sys.path[0] = str(Path.cwd())
        runpy.run_module(command[2], run_name="__main__", alter_sys=True)
    else:
        sys.argv = command
        sys.path[0] = str(Path(command[0]).parent)
        runpy.run_path(command[0], run_name="__main__")


def _main() -> None:
    for name in sys.argv[2:]:
        import_module(name)
    command = _serve(socket.socket(fileno=int(sys.argv[1])))
    if command is not None:
        _run(command)


if __name__ == "__main__":
    _main()
