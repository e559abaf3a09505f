"""Follows each Get started page by its text alone: `python release/newcomer.py FILE.whl`.

In an empty environment with the built wheel: installations, variables, files, the server, the first
event, the test, and the server for production, as the page has them. Only the port is another one.
"""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
UV = os.environ.get("UV", "uv")
PAGES = ("flask", "django", "starlette", "fastapi", "fr")

BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# ([\w/]+\.py)\n")
WITHOUT_A_PROJECT = re.compile(r"^Without a project yet: (.*)$", re.MULTILINE)
IN_PRODUCTION = re.compile(r"^In production, .*?(?=\n\n)", re.MULTILINE | re.DOTALL)
LAST = ("## Test it", "## Tester")
"""The section after which a page is for looking things up."""

SERVERS = {
    "flask run": " --port {}",
    "uvicorn": " --port {}",
    "python manage.py runserver": " {}",
    "gunicorn": " --bind 127.0.0.1:{}",
}


class Newcomer:
    """A reader with an empty environment, in an empty folder."""

    def __init__(self, folder: Path, python: str, wheel: Path) -> None:
        self.home = folder / "work"
        self.home.mkdir()
        self.wheel = wheel
        self.said: list[str] = []
        self._server: subprocess.Popen[bytes] | None = None
        bin_folder = folder / "venv" / "bin"
        self.python = bin_folder / "python"
        run(
            [UV, "venv", "--quiet", "--python", python, str(folder / "venv")],
            {**os.environ},
            folder,
        )
        kept = {
            k: v
            for k, v in os.environ.items()
            if not k.startswith(("COFFRIFY", "PYTHON", "DJANGO"))
        }
        self.environment = {**kept, "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}"}
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]

    def type(self, line: str) -> None:
        """Do what a line of a shell says."""
        words = shlex.split(line)
        server = next((each for each in SERVERS if line.startswith(each)), None)
        if line.startswith("pip install"):
            wanted = [self._wanted(each) for each in words[2:]]
            run(
                [UV, "pip", "install", "--quiet", "--python", str(self.python), *wanted],
                self.environment,
                self.home,
            )
        elif line.startswith("export "):
            name, _, value = words[1].partition("=")
            self.environment[name] = value
        elif server:
            self.serve(line + SERVERS[server].format(self.port))
        else:
            said = run(
                [re.sub(r":(5000|8000)/", f":{self.port}/", each) for each in words],
                self.environment,
                self.home,
            )
            if " send " in line and "\n200 handled in " not in said:
                raise AssertionError(said)
        self.said.append(line)

    def _wanted(self, requirement: str) -> str:
        """Return the built wheel for our own name."""
        name, extras, rest = requirement.partition("[")
        return f"{self.wheel}{extras}{rest}" if name == "coffrify-webhooks" else requirement

    def write(self, source: str) -> None:
        """Write a file that the page shows; settings go below those of the new project."""
        found = FILE.match(source)
        if found is None:
            raise AssertionError(f"this is no file: {source[:80]}")
        path = self.home / found[1]
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.name == "settings.py":
            for name in ("INSTALLED_APPS", "MIDDLEWARE"):
                source = source.replace("...,", f"*{name},", 1)
            source = f"{path.read_text('utf-8')}\n{source}"
        path.write_text(source, "utf-8")

    def serve(self, line: str) -> None:
        """Start a server, in place of the one before."""
        self.stop()
        with (self.home / "server.log").open("wb") as log:
            self._server = subprocess.Popen(
                shlex.split(line),
                cwd=self.home,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        for _ in range(600):
            with socket.socket() as asked:
                if not asked.connect_ex(("127.0.0.1", self.port)):
                    return
            if self._server.poll() is not None:
                break
            time.sleep(0.1)
        raise AssertionError((self.home / "server.log").read_text("utf-8"))

    def stop(self) -> None:
        """Stop the server, and all that it has started."""
        if self._server is not None:
            os.killpg(self._server.pid, signal.SIGTERM)
            self._server.wait(30)
            self._server = None


def run(command: list[str], environment: dict[str, str], folder: Path) -> str:
    """Run a command; return what it wrote, and raise AssertionError with it if it fails."""
    executable = environment["PATH"]
    ended = subprocess.run(
        ["/usr/bin/env", f"PATH={executable}", *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    text = f"{ended.stdout}{ended.stderr}"
    if ended.returncode:
        raise AssertionError(f"{shlex.join(command)[:200]}\n{text[-4000:]}")
    return text


@contextmanager
def newcomer(python: str, wheel: Path) -> Iterator[Newcomer]:
    """Yield a reader, and leave nothing behind."""
    with TemporaryDirectory() as folder:
        reader = Newcomer(Path(folder), python, wheel)
        try:
            yield reader
        finally:
            reader.stop()


def follow(page: str, reader: Newcomer) -> None:
    """Do what a page says, to the end of its test, and then what it says of production."""
    text = (ROOT / "docs" / f"{page}.md").read_text("utf-8")
    last = next(each for each in LAST if f"\n{each}\n" in text)
    before, _, rest = text.partition(f"\n{last}\n")
    sections = before, rest.partition("\n## ")[0]
    lines, sent = list[tuple[str, str]](), ""
    for kind, source in (each for section in sections for each in BLOCK.findall(section)):
        lines += (
            [(kind, source)] if kind == "python" else [(kind, each) for each in source.splitlines()]
        )
    beginning = WITHOUT_A_PROJECT.search(text)
    for kind, source in lines:
        if kind == "python":
            reader.write(source)
            continue
        reader.type(source)
        if " send " in source:
            sent = source
        if beginning and source.startswith("export "):
            for command in re.findall(r"`([^`]+)`", beginning[1]):
                reader.type(command)
    if (reader.home / "test_app.py").exists():
        reader.type("pytest -q")
    production = IN_PRODUCTION.search(text)
    for command in re.findall(r"`([^`]+)`", production[0]) if production else ():
        reader.type(command)
    reader.type(sent)


def main() -> int:
    """Follow every page, on the Python that runs this."""
    wheel = Path(sys.argv[1]).resolve()
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    failed = 0
    for page in sys.argv[2:] or PAGES:
        began = time.monotonic()
        with newcomer(python, wheel) as reader:
            try:
                follow(page, reader)
                said = "; ".join(reader.said)
            except AssertionError as error:
                failed += 1
                said = f"FAILED: {error}"
        print(f"{page:10} {time.monotonic() - began:4.0f} s  {said}", flush=True)
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
